"""The newest complete set of embeddings: versions of tables that were left in step by one run of embed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame

from uninote.errors import UninoteError
from uninote.lake.paths import embeddings_name
from uninote.lake.releases.pointer import live_release
from uninote.pipelines.lake.run import Run, last_entry
from uninote.pipelines.lake.tables import MissingTableError, has_table, read_table

_OF_ITEMS = ("items", "set_aside")


class LedgerError(UninoteError):
    """The ledger lacks what only it knows."""


@dataclass(frozen=True)
class Snapshot:
    """Table name to Delta version, of one generation."""

    run: Run
    versions: Mapping[str, int]

    @property
    def widths(self) -> tuple[int, ...]:
        """The embedded widths, widest first."""
        prefix = embeddings_name(0)[:-1]
        found = []
        for name in self.versions:
            if name.startswith(prefix):
                found.append(int(name.removeprefix(prefix)))
        return tuple(sorted(found, reverse=True))

    def read(self, name: str) -> DataFrame:
        """Return the table `name` as it was left."""
        return read_table(self.run.spark, self.run.generation.uri(name), self.versions[name])

    def vectors_name(self, width: int) -> str:
        """Return the name of the embeddings of `width`. Raises MissingTableError when that width is not embedded."""
        name = embeddings_name(width)
        if name not in self.versions:
            widths = ", ".join(map(str, self.widths))
            raise MissingTableError(f"width {width} is not embedded; embedded are {widths}. Add it to embed.widths")
        return name


def newest_snapshot(run: Run) -> Snapshot:
    """Return what the last finished run of embed left. Raises MissingTableError when there was none."""
    done = last_entry(run, "embed", "all")
    if done is None and has_table(run.generation.uri("items")):
        raise LedgerError(
            f"{run.lake.root} has tables of the model {run.model.generation}, but its ledger knows of no finished run of "
            "embed; run jobs/embed.py, which compares the tables and writes the ledger anew"
        )
    if done is None:
        raise MissingTableError(
            f"nothing is embedded yet in {run.lake.root} with the model {run.model.generation}; run jobs/embed.py first"
        )
    return Snapshot(run, done["outputs"])


def readers_snapshot(run: Run) -> Snapshot:
    """Return the embeddings that the live release has, for jobs that read; the newest where it is of another model, or none.

    Raises MissingTableError as `newest_snapshot` does.
    """
    live = live_release(run.lake.root)
    if live is None or live.generation != run.model.generation:
        return newest_snapshot(run)
    start = f"{live.generation}/"
    names = {path.removeprefix(start): version for path, version in live.tables.items() if path.startswith(start)}
    prefix = embeddings_name(0)[:-1]
    of_embed = {name: version for name, version in names.items() if name in _OF_ITEMS or name.startswith(prefix)}
    return Snapshot(run, of_embed)
