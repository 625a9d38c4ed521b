"""A map as the data of its page, which stays under two megabytes however many branches there are.

The largest branches come first; those that there is no room for are counted. Of a branch of the second level the page has the
size; what more there is to say is said of the largest first, until the page is full. Numbers of siblings stand in one list
each: their names would take more than what they name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from uninote.corpus_map.changes import Change
from uninote.corpus_map.data import Branch, CorpusMap, TypicalNote
from uninote.corpus_map.page_room import Key, bytes_of, children_of, largest_children, that_fit
from uninote.page_text import clean

MOST_BYTES = 1_700_000  # of the data; the rest of the page is lists of a constant length
BRANCH_BYTES = 400_000  # of the first level, without pictures and typical notes
CHANGE_BYTES = 150_000  # of what became of branches of the second level
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
_ROW_BYTES = 130  # of the names of lists of a branch's children, and of its own code
_CODE_BYTES = len('"65535":')


def page_data(corpus: CorpusMap) -> dict[str, Any]:
    """Return what the page's script reads: plain lists and texts that JSON can hold."""
    branches = _first_level(corpus.branches)
    changes = _changes(branches)
    data = _of_first_level(corpus, branches)
    left = MOST_BYTES - bytes_of(data)
    kept, rows = _second_level(branches, changes, left)
    children = sorted(children_of(kept), key=lambda one: (-one[1].notes, one[0]))
    # Each child has two texts, be they empty.
    left -= bytes_of(rows) + 2 * _EMPTY * len(children)
    labels = that_fit(round(left * LABEL_SHARE), ((key, label_text(child)) for key, child in children), -_EMPTY)
    left -= sum(bytes_of(text) - _EMPTY for text in labels.values())
    titles = that_fit(left, ((key, _short_title(child)) for key, child in children), -_EMPTY)
    for parent, row in zip(kept, rows, strict=True):
        row["labels"] = [labels.get((parent.code, child.code), "") for child in parent.children]
        row["titles"] = [titles.get((parent.code, child.code), "") for child in parent.children]
    return data | {"children": rows, "unmarked": _changed(corpus.branches) - sum(len(row["changes"]) for row in rows)}


def label_text(branch: Branch) -> str:
    """Return the words of a branch as one text."""
    return clean(" ".join(branch.label))[:LABEL_CHARACTERS]


def _first_level(branches: Sequence[Branch]) -> list[Branch]:
    """Return the largest branches that there is room for, in the order of their codes."""
    largest = sorted(branches, key=lambda branch: (-branch.notes, branch.code))
    kept = that_fit(BRANCH_BYTES, ((branch.code, _branch(branch)) for branch in largest), _ROW_BYTES)
    return sorted((branch for branch in branches if branch.code in kept), key=lambda branch: branch.code)


def _changes(branches: Sequence[Branch]) -> Mapping[Key, list[Any] | None]:
    """Return what became of branches of the second level: the largest effects that there is room for."""
    told = [
        (key, child.change) for key, child in children_of(branches) if child.change is not None and child.change.state
    ]
    told.sort(key=lambda one: (-abs(one[1].effect), one[0]))
    return that_fit(CHANGE_BYTES, ((key, _change(change)) for key, change in told), _CODE_BYTES)


def _changed(branches: Sequence[Branch]) -> int:
    return sum(child.change is not None and bool(child.change.state) for _, child in children_of(branches))


def _second_level(
    branches: Sequence[Branch], changes: Mapping[Key, Any], left: int
) -> tuple[list[Branch], list[dict[str, Any]]]:
    """Return the branches with the largest children whose numbers fit into `left` bytes, and these numbers."""
    most = min(MOST_CHILDREN, sum(len(parent.children) for parent in branches))
    while True:
        kept = largest_children(branches, most)
        rows = [_numbers(one, changes) | _folded(one, whole) for one, whole in zip(kept, branches, strict=True)]
        taken = bytes_of(rows) + 2 * _EMPTY * most
        if taken <= left or not most:
            return kept, rows
        # Numbers of the smallest are the shortest: so many fewer may be a few too many still, and then the next turn does.
        most = max(0, min(most - 1, most * left // taken))


def _of_first_level(corpus: CorpusMap, branches: Sequence[Branch]) -> dict[str, Any]:
    """Return the data of the first level's branches, and of all notes."""
    pictures = _pictures(branches)
    numbers = {key: number for number, key in enumerate(pictures)}
    typical = _typical(branches, numbers)
    return {
        "notes": corpus.notes,
        "degraded": corpus.degraded,
        "truncated": corpus.truncated,
        "folded": [len(corpus.branches) - len(branches), corpus.notes - sum(branch.notes for branch in branches)],
        "pictures": list(pictures.values()),
        "codes": [branch.code for branch in branches],
        "branches": [_branch(branch) | {"typical": typical[branch.code]} for branch in branches],
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


def _numbers(parent: Branch, changes: Mapping[Key, Any]) -> dict[str, Any]:
    """Return what is counted of a branch's children, all in the order of their codes, which are told as steps between them."""
    children = parent.children
    codes = [-1, *(child.code for child in children)]
    return {
        "steps": [code - before for before, code in pairwise(codes)],
        "notes": [child.notes for child in children],
        "degraded": _unless_zeros([child.degraded for child in children]),
        "truncated": _unless_zeros([child.truncated for child in children]),
        "changes": {one.code: changes[parent.code, one.code] for one in children if (parent.code, one.code) in changes},
    }


def _folded(kept: Branch, whole: Branch) -> dict[str, Any]:
    """Return how many children are not told one by one, and how many notes they have."""
    notes = sum(child.notes for child in whole.children) - sum(child.notes for child in kept.children)
    return {"folded": [len(whole.children) - len(kept.children), notes]}


def _unless_zeros(counts: list[int]) -> list[int]:
    return counts if any(counts) else []


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
        left -= bytes_of(shown)
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
            left -= bytes_of(text)
            if left < 0:
                break
            found[branch.code, rank] = text
    return found


def _by_rank(branches: Sequence[Branch]) -> Iterable[tuple[int, Branch, TypicalNote]]:
    """Return (rank, branch, note): the first note of each branch, the largest branches first, then the second ones."""
    offered = [(rank, branch, note) for branch in branches for rank, note in enumerate(branch.typical)]
    return sorted(offered, key=lambda one: (one[0], -one[1].notes, one[1].code))
