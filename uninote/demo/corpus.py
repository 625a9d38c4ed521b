"""The demo corpus on disk: two days of notes, their images, and the truth about them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from uninote.demo.authoring import Desk, write_note, write_notes
from uninote.demo.broken import IMAGE_REJECTS, damage_note, damages_of, expected_reject
from uninote.demo.image_files import image_bytes
from uninote.demo.material.random_streams import random_stream
from uninote.demo.next_day import NextDay, live_next_day
from uninote.demo.records import DemoImage, DemoNote, Row, item_row, truth_image
from uninote.errors import UninoteError

FEWEST_NOTES = 10
DAYS = ("items.jsonl", "next_day.jsonl")


def make_corpus(folder: Path, num_notes: int = 3000, seed: int = 7) -> None:
    """Write the corpus into `folder`, completely or not at all. One seed gives the same bytes every time.

    - items.jsonl: the notes of the first day. caption describes the first sound image, null without one; sound
      images have captions of their own.
    - next_day.jsonl: all notes a day later; about 2 % new, 2 % with other content, 1 % with other attributes, 1 % deleted.
    - images/: the files both days refer to. Reposts share files.
    - truth.jsonl, a line for each note of either day: topic, subjects, duplicate_of (the original's note_id),
      duplicate_kind ("repost", "near"; both as of the note's first day), change ("insert", "content", "attributes",
      "delete"), and expected_reject / expected_reject_next_day: why the note cannot be embedded on that day
      ("note_empty", "note_unusable"), null when it can or is not there. `images` holds those of both days: uri, shows
      (subject, colour, count, background, pattern, text), description, and for a file broken on purpose damage (a key
      of uninote.demo.broken.IMAGE_REJECTS) and expected_reject (MediaError's reason). A note with a broken image and
      anything else is to be embedded from the rest.

    Raises UninoteError when `folder` exists and is not empty, or for fewer than 10 notes.
    """
    _check_request(folder, num_notes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Built beside and renamed, so that a run that is stopped leaves no corpus that looks complete.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        building = Path(scratch) / "corpus"
        _write_corpus(building, num_notes, seed)
        _publish(building, folder)


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the objects of a JSON Lines file."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _check_request(folder: Path, num_notes: int) -> None:
    if num_notes < FEWEST_NOTES:
        raise UninoteError(
            f"a demo corpus of {num_notes} notes is too small to change overnight: the least is {FEWEST_NOTES}"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UninoteError(f"{folder} exists and is not an empty folder: remove it or give another")


def _publish(building: Path, folder: Path) -> None:
    try:
        # This replaces an empty folder, too.
        os.replace(building, folder)
    except OSError as error:
        raise UninoteError(f"{folder} was filled meanwhile by another run ({error.strerror}): use that") from error


def _write_corpus(folder: Path, num_notes: int, seed: int) -> None:
    notes, tomorrow = _plan(num_notes, seed)
    (folder / "images").mkdir(parents=True)
    _write_rows(folder / DAYS[0], map(item_row, notes))
    _write_rows(folder / DAYS[1], map(item_row, tomorrow.notes))
    _write_rows(folder / "truth.jsonl", _truth_rows(notes, tomorrow))
    for image in _images_of((*notes, *tomorrow.notes)).values():
        content = image_bytes(image, seed)
        if content is not None:
            (folder / image.uri).write_bytes(content)


def _images_of(notes: Iterable[DemoNote]) -> dict[str, DemoImage]:
    """Return images by URI: a repost names the files of its original, and both days share what did not change."""
    images = {}
    for note in notes:
        for image in note.images:
            images[image.uri] = image
    return images


def _plan(num_notes: int, seed: int) -> tuple[list[DemoNote], NextDay]:
    desk = Desk(seed, num_authors=max(20, num_notes // 6))
    damages = damages_of(num_notes)
    numbers = random_stream(seed, "damage").sample(range(num_notes), len(damages))
    originals: list[DemoNote] = []
    notes = write_notes(desk, sorted(set(range(num_notes)) - set(numbers)), originals)
    for number, damage in zip(numbers, damages, strict=True):
        notes.append(damage_note(write_note(desk, number), damage))
    notes.sort(key=lambda note: note.note_id)
    return notes, live_next_day(desk, notes, originals)


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for row in rows:
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def _truth_rows(notes: list[DemoNote], tomorrow: NextDay) -> Iterator[Row]:
    today = {note.note_id: note for note in notes}
    later = {note.note_id: note for note in tomorrow.notes}
    for note_id in sorted(today | later):
        versions = [day[note_id] for day in (today, later) if note_id in day]
        images = _images_of(versions)
        yield {
            "note_id": note_id,
            "topic": versions[0].topic,
            "subjects": list(versions[0].subjects),
            "duplicate_of": versions[0].duplicate_of,
            "duplicate_kind": versions[0].duplicate_kind,
            "expected_reject": expected_reject(today[note_id]) if note_id in today else None,
            "expected_reject_next_day": expected_reject(later[note_id]) if note_id in later else None,
            "change": tomorrow.changes.get(note_id),
            "images": [truth_image(image, IMAGE_REJECTS) for image in images.values()],
        }
