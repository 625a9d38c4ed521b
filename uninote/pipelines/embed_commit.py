"""How the results of embedding become visible, and how a killed run is undone.

Order of commits: ledger ("started", with the versions to go back to), quarantine, vectors, items, ledger ("done"). A run
that finds another's "started" without its "done" first restores those versions: of a killed run only its lines in the
histories, ledger and quarantine, remain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from udfs.widths import make_truncate
from uninote.lake import embeddings_name
from uninote.pipelines import changes, tables
from uninote.pipelines.progress import say
from uninote.pipelines.run import Outcome, Run, ledger, record
from uninote.schemas import TableSpec, embeddings_table, items_table, quarantine_table

STAGE, WHOLE = "embed", "all"
NEXT_KEY = "next_key"


@dataclass(frozen=True)
class Before:
    """What earlier runs left: the tables in step with each other, by version, and the first item_key never given out.

    Keys are not given out twice, not even those of a killed run or of items since deleted: old index segments and
    neighbour lists may still hold them.
    """

    versions: Mapping[str, int]
    next_key: int

    def has(self, width: int) -> bool:
        """Say whether the vectors of `width` are as new as the items."""
        return embeddings_name(width) in self.versions

    def has_all(self, widths: tuple[int, ...]) -> bool:
        """Say whether nothing is to be published when no note changed."""
        return set(published(widths)) == set(self.versions)


@dataclass(frozen=True)
class Results:
    """What is to be published, and how much of it there is, so that no frame is run to find out.

    `keyed`: every note, its item_key and its change. `staged`: what the model said of each note it was given. `tally`:
    notes by change, and by what became of them: "embedded", "rejects".
    """

    keyed: DataFrame
    staged: DataFrame
    tally: Counter[str]

    @property
    def good(self) -> DataFrame:
        """What got a vector."""
        return self.staged.where("vector IS NOT NULL")

    @property
    def edited(self) -> DataFrame:
        """What changed only in attributes that no model sees."""
        return self.keyed.where(F.col("change") == changes.ATTRIBUTES)

    @property
    def gone(self) -> DataFrame:
        """Keys whose vectors must go: of deleted notes, and of notes edited into something unusable."""
        deleted = self.keyed.where(F.col("change") == changes.DELETED).select("item_key")
        return deleted.union(self.staged.where("vector IS NULL").select("item_key"))

    @property
    def replaces(self) -> bool:
        """Whether stored vectors are replaced or removed, and not only added to."""
        return bool(self.tally[changes.EDITED] + self.tally[changes.DELETED])


def published(widths: tuple[int, ...]) -> list[str]:
    """Names of the tables of a generation that one run of embed keeps in step."""
    return ["items", *map(embeddings_name, widths)]


def undo_unfinished(run: Run) -> Before:
    """Restore the tables that a killed run had begun to write to the versions it started from."""
    entries = ledger(run, STAGE).collect()
    begun = next((entry for entry in entries if entry["state"] == "started"), None)
    done = next((entry for entry in entries if entry["state"] == "done"), None)
    finished = {entry["run_id"] for entry in entries if entry["state"] == "done"}
    if begun is not None and begun["run_id"] not in finished:
        say(f"embed: run {begun['run_id']} did not finish; going back to where it started")
        for name, version in begun["outputs"].items():
            tables.restore(run.spark, run.generation.uri(name), version)
    return Before(
        versions=done["outputs"] if done is not None else {},
        next_key=int(begun["counts"][NEXT_KEY]) if begun is not None else 0,
    )


def versions(run: Run, widths: tuple[int, ...]) -> dict[str, int]:
    """Return the present version of each table of `published`, ABSENT for one that does not exist."""
    return {name: tables.version_or_absent(run.spark, run.generation.uri(name)) for name in published(widths)}


def start(run: Run, widths: tuple[int, ...], next_key: int, started: float) -> None:
    """Write down what to restore if this run should die."""
    outcome = Outcome("started", {NEXT_KEY: next_key}, outputs=versions(run, widths))
    record(run, STAGE, WHOLE, outcome, started)


def publish(run: Run, results: Results, widths: tuple[int, ...], before: Before) -> None:
    """Commit vectors, then items. `widths` come widest first: the others are cut from it."""
    for width in widths:
        if width == widths[0] or before.has(width):
            spec = embeddings_table(run.note_id, embeddings_name(width))
            rows = _at_width(results.good.select(*spec.columns), width, spec)
            _commit(run, rows, spec, results, results.replaces)
        else:  # new, or left out of some runs
            _derive_vectors(run, width, widths[0])
    spec = items_table(run.note_id)
    rows = results.good.unionByName(results.edited, allowMissingColumns=True).withColumn("kind", F.lit("note"))
    replaces = results.replaces or bool(results.tally[changes.ATTRIBUTES])
    _commit(run, rows.select(*spec.columns), spec, results, replaces)


def _derive_vectors(run: Run, width: int, widest: int) -> None:
    """Cut a whole table from the widest that is stored."""
    spec = embeddings_table(run.note_id, embeddings_name(width))
    stored = tables.read_table(run.spark, run.generation.uri(embeddings_name(widest)))
    tables.overwrite(_at_width(stored, width, spec), spec, run.generation.uri(spec.name))


def _at_width(vectors: DataFrame, width: int, spec: TableSpec) -> DataFrame:
    return vectors.mapInArrow(make_truncate(width), spec.schema)


def _commit(run: Run, rows: DataFrame, spec: TableSpec, results: Results, replaces: bool) -> None:
    """Add `rows`; or, where something stored is replaced or gone, do all of it in one commit; or nothing at all."""
    uri = run.generation.uri(spec.name)
    if replaces:
        kept = rows.withColumn(tables.DELETED, F.lit(False))
        removed = results.gone.withColumn(tables.DELETED, F.lit(True))
        tables.apply_changes(kept.unionByName(removed, allowMissingColumns=True), spec, uri)
    elif results.tally["embedded"]:
        tables.append(rows, spec, uri)


def quarantine(run: Run, results: Results) -> None:
    """Add what the model's stage rejected to the history."""
    if not results.tally["rejects"]:
        return
    spec = quarantine_table(run.note_id)
    rejects = results.staged.select("note_id", "content_hash", F.explode("rejects").alias("reject")).select(
        "note_id",
        "content_hash",
        "reject.*",
        F.lit(STAGE).alias("stage"),
        F.lit(run.model.generation).alias("generation"),
        F.lit(run.run_id).alias("run_id"),
        F.current_timestamp().alias("quarantined_at"),
    )
    tables.append(rejects, spec, run.lake.uri(spec.name))
