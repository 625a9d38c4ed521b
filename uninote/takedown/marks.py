"""By what a note is known again in whatever holds it: its id, the keys of its items, and pieces of its text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

ID, KEY, TEXT = "id", "item_key", "text"
# Columns and fields of whole numbers that are ids of notes, and those that are keys of items.
OF_NOTES = ("note_id", "neighbour_ids", "group_id", "chain_id", "other_id", "query_id", "neighbours", "a", "b")
OF_ITEMS = ("item_key", "neighbour_keys", "other_key")
_PIECE = 24  # characters: a log's statistics hold the first 32 of a text
_SHORTEST = 8  # characters of a text that is looked for: shorter ones stand anywhere
_TELLING = 6  # characters of an id that is looked for within texts too, as a word of its own


@dataclass(frozen=True)
class Marks:
    """What to look for. `keys` and `pieces` say whose they are: key -> note_id, piece of a text -> note_id, ids as texts."""

    note_ids: frozenset[str]
    keys: Mapping[int, str]
    pieces: Mapping[str, str]

    @cached_property
    def pattern(self) -> str:
        """What every text matches that has one of the marks: a regular expression of RE2 and of Python alike."""
        return "|".join([*map(_pattern_of, sorted(self.note_ids)), *self._pieces])

    @cached_property
    def _pieces(self) -> list[str]:
        return [re.escape(form) for piece in self.pieces for form in _forms(piece)]

    @cached_property
    def _ids(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(note_id, re.compile(_pattern_of(note_id))) for note_id in sorted(self.note_ids)]

    def in_text(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield (note_id, ID or TEXT) of what a text has."""
        for note_id, pattern in self._ids:
            if pattern.search(text):
                yield note_id, ID
        for piece, note_id in self.pieces.items():
            if any(form in text for form in _forms(piece)):
                yield note_id, TEXT

    def in_number(self, name: str, value: int) -> Iterator[tuple[str, str]]:
        """Yield (note_id, ID or KEY) of a whole number that stands under `name`."""
        if any(part in OF_NOTES for part in name.split(".")) and str(value) in self.note_ids:
            yield str(value), ID
        if any(part in OF_ITEMS for part in name.split(".")) and value in self.keys:
            yield self.keys[value], KEY


def pieces_of(text: str) -> list[str]:
    """Return pieces by which a text is known again where it stands whole or in part; none of a text that is too short."""
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    return [piece for piece in pieces if len(piece.strip()) >= _SHORTEST]


def _forms(piece: str) -> set[str]:
    """Return a piece as it is, and as JSON and HTML write it."""
    return {piece, json.dumps(piece)[1:-1], html.escape(piece)}


def _pattern_of(note_id: str) -> str:
    """Return what matches a text that is the id, the id of a part of its note, or quotes it; of a long one, names it."""
    name = re.escape(note_id)
    found = [f"^{name}$", f"^{name}#", f"[\"']{name}[\"'#]", f"&#34;{name}&#34;", f"&quot;{name}&quot;"]
    if note_id.removeprefix("-").isdecimal():
        found.append(f'"(?:{"|".join(OF_NOTES)})": ?{name}[,}}]')
    elif len(note_id) >= _TELLING:
        found.append(f"(?:^|[^0-9A-Za-z_]){name}(?:[^0-9A-Za-z_]|$)")
    return "|".join(found)
