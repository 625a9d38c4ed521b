"""Labels of branches: the words that set a branch apart, by class-based TF-IDF (c-TF-IDF).

A word's frequency is the number of a branch's notes that have it, so that one note that repeats a word does not name its
branch. A word of a single note names none: it may be anything, an account or a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log1p

from uninote.corpus_map.words import overlaps

FEWEST_NOTES = 2  # of a branch that have a word
COMMON = 0.1  # of all notes: a word that more of them have is of the language, not of a branch
BRANCHES = 2  # that a word may fill: what several branches are about may still name each of them

Counts = Mapping[str, int]  # word -> how many notes have it


def label_of(mine: Counts, totals: Counts, scale: float, most_notes: float, words: int) -> tuple[str, ...]:
    """Return the up to `words` words that set a branch apart, the strongest first.

    `mine` counts a branch's notes, `totals` those of all branches; `scale` is the mean of the branches' counts, over all
    words; words that more than `most_notes` notes of `totals` have are left out. Of pairs of characters that may be parts
    of one word, the stronger stays.
    """
    own = sum(mine.values())
    scored = []
    for word, notes in mine.items():
        if notes >= FEWEST_NOTES and totals[word] <= most_notes:
            # By the word where scores are equal: the same label in every run.
            scored.append((-notes / own * log1p(scale / totals[word]), word))
    chosen: list[str] = []
    for _, word in sorted(scored):
        if len(chosen) == words:
            break
        if not any(overlaps(word, other) for other in chosen):
            chosen.append(word)
    return tuple(chosen)


def labels_among(branches: Mapping[int, Counts], notes: int, words: int) -> dict[int, tuple[str, ...]]:
    """Return the label of each branch, told apart from the others of `branches`, which hold `notes` notes together."""
    totals = totals_of(list(branches.values()))
    scale = sum(totals.values()) / max(1, len(branches))
    most = most_notes(notes, len(branches))
    return {branch: label_of(counts, totals, scale, most, words) for branch, counts in branches.items()}


def totals_of(branches: Sequence[Counts]) -> Counter[str]:
    """Return how many notes of all branches have each word."""
    totals: Counter[str] = Counter()
    for counts in branches:
        totals.update(counts)
    return totals


def most_notes(notes: int, branches: int) -> float:
    """Return how many notes of `notes` in `branches` branches may have a word that still names one of them."""
    return notes * max(COMMON, BRANCHES / max(1, branches))
