"""Some notes beside their neighbours, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from uninote.digests import spark_xxhash64
from uninote.lake.delta_files import DeltaFilesError, files_of
from uninote.lake.small_tables import read_batches
from uninote.lake.takedowns.watch import Taken, taken_down
from uninote.media.fetching import MediaError, load_image
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.image_bytes import stored_images
from uninote.pipelines.notes.images.media_roots import media_policy
from uninote.pipelines.report.quality import among
from uninote.report.data import ExampleNote, ExampleRow, Sample
from uninote.report.thumbnails import thumbnail
from uninote.storage.types import StorageError
from uninote.terminal import visible

TEXT_CHARACTERS = 240
_SMALL_BYTES = 64 << 20  # of a table's files, which this process reads
_EXAMPLES = 9
Fields = Row | Mapping[str, Any]  # of a note, or of an entry in a list
_SHOWN = ("note_id", "title", "body", "topics", "category", "images")


@dataclass(frozen=True)
class Examples:
    """Some notes that have neighbours, the same ones in every run until they are deleted: `lists` by their ids, best first.

    `rows` are these notes and their neighbours, as far as they are still there.
    """

    lists: Mapping[Any, Sequence[Fields]]
    rows: Mapping[Any, Fields]

    def listed(self, count: int) -> list[Any]:
        """Return the ids of up to `count` notes of which at least one neighbour is still there."""
        found = []
        for note_id, others in self.lists.items():
            if note_id in self.rows and any(other["note_id"] in self.rows for other in others):
                found.append(note_id)
        return found[:count]


def worked_example(run: Run) -> str:
    """Return one note and its best neighbours as text for a terminal; empty when no note has any.

    Of a small sample it is the one in the middle, by its best score: neither the luckiest nor the unluckiest.
    """
    # Nine notes and as many neighbours have images by the dozen, which a terminal does not show.
    rows = sorted(
        example_rows(run, find_examples(run, _EXAMPLES), _EXAMPLES, pictures=False),
        key=lambda row: row.neighbours[0].score or 0.0,
    )
    return _as_text(rows[len(rows) // 2]) if rows else ""


def _as_text(row: ExampleRow) -> str:
    lines = [f"note {_headline(row.query)}", "its nearest neighbours:"]
    for note in row.neighbours:
        lines.append(f"  {note.score:.4f}  {_headline(note)}")
    return "\n".join(lines)


def _headline(note: ExampleNote) -> str:
    return visible(f"{note.note_id}  {note.title or note.body[:60]}  [{', '.join(note.topics)}]")


def find_examples(run: Run, count: int) -> Examples:
    """Return up to `count` notes that have neighbours; those that are taken down are left out.

    Small tables are read in this process: after a refresh that changed nothing these would be the session's only queries.
    """
    taken = taken_down(run.lake.root)
    if all(map(_is_small, (run.generation.uri("neighbours"), run.lake.uri("notes")))):
        return _find_here(run, count, taken)
    lists = tables.read_table(run.spark, run.generation.uri("neighbours")).where("size(neighbours) > 0")
    lists = lists.where(~F.col("note_id").cast("string").isin(*taken.names))
    chosen = lists.orderBy(F.xxhash64("note_id"), "note_id").limit(count)
    best = F.slice("neighbours", 1, run.config.report.example_neighbours).alias("neighbours")
    found = {row["note_id"]: row["neighbours"] for row in chosen.select("note_id", best).collect()}
    rows = {row["note_id"]: row for row in _of(run, _wanted(found, taken)).collect()}
    return Examples(found, rows)


def _wanted(lists: Mapping[Any, Sequence[Any]], taken: Taken) -> set[Any]:
    """Return the ids of some notes and of their neighbours, without those that are taken down."""
    wanted = set(lists)
    for others in lists.values():
        wanted.update(one["note_id"] for one in others)
    return {note_id for note_id in wanted if not taken.hides(note_id)}


def _is_small(uri: str) -> bool:
    try:
        return sum(file.size for file in files_of(uri)) <= _SMALL_BYTES
    except DeltaFilesError:
        return False


def _find_here(run: Run, count: int, taken: Taken) -> Examples:
    """Return what `find_examples` does, of tables whose files this process reads."""
    uri = run.generation.uri("neighbours")
    ids: list[Any] = []
    for batch in read_batches(uri, ["note_id", "neighbours"]):
        ids += batch["note_id"].filter(pc.greater(pc.list_value_length(batch["neighbours"]), 0)).to_pylist()
    shown = [note_id for note_id in ids if str(note_id) not in taken.names]
    # In the order of Spark's hash: the same notes whatever the size of the tables.
    chosen = nsmallest(count, shown, key=lambda note_id: (spark_xxhash64(note_id), note_id))
    rows = _rows_here(uri, ("note_id", "neighbours"), chosen)
    best = run.config.report.example_neighbours
    found = {note_id: rows[note_id]["neighbours"][:best] for note_id in chosen}
    return Examples(found, _rows_here(run.lake.uri("notes"), _SHOWN, _wanted(found, taken)))


def _rows_here(uri: str, columns: Sequence[str], note_ids: Iterable[Any]) -> dict[Any, dict[str, Any]]:
    """Return note_id -> row of some notes of a table."""
    wanted = list(note_ids)
    found = {}
    for batch in read_batches(uri, columns):
        mine = pc.is_in(batch["note_id"], pa.array(wanted, batch["note_id"].type))
        for row in batch.filter(mine).to_pylist():
            found[row["note_id"]] = row
    return found


def example_rows(run: Run, examples: Examples, count: int, pictures: bool = True) -> tuple[ExampleRow, ...]:
    """Return up to `count` notes beside their neighbours; with `pictures`, the first image of each."""
    rows = []
    for note_id in examples.listed(count):
        shown = []
        for one in examples.lists[note_id]:
            # Notes may be newer than the lists: whatever was deleted since is not shown.
            if one["note_id"] in examples.rows:
                card = _card(run, examples.rows[one["note_id"]], pictures)
                shown.append(replace(card, score=one["score"]))
        rows.append(ExampleRow(_card(run, examples.rows[note_id], pictures), tuple(shown)))
    return tuple(rows)


def sample_of(run: Run, examples: Examples, count: int) -> Sample | None:
    """Return up to `count` notes to search in, with the texts of their neighbours; null where there are none."""
    lists = {}
    shown = set()
    for note_id in examples.listed(count):
        shown.add(note_id)
        found = []
        for one in examples.lists[note_id]:
            # As above: what is gone, or taken down, is not named either.
            if one["note_id"] in examples.rows:
                shown.add(one["note_id"])
                found.append((str(one["note_id"]), float(one["score"])))
        lists[str(note_id)] = tuple(found)
    notes = tuple(_card(run, examples.rows[note_id], False) for note_id in sorted(shown))
    return Sample(notes, lists) if lists else None


def _of(run: Run, note_ids: set[object]) -> DataFrame:
    # No times: Python has none before the year 1 or after 9999, and they need only be near to fail in some zone.
    notes = tables.read_table(run.spark, run.lake.uri("notes")).select(*_SHOWN)
    return among(run, notes, note_ids)


def _card(run: Run, note: Fields, pictures: bool) -> ExampleNote:
    return ExampleNote(
        note_id=str(note["note_id"]),
        title=note["title"] or "",
        body=(note["body"] or "")[:TEXT_CHARACTERS],
        topics=tuple(topic or "" for topic in note["topics"] or ()),
        category=note["category"] or "",
        image=_thumbnail(run, [image["uri"] or "" for image in note["images"] or ()]) if pictures else None,
        score=None,
    )


def _thumbnail(run: Run, uris: Sequence[str]) -> bytes | None:
    """Return the first image that can be read; a report is not worth failing for one."""
    policy = media_policy(run)
    inline = stored_images(run, uris)
    for uri in uris:
        try:
            return thumbnail(load_image(uri, policy, inline))
        except (MediaError, StorageError):
            continue
    return None
