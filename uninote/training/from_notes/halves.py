"""Stage 2's ranked lists out of one note: halves N_A and N_B, and N_B with ever fewer images of N_A [stated]."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from uninote.training.from_notes.note_rows import Content, SourceNote, generator_of, note_content

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


def noise_of(query_id: str, candidates: list[str], count: int, seed: int) -> list[str]:
    """Return up to `count` noise notes of `candidates`, never the query's own, drawn by (seed, query_id).

    Give notes of other near-duplicate groups; hard ones, such as neighbours, teach more than random ones [ours].
    """
    # Sorted, since a set has no order that would be the same in every process.
    others = sorted(set(candidates) - {query_id})
    return generator_of(seed, query_id).sample(others, min(count, len(others)))


def _cut_body(body: str) -> tuple[str, str]:
    sentences = list(filter(str.strip, SENTENCE.split(body.strip())))
    middle = (len(sentences) + 1) // 2
    return " ".join(sentences[:middle]), " ".join(sentences[middle:])
