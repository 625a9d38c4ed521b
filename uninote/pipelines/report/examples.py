"""Some notes beside their neighbours, for people to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from uninote.media.fetching import MediaError, load_image
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.image_bytes import stored_images
from uninote.pipelines.notes.media_roots import media_policy
from uninote.report.data import GalleryNote, GalleryRow
from uninote.report.thumbnails import thumbnail
from uninote.storage.types import StorageError
from uninote.terminal import visible

TEXT_CHARACTERS = 240
_EXAMPLES = 9
_SHOWN = ("note_id", "title", "body", "topics", "category", "images")


def worked_example(run: Run) -> str:
    """Return one note and its best neighbours as text for a terminal; empty when no note has any.

    Of a small sample it is the one in the middle, by its best score: neither the luckiest nor the unluckiest.
    """
    rows = sorted(gallery(run, _EXAMPLES), key=lambda row: row.neighbours[0].score or 0.0)
    return _as_text(rows[len(rows) // 2]) if rows else ""


def _as_text(row: GalleryRow) -> str:
    lines = (f"  {note.score:.4f}  {_headline(note)}" for note in row.neighbours)
    return "\n".join([f"note {_headline(row.query)}", "its nearest neighbours:", *lines])


def _headline(note: GalleryNote) -> str:
    return visible(f"{note.note_id}  {note.title or note.body[:60]}  [{', '.join(note.topics)}]")


def gallery(run: Run, notes: int) -> tuple[GalleryRow, ...]:
    """Return some notes that have neighbours, the same ones in every run until they are deleted."""
    settings = run.config.report
    lists = tables.read_table(run.spark, run.generation.uri("neighbours")).where("size(neighbours) > 0")
    chosen = lists.orderBy(F.xxhash64("note_id"), "note_id").limit(notes)
    neighbours = {row["note_id"]: row["neighbours"][: settings.gallery_neighbours] for row in chosen.collect()}
    wanted = set(neighbours)
    for found in neighbours.values():
        wanted.update(one["note_id"] for one in found)
    cards = {row["note_id"]: _card(run, row) for row in _of(run, wanted).collect()}
    rows = []
    for note_id, found in neighbours.items():
        # Notes may be newer than the lists: whatever was deleted since is not shown.
        shown = [_scored(cards, one) for one in found if one["note_id"] in cards]
        if note_id in cards and shown:
            rows.append(GalleryRow(cards[note_id], tuple(shown)))
    return tuple(rows)


def _scored(cards: Mapping[object, GalleryNote], neighbour: Row) -> GalleryNote:
    return replace(cards[neighbour["note_id"]], score=neighbour["score"])


def _of(run: Run, note_ids: set[object]) -> DataFrame:
    # No times: Python has none before the year 1 or after 9999, and they need only be near to fail in some zone.
    notes = tables.read_table(run.spark, run.lake.uri("notes")).select(*_SHOWN)
    wanted = run.spark.createDataFrame([(one,) for one in note_ids], notes.select("note_id").schema)
    return notes.join(F.broadcast(wanted), "note_id")


def _card(run: Run, note: Row) -> GalleryNote:
    return GalleryNote(
        note_id=str(note["note_id"]),
        title=note["title"] or "",
        body=(note["body"] or "")[:TEXT_CHARACTERS],
        topics=tuple(topic or "" for topic in note["topics"] or ()),
        category=note["category"] or "",
        image=_thumbnail(run, [image["uri"] or "" for image in note["images"] or ()]),
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
