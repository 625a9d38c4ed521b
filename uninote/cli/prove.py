"""`uninote takedown prove`: what is left of a note in a lake, or that nothing is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from uninote.errors import UninoteError
from uninote.terminal import write


class LeftoverError(UninoteError):
    """The lake holds something of a note."""


def search_for(
    lake: str, notes: Sequence[str], texts: Sequence[str], elsewhere: Sequence[str]
) -> tuple[list[dict[str, str]], list[str]]:
    """Return what is left of some notes in a lake, in folders `elsewhere`, and in indexes of kept releases that lie elsewhere.

    That is "note_id", "path", "where" and "what" of each, and the folders that were searched. Looked for are the ids, keys of
    items and pieces of texts as far as the lake names them still, and pieces of `texts`.
    """
    from uninote.lake.releases.elsewhere import pinned_elsewhere
    from uninote.takedown.traces import traces_in
    from uninote.takedown.wanted import stored_pieces, wanted_of

    wanted = wanted_of(lake, notes, texts)
    wanted = replace(wanted, pieces={**stored_pieces(lake, notes), **wanted.pieces})
    roots = {lake.rstrip("/"): "", **dict.fromkeys(elsewhere, "")}
    for folder, place in pinned_elsewhere(lake).items():
        if not any(folder.startswith(f"{one.rstrip('/')}/") for one in elsewhere):
            roots[folder] = place
    return [asdict(trace) for trace in traces_in(roots, wanted.marks_for)], list(roots)


def print_traces(found: dict[str, Any]) -> None:
    """Print what is left, for people."""
    for one in found["traces"]:
        write(sys.stdout, f"{one['note_id']}: {one['what']} in {one['path']} ({one['where']})\n")
    if not found["traces"]:
        write(sys.stdout, f"nothing is left of {found['notes']:,} notes in {', '.join(found['searched'])}\n")


def check_traces(found: dict[str, Any]) -> None:
    """Raise LeftoverError where something is left."""
    if found.get("traces"):
        files = len({one["path"] for one in found["traces"]})
        raise LeftoverError(
            f"{files:,} files hold something of notes; those that are in the list of takedowns go with the next refresh that "
            "publishes a release"
        )
