"""What happens to the corpus within a day: notes come, change and go."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from uninote.demo.authoring import FIRST_DAY, Desk, draw_image, lead_scene, write_notes
from uninote.demo.broken import EMPTY_REJECT, empty_note, expected_reject
from uninote.demo.material.random_streams import random_stream
from uninote.demo.records import DemoNote
from uninote.demo.texts.topics import CATEGORIES, TOPICS
from uninote.demo.texts.wording import Slots, append_sentence, write_title, write_update

SHARES = {"insert": 0.02, "content": 0.02, "attributes": 0.01, "delete": 0.01}
_TOPICS = {topic.key: topic for topic in TOPICS}


@dataclass(frozen=True, slots=True)
class NextDay:
    """The complete snapshot of the second day, and the change of each note that has one."""

    notes: list[DemoNote]
    changes: dict[str, str]


def live_next_day(desk: Desk, notes: Sequence[DemoNote], originals: Sequence[DemoNote]) -> NextDay:
    """Insert, edit and delete the share of notes that SHARES says, at least one of each.

    From 200 notes on, one edit empties a good note and one fills an empty one.
    """
    rng = random_stream(desk.seed, "next day")
    sound = [note.note_id for note in notes if _is_sound(note)]
    num_inserted = 0
    kinds: list[str] = []
    for kind, share in SHARES.items():
        count = max(1, round(len(notes) * share))
        if kind == "insert":
            num_inserted = count
        else:
            kinds += [kind] * count
    touched = rng.sample(sound, len(kinds))
    changes = dict(zip(touched, kinds, strict=True)) | _repair(notes)
    emptied = touched[0] if len(notes) >= 200 else None
    edited = []
    for note in notes:
        change = changes.get(note.note_id)
        if change != "delete":
            edited.append(_change(desk, note, change, note.note_id == emptied))
    # Numbers go on after the last note: no id ever names two notes.
    numbers = range(len(notes), len(notes) + num_inserted)
    for note in write_notes(desk, numbers, list(originals)):
        edited.append(_stamp(desk, note))
        changes[note.note_id] = "insert"
    return NextDay(edited, changes)


def _is_sound(note: DemoNote) -> bool:
    return not expected_reject(note) and all(not image.damage for image in note.images)


def _repair(notes: Sequence[DemoNote]) -> dict[str, str]:
    """Choose the first empty note to get its content today."""
    for note in notes:
        if expected_reject(note) == EMPTY_REJECT:
            return {note.note_id: "content"}
    return {}


def _change(desk: Desk, note: DemoNote, change: str | None, emptied: bool) -> DemoNote:
    if change is None:
        return note
    rng = random_stream(desk.seed, "edit", note.note_id)
    if emptied:
        return _stamp(desk, empty_note(note))
    edit = _edit_content if change == "content" else _edit_attributes
    return _stamp(desk, edit(desk, note, rng))


def _edit_content(desk: Desk, note: DemoNote, rng: random.Random) -> DemoNote:
    topic = _TOPICS[note.topic]
    slots = Slots(topic, lead_scene(note.images, topic, rng), note.language, rng)
    kind = rng.choice(("title", "body", "image")) if not expected_reject(note) else "body"
    if kind == "image":
        fresh = draw_image(desk, topic, note.language, f"{note.note_id}_new")
        return replace(note, images=(fresh, *note.images[1:]))
    if kind == "title":
        title = write_title(slots, note.language, rng)
        return replace(note, title=title if title not in ("", note.title) else note.title + "！")
    return replace(note, body=append_sentence(note.body, write_update(slots, note.language, rng), note.language))


def _edit_attributes(desk: Desk, note: DemoNote, rng: random.Random) -> DemoNote:
    match rng.choice(("category", "author", "visibility")):
        case "category":
            return replace(note, category=rng.choice([name for name in CATEGORIES if name != note.category]))
        case "author":
            # The most active author is drawn most often; of fifty draws some are of another one. All are drawn, so that
            # what is drawn next does not depend on it.
            drawn = [desk.choose_author(rng) for _ in range(50)]
            others = [author for author in drawn if author != note.author]
            return replace(note, author=others[0])
        case _:
            return replace(note, visibility="private" if note.visibility == "public" else "public")


def _stamp(desk: Desk, note: DemoNote) -> DemoNote:
    seconds = random_stream(desk.seed, "stamp", note.note_id).randrange(1, 86_400)
    return replace(note, updated_at=FIRST_DAY + timedelta(seconds=seconds))
