"""The last code: it makes an id unique among notes with the same codes before it, and is never given out again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

NoteId = Any  # a string or an integer


class CodedNote(NamedTuple):
    """A row of the table of codes: a note has, or had, the codes that `prefix` packs and the `last` one."""

    note_id: NoteId
    prefix: int
    last: int
    present: bool


def plan_changes(
    coded: Mapping[NoteId, int], gone: Collection[NoteId], known: Iterable[CodedNote], tops: Mapping[int, int]
) -> list[CodedNote]:
    """Return the rows to write, new ones and those that open or close.

    `coded` are the prefixes of changed notes, `gone` are notes without a vector by now. `known` are all rows there are of
    these notes. `tops` have the greatest last code of those prefixes that any note has or had. A note gets the last code again
    that it had with the same prefix; new ones go up from the greatest, in order of note_id.
    """
    changes = []
    numbered = set()
    for row in known:
        is_own = coded.get(row.note_id) == row.prefix
        if is_own:
            numbered.add(row.note_id)
        if is_own != row.present and (is_own or row.note_id in coded or row.note_id in gone):
            changes.append(row._replace(present=is_own))
    next_of = {prefix: top + 1 for prefix, top in tops.items()}
    for note_id in sorted(coded.keys() - numbered):
        prefix = coded[note_id]
        last = next_of.get(prefix, 0)
        next_of[prefix] = last + 1
        changes.append(CodedNote(note_id, prefix, last, True))
    return changes
