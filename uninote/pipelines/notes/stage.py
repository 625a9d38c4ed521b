"""The ingest stage: a source becomes the notes table, in one commit that holds only what changed."""

from __future__ import annotations

import time
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.config.sections.base import DEMO
from uninote.errors import UninoteError
from uninote.lake.schemas import TableSpec, notes_table, quarantine_table
from uninote.lake.takedowns.watch import taken_down
from uninote.notes.ingest.sources import Source, SourceError, find_source
from uninote.ocr.reader import TextReader
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.lake.source import known_columns, remember_columns, remember_source
from uninote.pipelines.notes.erasing import erase_rows, without_quoted
from uninote.pipelines.notes.images.image_bytes import store_image_bytes
from uninote.pipelines.notes.images.image_texts import choose_reader, read_image_texts
from uninote.pipelines.notes.images.media_roots import remember_media_root
from uninote.pipelines.notes.note_ids import NoteIdError, check_note_ids
from uninote.pipelines.notes.source.identity import (
    check_deleted,
    check_source,
    counts_if_unchanged,
    demo_folder,
    identity_of,
    signature,
    state_of,
)
from uninote.pipelines.notes.source.rows import inspect_source, read_inspected
from uninote.pipelines.notes.source.small import Comparison, compare
from uninote.pipelines.notes.taken_down import count_taken_down, images_of, without_taken_down
from uninote.pipelines.runtime.progress import say
from uninote.upkeep.compacting import join_small_files

STAGE = "ingest"
_TABLES = ("notes", "image_bytes", "image_files", "image_texts")  # to which each ingest may append
# Of notes that the driver holds, to commit them without Spark.
MOST_CHARACTERS = 64 << 20


def ingest(run: Run, reader: TextReader | None = None) -> dict[str, Any]:
    """Make `notes` say what the source says: insert, update and delete; nothing is written when nothing changed.

    `reader` reads texts in images where `ingest.ocr` asks for it; null is the one that is installed, if one is.
    """
    started = time.time()
    location = run.ingest.source
    if not location:
        raise SourceError(
            f"the notes in {run.lake.root} were written by another program than ingest, which names no source; name it with "
            "--set ingest.source=<place>, or leave ingest out: the other jobs read the notes as they are"
        )
    reader = reader or choose_reader(run)
    source = find_source(str(demo_folder(run)) if location == DEMO else location)
    check_source(run, identity_of(run, source))
    # Before anything is read: of a source that changes meanwhile, the next run reads all.
    state_of_source = state_of(run, source)
    counts = counts_if_unchanged(run, state_of_source)
    if counts is None:
        return _read(run, source, reader, state_of_source, started)
    say(f"ingest: {source.uri} holds what it held when it was read last")
    _describe_source(run, notes_table(run.note_id), source)
    _record(run, "unchanged", counts, state_of_source, started)
    return {"state": "unchanged", "tables": {"notes": run.lake.uri("notes")}, **counts}


def _record(run: Run, state: str, counts: dict[str, int], state_of_source: str, started: float) -> None:
    if state == "done":
        join_small_files(run.lake.root, _TABLES, run.config.compaction)
    outputs = {"notes": tables.table_version(run.lake.uri("notes"))}
    outcome = Outcome(state, counts, outputs=outputs, fingerprint=signature(run, state_of_source))
    record(run, STAGE, "all", outcome, started)


def _read(run: Run, source: Source, reader: TextReader | None, state_of_source: str, started: float) -> dict[str, Any]:
    """Read the source, and bring the notes up to it."""
    inspected = inspect_source(run, source, run.ingest, STAGE, known_columns(run.lake))
    taken = taken_down(run.lake.root)
    # Notes that were taken down are found among the others by Spark.
    compared = None if taken else compare(inspected, run.lake.uri("notes"))
    if compared is not None:
        return _apply(run, source, compared, state_of_source, started)
    found = read_inspected(run, inspected, STAGE)
    notes, left_out = without_taken_down(found.notes, taken)
    notes = notes.persist()
    rejects = found.rejects
    spec = notes_table(tables.note_id_type(notes.schema))
    total = check_note_ids(notes)
    uri = run.lake.uri(spec.name)
    account = found.account
    counts = (
        {"notes": total}
        | _write(run, notes, source, account.characters, total)
        | {"rows_in": account.rows, "quarantined": account.rejects, "times_unreadable": account.times_unreadable}
        | {"taken_down": left_out}
    )
    if counts["rows_in"] != counts["notes"] + counts["quarantined"] + counts["taken_down"]:
        raise UninoteError(f"rows in and rows out differ: {counts}")
    counts["images_stored"] = store_image_bytes(run, images_of(notes, found.images, taken))
    _quarantine(run, without_quoted(rejects, taken), spec, account.rejects)
    erase_rows(run, notes, taken)
    state = _state(counts)
    remember_columns(uri, inspected.columns)
    _record(run, state, counts, state_of_source, started)
    counts |= read_image_texts(run, notes, reader)
    notes.unpersist()
    found.rows.unpersist()
    return {"state": state, "tables": {"notes": uri}, **counts}


