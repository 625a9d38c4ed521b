"""Groups of near-duplicates, made before pairs are: each is capped, and lies in one split.

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
from uninote.training.dataset.schemas import EVAL, TRAIN
from uninote.training.from_notes.note_rows import SourceNote

# Notes: content that more of them have is a stock picture or a phrase, not a sign of duplicates.
_MOST_SHARED = 50


@dataclass(frozen=True)
class Governed:
    """Where a note belongs: its group of near-duplicates and its split. `used` is false once `cap` of its group are."""

    group: int
    split: str
    used: bool


def content_digests(note: SourceNote) -> list[str]:
    """Return what duplicates of a note share with it: the digests of its images, and "text:" with a hash of its text.

    Of the text only letters and digits count, in any case: spaces and punctuation are what copies change.
    """
    text = unicodedata.normalize("NFKC", f"{note.title}\n{note.body}").casefold()
    letters = "".join(filter(str.isalnum, text))
    texts = [f"text:{hashlib.sha256(letters.encode()).hexdigest()}"] if letters else []
    return sorted({image.digest for image in note.images}) + texts


def govern(
    digests: Mapping[str, Sequence[str]], linked: Sequence[tuple[str, str]], *, cap: int, eval_share: float, seed: int
) -> dict[str, Governed]:
    """Return note_id -> where it belongs. Notes that share a digest, or are `linked`, are one group, by any chain.

    `digests` has the `content_digests` of each note_id. Of a group `cap` notes are used. A share `eval_share` of the
    groups is for evaluation. The result depends on ids and `seed` alone, not on the order of `digests` or `linked`.
    """
    ids = sorted(digests)
    number = dict(zip(ids, range(len(ids)), strict=True))
    edges = np.array([*_shared(digests, number), *_known(linked, number)], dtype=np.int64).reshape(-1, 2)
    group = np.arange(len(ids))
    nodes, least = connected(edges[:, 0], edges[:, 1])
    group[nodes] = least
    taken: Counter[int] = Counter()
    governed = {}
    # Which notes of a group are used is drawn by a hash of the id: the first ones by id may all be of one author.
    for note_id in sorted(ids, key=lambda one: _place(seed, one)):
        own = int(group[number[note_id]])
        split = EVAL if _place(seed, f"group of {ids[own]}") < eval_share else TRAIN
        governed[note_id] = Governed(own, split, taken[own] < cap)
        taken[own] += 1
    return governed


def _shared(digests: Mapping[str, Sequence[str]], number: Mapping[str, int]) -> list[tuple[int, int]]:
    """Return an edge from the first note that has a digest to each other one that has it.

    That connects them as well as an edge between every two would, with one edge a note instead of one a pair.
    """
    common: Counter[str] = Counter()
    for found in digests.values():
        common.update(found)
    first: dict[str, int] = {}
    edges = []
    for note_id, place in number.items():
        for digest in digests[note_id]:
            if 1 < common[digest] <= _MOST_SHARED:
                edges.append((first.setdefault(digest, place), place))
    return edges


def _known(linked: Sequence[tuple[str, str]], number: Mapping[str, int]) -> list[tuple[int, int]]:
    """Return an edge for each of the `linked` pairs whose notes are both there."""
    edges = []
    for one, other in linked:
        if one in number and other in number:
            edges.append((number[one], number[other]))
    return edges


def _place(seed: int, word: str) -> float:
    """Return a number from 0 to 1 that depends on these alone."""
    digest = hashlib.sha256(f"{seed}\0{word}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
