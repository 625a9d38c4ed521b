"""Stage 2's ranked lists out of one note: halves N_A and N_B, and N_B with ever fewer images of N_A [stated]."""

from __future__ import annotations

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


def halves_of(note: SourceNote, seed: int) -> Halves | None:
    """Return the halves of a note, null for one with fewer than two images or without text for either half.

    How a note is cut is ours: images are dealt out at random by (seed, note_id), one more to N_A when they are odd; the
    title goes to N_A, topics to N_B; the sentences of the body are cut in the middle, the first part to N_A.
    """
    if len(note.images) < 2:
        return None
    generator = generator_of(seed, note.note_id)
    images = generator.sample(note.images, len(note.images))
    cut = (len(images) + 1) // 2
    mine = images[:cut]
    others = images[cut:]
    first, second = _cut_body(note.body)
    left = replace(note, body=first, topics=())
    right = replace(note, title="", body=second)
    if not (left.title.strip() or first) or not (second or right.topics):
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


def _cut_body(body: str) -> tuple[str, str]:
    sentences = list(filter(str.strip, SENTENCE.split(body.strip())))
    middle = (len(sentences) + 1) // 2
    return " ".join(sentences[:middle]), " ".join(sentences[middle:])
