"""Stage 1's examples out of one note: positives of its strategies, modal replacement, and the negative by rule.

Pure and deterministic in (seed, note_id), so a Spark job may call it per note, on any worker, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from uninote.training.dataset.strategies import Strategy
from uninote.training.from_notes.halves import SENTENCE
from uninote.training.from_notes.note_rows import (
    Content,
    SourceImage,
    SourceNote,
    generator_of,
    image_content,
    note_content,
    ocr_content,
    text_content,
)

SURELY_SEEN = 4  # images of a note: models of the published limits see as many
LEAST_OCR = 2  # characters: a single letter read in an image names nothing


@dataclass(frozen=True, slots=True)
class Example:
    """A query and its positive. `by_rule` is a negative of the same note, or null: rule (b) of the paper."""

    strategy: Strategy
    query: Content
    positive: Content
    by_rule: Content | None = None


@dataclass(frozen=True)
class Making:
    """How examples are made. `replace` modal replacement [stated]; `per_note` at most so many of a strategy [ours].

    `note_pairs` makes pairs of a note's halves too, for stage 1 [ours]: the paper leaves note→note to stage 2; with
    `shared_images` also of a half and the other one with images of the first, as in stage 2's lists [ours]. Each note is cut
    in up to `note_cuts` ways for them [ours].
    `undescribed_pairs` makes pairs of an image and its note without it and without its description [ours], `sibling_pairs`
    pairs of two images of a note [ours]. Of a note `held_out` the title is its description where it has none, and what is
    asked for an image is there with the description and without [ours]. What an example is about is among the first `seen`
    images of its note, and of halves all images are.
    """

    seed: int = 0
    replace: bool = True
    per_note: int = 2
    note_pairs: bool = False
    undescribed_pairs: bool = False
    sibling_pairs: bool = False
    held_out: bool = False
    shared_images: bool = False
    note_cuts: int = 1
    seen: int = SURELY_SEEN


def examples_of(note: SourceNote, making: Making) -> list[Example]:
    """Return the examples of one note, at most `making.per_note` of each strategy, drawn by (seed, note_id).

    Strategies that the note has nothing for are absent: no description, no text_to_image; no OCR, no ocr_to_note.
    """
    found: dict[Strategy, list[Example]] = {}
    for example in _wanted(note, making):
        found.setdefault(example.strategy, []).append(example)
    if making.held_out and Strategy.TEXT_TO_NOTE not in found:
        for example in _of_title(note):
            found[example.strategy] = [example]
    generator = generator_of(making.seed, note.note_id)
    drawn: list[Example] = []
    for strategy in sorted(found, key=list(Strategy).index):
        candidates = found[strategy]
        drawn += generator.sample(candidates, min(making.per_note, len(candidates)))
    # Behind the draws, which stay those of a set without them.
    return drawn + list(_undescribed(drawn)) if making.held_out else drawn


def note_without(note: SourceNote, image: SourceImage, making: Making, caption: str) -> Content:
    """Return the positive note of an image query.

    With `making.replace` the image is taken out and its description put in [stated], so that equal pixels cannot be the
    answer; an image without description is only taken out [ours]. Without, the note as it is.
    """
    if not making.replace:
        return note_content(note, _in_sight(note, image, making.seen))
    return note_content(note, _others(note, image), caption)


def _wanted(note: SourceNote, making: Making) -> Iterator[Example]:
    every = list(_all(note, making))
    yield from every
    if making.undescribed_pairs and not making.held_out:
        for bare in _undescribed(every):
            yield bare
            yield Example(Strategy.NOTE_TO_IMAGE, bare.positive, bare.query)
    if making.sibling_pairs:
        for image, other in permutations(note.images, 2):
            if image.digest != other.digest:
                yield Example(Strategy.IMAGE_TO_IMAGE, image_content(image), image_content(other))


def _undescribed(examples: Iterable[Example]) -> Iterator[Example]:
    """Yield image→note once more without the image and without its description, where the note has one of them.

    There is no negative by rule: it is what the note has become.
    """
    for one in examples:
        if one.strategy is Strategy.IMAGE_TO_NOTE:
            ((digest, _),) = one.query.images
            others = tuple(image for image in one.positive.images if image[0] != digest)
            bare = replace(one.positive, images=others, described="")
            if bare != one.positive and _shows_anything(bare):
                yield Example(one.strategy, one.query, bare)


def _all(note: SourceNote, making: Making) -> Iterator[Example]:
    for image in note.images:
        unchanged = note_content(note, _in_sight(note, image, making.seen))
        caption = image.caption.strip()
        yield from _of_image(note, image, caption, making)
        if caption:
            described = text_content(caption)
            yield Example(Strategy.TEXT_TO_NOTE, described, unchanged, _rule(note, image))
            yield Example(Strategy.NOTE_TO_TEXT, unchanged, described)
        if len(image.ocr.strip()) >= LEAST_OCR:
            # Of a long note OCR is cut before topics and title: a note that lost what asks for it would be its negative.
            place = unchanged.images.index((image.digest, image.ocr))
            asked = replace(unchanged, asked=place)
            yield Example(Strategy.OCR_TO_NOTE, ocr_content(image.ocr), asked, _rule(note, image))
    if not note.images and note.caption.strip():
        unchanged = note_content(note, ())
        described = text_content(note.caption)
        yield Example(Strategy.TEXT_TO_NOTE, described, unchanged)
        yield Example(Strategy.NOTE_TO_TEXT, unchanged, described)


def _of_title(note: SourceNote) -> Iterator[Example]:
    """Yield title → rest of the note and back; of a note without title its first sentence stands for one."""
    title = note.title
    body = note.body
    if not title.strip():
        title, *others = [part for part in SENTENCE.split(body.strip()) if part.strip()] or [""]
        body = " ".join(others)
    rest = note_content(replace(note, title="", body=body), note.images)
    if title.strip() and _shows_anything(rest):
        yield Example(Strategy.TEXT_TO_NOTE, text_content(title), rest)
        yield Example(Strategy.NOTE_TO_TEXT, rest, text_content(title))


def _of_image(note: SourceNote, image: SourceImage, caption: str, making: Making) -> Iterator[Example]:
    alone = image_content(image)
    if caption:
        yield Example(Strategy.IMAGE_TO_TEXT, alone, text_content(caption))
        yield Example(Strategy.TEXT_TO_IMAGE, text_content(caption), alone)
    if len(image.ocr.strip()) >= LEAST_OCR:
        yield Example(Strategy.IMAGE_TO_OCR, alone, ocr_content(image.ocr))
        yield Example(Strategy.OCR_TO_IMAGE, ocr_content(image.ocr), alone)
    host = note_without(note, image, making, caption)
    if _shows_anything(host):
        # without a description the replaced note would be the negative by rule itself
        by_rule = _rule(note, image) if caption or not making.replace else None
        yield Example(Strategy.IMAGE_TO_NOTE, alone, host, by_rule)
        yield Example(Strategy.NOTE_TO_IMAGE, host, alone)


def _rule(note: SourceNote, image: SourceImage) -> Content | None:
    """Return the note minus the image and what was read in it, null when nothing would be left."""
    without = note_content(note, _others(note, image))
    return without if _shows_anything(without) else None


def _in_sight(note: SourceNote, image: SourceImage, seen: int) -> Sequence[SourceImage]:
    """Return the note's images, this one first where models may not look as far as its place.

    What an example is about is in what it shows: else its right answer would be the same as its negative by rule.
    """
    if image in note.images[:seen]:
        return note.images
    return [image, *_others(note, image)]


def _others(note: SourceNote, image: SourceImage) -> Sequence[SourceImage]:
    return [other for other in note.images if other.digest != image.digest]


def _shows_anything(content: Content) -> bool:
    texts = (content.title, content.body, content.described)
    return bool(content.topics or content.images or any(map(str.strip, texts)))
