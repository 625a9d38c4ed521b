"""A lake that the job scripts work on, each as a process of its own, and its tables as they can be compared with another's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from uninote.storage import lake_files
from uninote.upkeep.places import tables_below

ROOT = Path(__file__).parents[2]
# What differs between two runs whatever they do.
OWN = {"run_id", "embedded_at", "ingested_at", "quarantined_at"}
LEDGER = ["stage", "unit", "state"]  # of the ledger, which also has seconds, bytes, and what each process opened


class JobLake:
    """A lake at `root`, and what its jobs printed; `settings` are Spark's.

    Lakes are compared bit by bit, so their encoder must not depend on which notes a worker computes together.
    """

    def __init__(self, root: str, config: Path, source: str, settings: dict[str, str], *overrides: str) -> None:
        self.root = root
        self.printed = ""
        # What the driver keeps on its disk lies beside the configuration.
        self._tmp = config.parent
        self._arguments = ["--config", str(config), "--set", f"lake={root}", "--set", f"ingest.source={source}"]
        for override in (*overrides, *(f"spark.{name}={value}" for name, value in settings.items())):
            self._arguments += ["--set", override]

    def refresh(self, *overrides: str) -> dict[str, Any]:
        """Return the summary of a refresh."""
        return self.run("refresh", *overrides, arguments=("--allow-deletes",))

    def run(
        self, job: str, *overrides: str, tmp: Path | None = None, arguments: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Return the summary of a job, which keeps its copies in `tmp`."""
        command = [sys.executable, str(ROOT / "jobs" / f"{job}.py"), *self._arguments, *arguments]
        for override in overrides:
            command += ["--set", override]
        environment = os.environ | {"TMPDIR": str(tmp or self._tmp)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        self.printed += done.stdout + done.stderr
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])

    def tables(self) -> dict[str, list[str]]:
        """Return the rows of each table, without what is every run's own, in an order that is theirs, by name in the lake."""
        found = {}
        for uri in tables_below(self.root):
            table = DeltaTable(uri).to_pyarrow_table()
            name = lake_files.relative(self.root, uri)
            compared = LEDGER if name == "runs" else [column for column in table.column_names if column not in OWN]
            found[name] = sorted(map(repr, table.select(compared).to_pylist()))
        return found
