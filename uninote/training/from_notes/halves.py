"""Stage 2's ranked lists out of one note: halves N_A and N_B, and N_B with ever fewer images of N_A [stated]."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from uninote.training.from_notes.note_rows import Content, SourceNote, generator_of, note_content

_SPARE = 100
SENTENCE = re.compile(r"(?<=[.!?。！？\n])\s*")


@dataclass(frozen=True, slots=True)
class Halves:
    """A query and its relevant notes in falling order: N_B with all M images of N_A, ..., with one, N_B itself.

    The paper is inconsistent on whether that list has M or M + 1 entries; ours has M + 1, N_B being the last.
    """

    query: Content
    relevant: tuple[Content, ...]


def halves_of(note: SourceNote, seed: int, seen: int) -> Halves | None:
    """Return the halves of a note, null for one with fewer than two different images or without text for either half.

    How a note is cut is ours: images are dealt out at random by (seed, note_id), one more to N_A when they are odd; the
    title goes to N_A, topics to N_B; the sentences of the body are cut in the middle, the first part to N_A. Of the images
    no more than `seen` are dealt out, each once.
    """
    if len({image.digest for image in note.images}) < 2:
        return None
    return _cut(note, generator_of(seed, note.note_id), seen)


def further_halves(note: SourceNote, seed: int, seen: int, count: int) -> list[Halves]:
    """Return up to `count` other cuts of a note, of notes with fewer than two images too [ours].

    Images are dealt out anew, and the body is cut after another sentence, or before the first: a model that has seen each note
    cut in one way learns which halves belong together, not what makes them.
    """
    generator = generator_of(seed, f"cuts of {note.note_id}")
    found = [_cut(note, generator, seen, is_middle=False) for _ in range(count)]
    return list(dict.fromkeys(one for one in found if one is not None))


def _cut(note: SourceNote, generator: random.Random, seen: int, is_middle: bool = True) -> Halves | None:
    """Cut a note in two, its body in the middle or at a place that is drawn; null where a half would have no text."""
    images = {image.digest: image for image in note.images}
    # A model sees so many images of a note. Those of N_A stand behind N_B's own, and would else be beyond its sight: notes of
    # a list that differ in them alone would be one to it.
    dealt = generator.sample(list(images.values()), len(images))[:seen]
    middle = (len(dealt) + 1) // 2
    mine = dealt[:middle]
    others = dealt[middle:]
    sentences = list(filter(str.strip, SENTENCE.split(note.body.strip())))
    place = (len(sentences) + 1) // 2 if is_middle else generator.randint(0, len(sentences))
    left = replace(note, body=" ".join(sentences[:place]), topics=())
    right = replace(note, title="", body=" ".join(sentences[place:]))
    if not (left.title.strip() or left.body) or not (right.body or right.topics):
        return None
    relevant = []
    for count in range(len(mine), -1, -1):
        relevant.append(note_content(right, [*others, *mine[:count]]))
    return Halves(note_content(left, mine), tuple(relevant))


@dataclass(frozen=True)
class Ends:
    """The last relevant items of all ranked lists of a split: `items` int64 (n,), ascending, and `groups` beside."""

    items: np.ndarray
    groups: np.ndarray

    def noise_of(self, query: int, group: int, relevant: Collection[int], count: int, seed: int) -> list[int]:
        """Return up to `count` of them as noise for the list of `query`, of other groups than its `group`, none `relevant`.

        They are drawn by (seed, query). Hard ones, such as neighbours, would teach more than random ones [ours].
        """
        # More than are wanted, as some may be of the own group; of few lists all are drawn, so none is missed.
        drawn = min(len(self.items), 2 * count + _SPARE)
        found: list[int] = []
        for place in generator_of(seed, str(query)).sample(range(len(self.items)), drawn):
            if self.groups[place] != group and self.items[place] not in relevant:
                found.append(int(self.items[place]))
        return found[:count]
