"""Notes out of Arrow rows, and the hashes by which a change of them is seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap
from udfs.notes.image_files import UNSEEN, ImageLook, Looked
from udfs.worker import import_ahead
from uninote.media.fetching import MediaPolicy
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.notes.hashing import content_hash, former_hash, meta_hash
from uninote.notes.note import Note, NoteImage

MODEL_COLUMNS = ("title", "body", "topics", "images")

_attributes = itemgetter(*NOTE_ATTRIBUTES)
_MADE = ("content_hash", "former_hash", "meta_hash", "unreachable", "new_files", "opened", "images_changed")


def to_note(row: Mapping[str, Any]) -> Note:
    """Return the note of one row of the notes table; nulls become empty."""
    return Note(
        title=row["title"] or "",
        body=row["body"] or "",
        topics=tuple(filter(None, row["topics"] or ())),
        images=tuple(map(_image, filter(None, row["images"] or ()))),
    )


def _image(row: Mapping[str, Any]) -> NoteImage:
    return NoteImage(row["uri"] or "", row["ocr"] or "")


@dataclass(frozen=True)
class HashTask:
    """What a task needs to see what changed. `opens_images`: the model sees images, so that their bytes count.

    `model` is the module of an encoder, which new items will need: the worker imports it while it looks at their images.
    Files are told of items of the kinds that are `recorded`: of a note, its images have the same.
    """

    media: MediaPolicy
    threads: int
    opens_images: bool
    model: str | None = None
    recorded: tuple[str, ...] = ("note",)


def make_content_hashes(task: HashTask, schema: pa.Schema) -> ArrowMap:
    """Map rows of items, each with what the lake knows of it, to `schema`: those of their columns it names, and what is new.

    In: MODEL_COLUMNS, NOTE_ATTRIBUTES, `is_there` (false: the lake has an item that no note has any more), `old_content`, and
    the `files` that the lake knows of the note's images. Out: content_hash, former_hash and meta_hash, null for an item that
    is not there; `unreachable`: the store of one of its images does not answer, so that its hashes say nothing of that one;
    `files` where they are new, and whether others of the note are `recorded`; `opened`, the files that were read for it; and
    `images_changed`.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with ThreadPoolExecutor(task.threads) as pool:
            for batch in batches:
                if task.model is not None and _has_new(batch):
                    import_ahead(task.model)
                yield _hashed(batch, task, ImageLook(task.media, pool, task.opens_images), schema)

    return run


def _has_new(batch: pa.RecordBatch) -> bool:
    """Say whether a batch has an item that nothing is known of."""
    is_new = pc.and_(batch["is_there"], pc.is_null(batch["old_content"]))
    return bool(pc.any(is_new).as_py())


def _hashed(batch: pa.RecordBatch, task: HashTask, look: ImageLook, schema: pa.Schema) -> pa.RecordBatch:
    values = []
    rows = []
    for found in batch.to_pylist():
        row = dict.fromkeys(_MADE) | found
        values.append(row)
        if row["is_there"]:
            row["meta_hash"] = meta_hash(_attributes(row))
            rows.append(row)
    # A model that sees no image needs the files of those rows alone which their texts do not settle.
    if not look.opens:
        rows = _blind(rows)
    notes = list(map(to_note, rows))
    looked = look.look(notes, [row["files"] or () for row in rows])
    for row, note, files in zip(rows, notes, looked, strict=True):
        row |= _hashes(note, files, row["files"] or (), look.opens)
        row["new_files"] = files.stored if files.is_new and look.opens and row["kind"] in task.recorded else None
    for row in values:
        row["unreachable"] = bool(row["unreachable"])
        row["images_changed"] = bool(row["images_changed"])
        row["recorded"] = row["files"] is not None
        row["files"] = row["new_files"]
    # Once a batch, in a row of it: the column is summed up.
    if rows:
        rows[0]["opened"] = look.opened
    return pa.RecordBatch.from_pylist(values, schema)


def _blind(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hash without a look at any image what a text model is asked for; return the rows that this does not settle.

    Those are hashed by a former release or edited: only the versions of their files tell which.
    """
    unsettled = []
    for row in rows:
        note = to_note(row)
        row["content_hash"] = content_hash(note, [UNSEEN] * len(note.images))
        if row["old_content"] not in (None, row["content_hash"]):
            unsettled.append(row)
    return unsettled


def _hashes(note: Note, found: Looked, recorded: Iterable[Mapping[str, Any]], opens_images: bool) -> dict[str, Any]:
    digests = list(map(attrgetter("digest"), found.files)) if opens_images else [UNSEEN] * len(found.files)
    return {
        "content_hash": content_hash(note, digests),
        "former_hash": former_hash(note, list(map(attrgetter("first_version"), found.files))),
        "unreachable": found.is_unreachable,
        "images_changed": bool(digests) and _digests(found.stored) != _digests(recorded),
    }


def _digests(files: Iterable[Mapping[str, Any]]) -> set[str]:
    return set(map(itemgetter("digest"), files))
