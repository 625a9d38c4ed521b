"""Governance before pairs are made: near-duplicates together, crowds thinned, and a split that no group crosses.

Grouping, capping and only then pairing is IMMR's order (arXiv 2305.03972).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uninote.neighbours.components import connected
from uninote.training.set.note_rows import SourceNote
from uninote.training.set.schemas import EVAL, TRAIN

_EVERYWHERE = 50  # notes: a mark of more of them is a stock picture or a phrase, and makes nobody a duplicate


@dataclass(frozen=True)
class Governed:
    """What becomes of a note: the group of near-duplicates it is in, and its split; `kept` unless its group is full."""

    group: int
    split: str
    kept: bool


def marks_of(note: SourceNote) -> list[str]:
    """Return what tells duplicates of a note: the digests of its images, and a hash of its text, letters and digits alone."""
    text = unicodedata.normalize("NFKC", f"{note.title}\n{note.body}").casefold()
    letters = "".join(letter for letter in text if letter.isalnum())
    texts = [f"text:{hashlib.sha256(letters.encode()).hexdigest()}"] if letters else []
    return sorted({image.digest for image in note.images}) + texts


def govern(
    marks: Mapping[str, Sequence[str]], linked: Sequence[tuple[str, str]], *, cap: int, eval_share: float, seed: int
) -> dict[str, Governed]:
    """Return note_id -> what becomes of it. Notes are one group that share a mark, or are `linked`, by any chain.

    Of a group `cap` notes are kept. A share `eval_share` of the groups is for evaluation. All depends on ids and `seed`
    alone, not on the order of anything.
    """
    ids = sorted(marks)
    number = {note_id: place for place, note_id in enumerate(ids)}
    edges = np.array([*_shared(marks, number), *_known(linked, number)], dtype=np.int64).reshape(-1, 2)
    group = np.arange(len(ids))
    nodes, least = connected(edges[:, 0], edges[:, 1])
    group[nodes] = least
    taken: Counter[int] = Counter()
    governed = {}
    for note_id in sorted(ids, key=lambda one: _place(seed, one)):
        own = int(group[number[note_id]])
        split = EVAL if _place(seed, f"group of {ids[own]}") < eval_share else TRAIN
        governed[note_id] = Governed(own, split, taken[own] < cap)
        taken[own] += 1
    return governed


def _shared(marks: Mapping[str, Sequence[str]], number: Mapping[str, int]) -> list[tuple[int, int]]:
    """Return an edge from the first note that has a mark to each other one that has it."""
    common = Counter(mark for found in marks.values() for mark in found)
    first: dict[str, int] = {}
    edges = []
    for note_id, place in number.items():
        for mark in marks[note_id]:
            if 1 < common[mark] <= _EVERYWHERE:
                edges.append((first.setdefault(mark, place), place))
    return edges


def _known(linked: Sequence[tuple[str, str]], number: Mapping[str, int]) -> list[tuple[int, int]]:
    return [(number[one], number[other]) for one, other in linked if one in number and other in number]


def _place(seed: int, word: str) -> float:
    """Return a number from 0 to 1 that depends on these alone."""
    digest = hashlib.sha256(f"{seed}\0{word}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