def _apply(run: Run, source: Source, compared: Comparison, state_of_source: str, started: float) -> dict[str, Any]:
    """Bring the notes up to a small source without images, all of whose rows are notes, without Spark."""
    uri = run.lake.uri("notes")
    check_deleted(run, compared.counts["deleted"], compared.stored)
    _describe_source(run, notes_table(run.note_id), source)
    compared.apply(uri)
    remember_columns(uri, compared.columns)
    read = {"rows_in": compared.rows, "quarantined": 0, "times_unreadable": compared.times_unreadable}
    read["taken_down"] = 0
    counts = {"notes": compared.rows} | compared.counts | read | {"images_stored": store_image_bytes(run, None)}
    say(f"ingest: rows read and compared: {compared.rows:,}")
    state = _state(counts)
    _record(run, state, counts, state_of_source, started)
    return {"state": state, "tables": {"notes": uri}, **counts}


def _state(counts: dict[str, int]) -> str:
    return "done" if counts["inserted"] + counts["updated"] + counts["deleted"] else "unchanged"


def _write(run: Run, notes: DataFrame, source: Source, characters: int, total: int) -> dict[str, int]:
    """Commit what changed in the notes table, and return how many notes that are by kind."""
    spec = notes_table(tables.note_id_type(notes.schema))
    uri = run.lake.uri(spec.name)
    if not tables.has_table(uri):
        # All are new: a comparison with nothing would cost two queries.
        _describe_source(run, spec, source)
        added = notes.withColumn(tables.DELETED, F.lit(False))
        tables.apply_changes(added, spec, uri, rows=total if characters <= MOST_CHARACTERS else None)
        return {"inserted": total, "updated": 0, "deleted": 0}
    before = tables.read_or_empty(run.spark, spec, uri)
    if tables.note_id_type(before.schema) != tables.note_id_type(notes.schema):
        raise NoteIdError(
            f"this lake's note_id is {tables.note_id_type(before.schema).simpleString()}, the source's is "
            f"{tables.note_id_type(notes.schema).simpleString()}; use another lake: --set lake=<folder>"
        )
    changes = _changes(before, notes).persist()
    counts = {}
    characters = 0
    for row in changes.groupBy("kind").agg(F.count("*").alias("rows"), F.sum("size").alias("size")).collect():
        counts[row["kind"]] = row["rows"]
        characters += row["size"]
    if "deleted" in counts:
        # Those that are taken down go by an order, whatever the source lacks.
        ordered = count_taken_down(before, taken_down(run.lake.root))
        check_deleted(run, counts["deleted"] - ordered, before.count())
    _describe_source(run, spec, source)
    if counts:
        rows = sum(counts.values()) if characters <= MOST_CHARACTERS else None
        tables.apply_changes(changes.drop("kind", "size"), spec, uri, rows=rows)
    changes.unpersist()
    return {kind: counts.get(kind, 0) for kind in ("inserted", "updated", "deleted")}


def _describe_source(run: Run, spec: TableSpec, source: Source) -> None:
    """Write down where notes and images come from, before the notes: without it their images would not be found."""
    uri = run.lake.uri(spec.name)
    tables.create(run.spark, spec, uri)
    remember_media_root(run, source.media_root)
    remember_source(uri, identity_of(run, source), run.ingest)


def _changes(before: DataFrame, after: DataFrame) -> DataFrame:
    """Return the rows to upsert or remove, with their `kind`, and their `size` as JSON."""
    old = before.select("note_id", F.to_json(F.struct(*before.columns)).alias("_old"))
    new = after.withColumn("_new", F.to_json(F.struct(*before.columns)))
    kind = F.when(F.col("_old").isNull(), "inserted").when(F.col("_new").isNull(), "deleted").otherwise("updated")
    changed = new.join(old, "note_id", "full").where("NOT (_old <=> _new)").withColumn("kind", kind)
    changed = changed.withColumn("size", F.coalesce(F.length("_new"), F.lit(0)))
    return changed.withColumn(tables.DELETED, F.col("kind") == "deleted").drop("_old", "_new")


def _quarantine(run: Run, rejects: DataFrame, spec: TableSpec, count: int) -> None:
    if not count:
        return
    table = quarantine_table(spec.schema["note_id"].dataType)
    known = {
        # Such a row has no id of its own; the same row has the same message, and so the same id.
        "item_id": F.sha2("message", 256),
        "kind": F.lit("row"),
        "stage": F.lit(STAGE),
        "reason": F.col("reason"),
        "message": F.substring("message", 1, 2000),
        "run_id": F.lit(run.run_id),
        "quarantined_at": F.current_timestamp(),
    }
    columns = tables.filled_columns(table.schema, known)
    tables.append(rejects.select(*columns), table, run.lake.uri(table.name))
