"""Writing the notes of the first day: fresh ones, reposts and near-duplicates."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from uninote.demo.material.random_streams import chance, random_stream
from uninote.demo.pictures.scenes import Scene, choose_scene, describe_scene
from uninote.demo.records import DemoImage, DemoNote
from uninote.demo.texts.topics import TOPICS, WEIGHTS, Language, Topic
from uninote.demo.texts.wording import Slots, choose_hashtags, paraphrase, write_body, write_title

FIRST_DAY = datetime(2026, 1, 5, tzinfo=UTC)
REPOST_SHARE = 0.08
NEAR_SHARE = 0.05
PRIVATE_SHARE = 0.02
ZH_SHARE = 0.6
# Of images: with something written in them; not JPEG
TEXT_SHARE = 0.35
PNG_SHARE = 0.12
_IMAGES = {0: 15, 1: 40, 2: 22, 3: 14, 4: 5, 5: 2, 6: 2}  # how many a note has, in percent of the notes


@dataclass(frozen=True, slots=True)
class Desk:
    """What all notes of one corpus share."""

    seed: int
    num_authors: int

    def choose_author(self, rng: random.Random) -> str:
        """Choose an author, Zipf-like: the second writes half as much as the first."""
        return f"u{rng.choices(range(self.num_authors), cum_weights=_zipf(self.num_authors))[0]:04d}"


def note_name(number: int) -> str:
    """Name a note by its number."""
    return f"n{number:06d}"


def write_notes(desk: Desk, numbers: Sequence[int], originals: list[DemoNote]) -> list[DemoNote]:
    """Write the notes of these numbers; duplicates copy from `originals`, which grows by the fresh ones."""
    notes = []
    for number in numbers:
        rng = random_stream(desk.seed, "note", number)
        kind = rng.choices(("repost", "near", ""), weights=(REPOST_SHARE, NEAR_SHARE, 1 - REPOST_SHARE - NEAR_SHARE))[0]
        if kind and originals:
            # Early notes are the popular ones: some groups grow large, most stay pairs.
            source = originals[int(len(originals) * rng.random() ** (4 if chance(rng, 0.3) else 1))]
            note = copy_note(desk, source, number, kind)
        else:
            note = write_note(desk, number)
            originals.append(note)
        notes.append(note)
    return notes


def write_note(desk: Desk, number: int) -> DemoNote:
    """Write a fresh note."""
    # The order of the draws below is part of the corpus: one more between them would change every note.
    rng = random_stream(desk.seed, "fresh", number)
    topic = rng.choices(TOPICS, weights=WEIGHTS)[0]
    language: Language = "zh" if chance(rng, ZH_SHARE) else "en"
    wanted = rng.choices([*_IMAGES], weights=[*_IMAGES.values()])[0]
    images = []
    for position in range(wanted):
        images.append(draw_image(desk, topic, language, f"{note_name(number)}_{position}"))
    lead = lead_scene(images, topic, rng)
    slots = Slots(topic, lead, language, rng)
    return DemoNote(
        note_id=note_name(number),
        topic=topic.key,
        subjects=_subjects(lead, images),
        title=write_title(slots, language, rng),
        body=write_body(topic, slots, language, rng),
        hashtags=choose_hashtags(topic, language, rng),
        images=tuple(images),
        category=topic.category,
        author=desk.choose_author(rng),
        language=language,
        visibility="private" if chance(rng, PRIVATE_SHARE) else "public",
        updated_at=FIRST_DAY - timedelta(seconds=rng.randrange(180 * 86_400)),
    )


def draw_image(desk: Desk, topic: Topic, language: str, name: str) -> DemoImage:
    """Plan an image of the topic; its file is drawn later, from its name."""
    rng = random_stream(desk.seed, "image", name)
    text = _write_sign(topic, rng) if chance(rng, TEXT_SHARE) else ""
    scene = choose_scene(rng, rng.choice(topic.subjects), text)
    extension = "png" if chance(rng, PNG_SHARE) else "jpg"
    return DemoImage(f"images/{name}.{extension}", scene, describe_scene(scene, language, rng), name)


def lead_scene(images: Sequence[DemoImage], topic: Topic, rng: random.Random) -> Scene:
    """Return what the text is about: the first image, or an imagined one for a note without."""
    for image in images:
        if image.scene:
            return image.scene
    return choose_scene(rng, rng.choice(topic.subjects))


def _subjects(lead: Scene, images: Sequence[DemoImage]) -> tuple[str, ...]:
    """Return what a note is about: the subjects of its text and of its images, each once."""
    found = {lead.subject: True}
    for image in images:
        if image.scene:
            found[image.scene.subject] = True
    return tuple(found)


def copy_note(desk: Desk, source: DemoNote, number: int, kind: str) -> DemoNote:
    """Copy a note under another author: "repost" word for word with the same files, "near" with small changes."""
    rng = random_stream(desk.seed, "copy", number)
    author = desk.choose_author(rng)
    # A repost by the author would be an edit, not a duplicate.
    while author == source.author:
        author = desk.choose_author(rng)
    copy = replace(
        source,
        note_id=note_name(number),
        author=author,
        visibility="public",
        updated_at=FIRST_DAY - timedelta(seconds=rng.randrange(90 * 86_400)),
        duplicate_of=source.note_id,
        duplicate_kind=kind,
    )
    return copy if kind == "repost" else _vary(copy, rng)


def _vary(note: DemoNote, rng: random.Random) -> DemoNote:
    # The order of what is drawn from `rng` is part of the corpus.
    hashtags = list(note.hashtags)
    rng.shuffle(hashtags)
    title = paraphrase(note.title, note.language, rng)
    body = paraphrase(note.body, note.language, rng)
    images = []
    for number, image in enumerate(note.images):
        images.append(_vary_image(image, f"{note.note_id}_{number}", rng))
    return replace(note, title=title, body=body, hashtags=tuple(hashtags), images=tuple(images))


def _vary_image(image: DemoImage, name: str, rng: random.Random) -> DemoImage:
    """Re-encode or crop; what has text in it is not cropped, so that its OCR stays true."""
    edit = "crop" if not image.ocr and chance(rng, 0.5) else "recompress"
    return replace(image, uri=f"images/{name}.jpg", edit=edit)


def _write_sign(topic: Topic, rng: random.Random) -> str:
    sign = rng.choice(topic.signs)
    price = f"{rng.randint(5, 399)}.{rng.choice(('00', '50', '90'))}"
    return rng.choice((sign, f"{sign} {price}", price, f"{sign} {rng.randint(2, 99)}", f"NO. {rng.randint(100, 999)}"))


@cache
def _zipf(num_authors: int) -> list[float]:
    total = 0.0
    sums = []
    for rank in range(1, num_authors + 1):
        total += 1 / rank
        sums.append(total)
    return sums
