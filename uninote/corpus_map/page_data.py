"""A map as the data of its page, which stays under two megabytes however many branches there are.

Of a branch of the second level the page always has its size; what more there is to say is said of the largest first, until
the page is full. Numbers of siblings stand in one list each: their names would take more than what they name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import nlargest
from itertools import pairwise
from typing import Any

from uninote.corpus_map.changes import Change
from uninote.corpus_map.data import Branch, CorpusMap, TypicalNote
from uninote.page_text import clean, json_for_page

MOST_BYTES = 1_700_000  # of the data; the rest of the page is lists of a constant length
PICTURE_BYTES = 350_000
TYPICAL_BYTES = 300_000  # of the first level's typical notes
MOST_CHILDREN = 1 << 16  # that the page tells one by one
LABEL_SHARE = 0.75  # of what room is left, for labels of the second level; its titles have the rest
TITLE_CHARACTERS = 90
SHORT_TITLE = 60  # of a typical note of the second level
ID_CHARACTERS = 120
LABEL_CHARACTERS = 60
LANGUAGES = 3
_EMPTY = len('"",')  # what a text that is left out takes

Key = tuple[int, int]  # of a branch of the second level: its parent's code, and its own


def page_data(corpus: CorpusMap) -> dict[str, Any]:
    """Return what the page's script reads: plain lists and texts that JSON can hold."""
    branches = _kept(corpus.branches)
    data = _without_texts(corpus, branches)
    children = [((parent.code, child.code), child) for parent in branches for child in parent.children]
    children.sort(key=lambda one: (-one[1].notes, one[0]))
    # Each child has two texts, be they empty.
    left = MOST_BYTES - _bytes_of(data) - 2 * _EMPTY * len(children)
    labels = _within(round(left * LABEL_SHARE), ((key, label_text(child)) for key, child in children))
    left -= sum(_bytes_of(text) - _EMPTY for text in labels.values())
    titles = _within(left, ((key, _short_title(child)) for key, child in children))
    for parent, rows in zip(branches, data["children"], strict=True):
        rows["labels"] = [labels.get((parent.code, child.code), "") for child in parent.children]
        rows["titles"] = [titles.get((parent.code, child.code), "") for child in parent.children]
    return data


def label_text(branch: Branch) -> str:
    """Return the words of a branch as one text."""
    return clean(" ".join(branch.label))[:LABEL_CHARACTERS]


def _kept(branches: Sequence[Branch]) -> list[Branch]:
    """Return the branches with the MOST_CHILDREN largest of their children, in the order of their codes."""
    keys = ((child.notes, parent.code, child.code) for parent in branches for child in parent.children)
    kept = {key[1:] for key in nlargest(MOST_CHILDREN, keys)}
    found = []
    for parent in branches:
        children = [child for child in parent.children if (parent.code, child.code) in kept]
        found.append(replace(parent, children=tuple(sorted(children, key=lambda child: child.code))))
    return found


def _without_texts(corpus: CorpusMap, branches: Sequence[Branch]) -> dict[str, Any]:
    """Return the data with all but labels and titles of the second level."""
    pictures = _pictures(branches)
    numbers = {key: number for number, key in enumerate(pictures)}
    typical = _typical(branches, numbers)
    return {
        "notes": corpus.notes,
        "degraded": corpus.degraded,
        "truncated": corpus.truncated,
        "pictures": list(pictures.values()),
        "codes": [branch.code for branch in branches],
        "branches": [_branch(branch) | {"typical": typical[branch.code]} for branch in branches],
        "children": [
            _numbers(branch) | _folded(branch, whole) for branch, whole in zip(branches, corpus.branches, strict=True)
        ],
    }


def _branch(branch: Branch) -> dict[str, Any]:
    return {
        "notes": branch.notes,
        "label": label_text(branch),
        "degraded": branch.degraded,
        "truncated": branch.truncated,
        "place": [round(part, 3) for part in branch.place] if branch.place is not None else None,
        "change": _change(branch.change),
        "languages": [[clean(name)[:LABEL_CHARACTERS], notes] for name, notes in branch.languages[:LANGUAGES]],
    }


def _numbers(parent: Branch) -> dict[str, Any]:
    """Return what is counted of a branch's children, all in the order of their codes, which are told as steps between them."""
    children = parent.children
    codes = [-1, *(child.code for child in children)]
    return {
        "steps": [code - before for before, code in pairwise(codes)],
        "notes": [child.notes for child in children],
        "degraded": _unless_zeros([child.degraded for child in children]),
        "truncated": _unless_zeros([child.truncated for child in children]),
        "changes": {child.code: _change(child.change) for child in children if _is_told(child.change)},
    }


def _folded(kept: Branch, whole: Branch) -> dict[str, Any]:
    """Return how many children are not told one by one, and how many notes they have."""
    notes = sum(child.notes for child in whole.children) - sum(child.notes for child in kept.children)
    return {"folded": [len(whole.children) - len(kept.children), notes]}


def _unless_zeros(counts: list[int]) -> list[int]:
    return counts if any(counts) else []


def _is_told(change: Change | None) -> bool:
    return change is not None and bool(change.state)


def _change(change: Change | None) -> list[Any] | None:
    return None if change is None else [change.state, change.notes_before, round(change.effect, 2)]


def _short_title(branch: Branch) -> str:
    return clean(branch.typical[0].title)[:SHORT_TITLE] if branch.typical else ""


def _typical(branches: Sequence[Branch], pictures: Mapping[tuple[int, int], int]) -> dict[int, list[Any]]:
    """Return [id, title, number of its picture or null] of the typical notes by code, as many as there is room for."""
    found: dict[int, list[Any]] = {branch.code: [] for branch in branches}
    left = TYPICAL_BYTES
    for rank, branch, note in _by_rank(branches):
        shown = [
            clean(note.note_id)[:ID_CHARACTERS],
            clean(note.title)[:TITLE_CHARACTERS],
            pictures.get((branch.code, rank)),
        ]
        left -= _bytes_of(shown)
        if left < 0:
            break
        found[branch.code].append(shown)
    return found


def _pictures(branches: Sequence[Branch]) -> dict[tuple[int, int], str]:
    """Return pictures in base64 by (code, rank of their note), as many as there is room for."""
    found = {}
    left = PICTURE_BYTES
    for rank, branch, note in _by_rank(branches):
        if note.picture is not None:
            text = base64.b64encode(note.picture).decode()
            left -= _bytes_of(text)
            if left < 0:
                break
            found[branch.code, rank] = text
    return found


def _by_rank(branches: Sequence[Branch]) -> Iterable[tuple[int, Branch, TypicalNote]]:
    """Return (rank, branch, note): the first note of each branch, the largest branches first, then the second ones."""
    offered = [(rank, branch, note) for branch in branches for rank, note in enumerate(branch.typical)]
    return sorted(offered, key=lambda one: (one[0], -one[1].notes, one[1].code))


def _within(most: int, texts: Iterable[tuple[Key, str]]) -> dict[Key, str]:
    """Return the texts that fit into `most` bytes, the first first."""
    kept = {}
    left = most
    for key, text in texts:
        left -= _bytes_of(text) - _EMPTY
        if left < 0:
            break
        kept[key] = text
    return kept


def _bytes_of(value: object) -> int:
    """Return what a value takes in the page, where some characters take six bytes, and a comma."""
    return len(json_for_page(value).encode()) + 1
