"""JSON in every form that people store notes in: a line each, an array, one object, or values one after the other."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from uninote.notes.ingest.formats.records import Record
from uninote.notes.ingest.formats.text_files import Span, TextSource, blocks, lines

SHOWN = 2000
REST = "does not parse as JSON from here to the file's end"
_BLANK = re.compile(r"[ \t\r\n\v\f]*")
_LEAST = 1 << 16


class Keyed(dict[str, Any]):
    """An object, and the keys that it gives more than once."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    keyed = Keyed(found)
    times = Counter(name for name, _ in pairs)
    keyed.repeated = tuple(name for name in found if times[name] > 1)
    return keyed


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def repeated_keys(values: dict[str, Any]) -> tuple[str, ...]:
    """Return the keys that an object gives more than once."""
    return values.repeated if isinstance(values, Keyed) else ()


def is_by_line(uri: str, source: TextSource, named_lines: bool) -> bool:
    """Say whether each line of a file is a row of its own, as its beginning shows, whatever it is called.

    A file that is `named_lines` may still be an array, or objects over several lines.
    """
    texts = (line.text.strip() for line in lines(Span(uri), source))
    filled = filter(None, texts)
    first = next(filled, "")
    if first.startswith("["):
        return False
    if named_lines:
        return first != "{"
    return isinstance(_parsed(first), dict) and next(filled, None) is not None


def records_by_line(span: Span, source: TextSource) -> Iterator[Record]:
    """Yield a record for each line that holds anything."""
    for line in lines(span, source):
        text = line.text.strip(" \t\r\n\v\f")
        if not text:
            continue
        try:
            value = _DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            # A ValueError is raised too by a number of more digits than Python converts.
            yield Record(line.number, None, f"does not parse as JSON: {error}", text[:SHOWN])
            continue
        yield _record(line.number, value, text)


def records_by_value(uri: str, source: TextSource) -> Iterator[Record]:
    """Yield a record for each value of a file, and of its arrays; what does not parse is one record, up to the file's end.

    The text is read piece by piece, so a file may be larger than memory; a single value may not.
    """
    text = _Text(blocks(uri, source))
    is_array = False
    while not text.is_done():
        if not is_array and text.starts_with("["):
            text.skip(1)
            is_array = True
        elif is_array and text.starts_with("]"):
            text.skip(1)
            is_array = False
        else:
            line = text.line
            start = text.rest(SHOWN)
            try:
                value = text.value()
            except (ValueError, RecursionError) as error:
                # Where the next value begins is unknown after one that does not parse.
                yield Record(line, None, f"{REST}: {error}", start, lines=0)
                return
            yield _record(line, value, start)
            if is_array and not text.ends_entry():
                yield Record(text.line, None, f"{REST}: expected a comma", text.rest(SHOWN), lines=0)
                return
    if is_array:
        yield Record(text.line, None, f"{REST}: the file is cut off within an array", "", lines=0)


class _Text:
    """A text that is read as far as its next value needs."""

    def __init__(self, parts: Iterator[str]) -> None:
        self._parts = parts
        self._held = ""
        self._place = 0
        self._is_whole = False
        self.line = 1

    def is_done(self) -> bool:
        """Skip blanks and say whether nothing is left."""
        while True:
            match = _BLANK.match(self._held, self._place)
            self._to(match.end() if match else self._place)
            if self._place < len(self._held):
                return False
            if not self._more():
                return True

    def starts_with(self, character: str) -> bool:
        return self._held[self._place] == character

    def skip(self, count: int) -> None:
        self._to(self._place + count)

    def rest(self, limit: int) -> str:
        return self._held[self._place : self._place + limit]

    def value(self) -> Any:
        """Return the next value. Raises ValueError where none parses, with all of the text."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._place)
            except ValueError:
                # Twice as much is read each time: a long value is parsed again only so often as it doubles.
                if not self._more(max(_LEAST, len(self._held) - self._place)):
                    raise
                continue
            # A number may go on in the next piece.
            if end < len(self._held) or not self._more():
                self._to(end)
                return value

    def ends_entry(self) -> bool:
        """Skip the comma after an entry of an array; false where neither it nor the array's end stands there."""
        if self.is_done():
            return False
        if self.starts_with(","):
            self.skip(1)
            return True
        return self.starts_with("]")

    def _to(self, place: int) -> None:
        self.line += self._held.count("\n", self._place, place)
        self._place = place

    def _more(self, least: int = 1) -> bool:
        """Read on by at least so many characters; false at the end of the file."""
        if self._is_whole:
            return False
        # What was parsed already is dropped, so that memory holds one value and not the file.
        pieces = [self._held[self._place :]]
        added = 0
        while added < least:
            part = next(self._parts, None)
            if part is None:
                self._is_whole = True
                break
            pieces.append(part)
            added += len(part)
        self._held = "".join(pieces)
        self._place = 0
        return added > 0


def _parsed(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def _record(line: int, value: Any, text: str) -> Record:
    if not isinstance(value, dict):
        return Record(line, None, "is no JSON object", text[:SHOWN])
    return Record(line, value, "", text[:SHOWN])
