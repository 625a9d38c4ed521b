"""CSV as strictly as RFC 4180, so that a quote that is never closed costs its own row and not the rows after it."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from uninote.errors import UninoteError
from uninote.notes.ingest.formats.records import Record
from uninote.notes.ingest.formats.text_files import Line, Span, TextSource, lines

DELIMITERS = (",", ";", "\t", "|")
# In characters: a quote that is not closed shall not make the reader hold all of a file.
LONGEST_ROW = 16 << 20
SHOWN = 2000


class HeaderError(UninoteError):
    """The first line of a CSV file does not name its columns."""


@dataclass(frozen=True)
class Header:
    """The columns of a CSV file, what stands between them, and how many lines that hold anything name them."""

    columns: tuple[str, ...]
    delimiter: str
    lines: int


def read_header(uri: str, source: TextSource) -> Header | None:
    """Return the columns that a file's first row names; None for a file without any. Raises HeaderError."""
    feed = _Feed(filter(_is_filled, lines(Span(uri), source)))
    beginning = next(iter(feed), None)
    if beginning is None:
        return None
    # The delimiter is guessed from the first line; the reader below starts with it again.
    feed.give_back(0)
    delimiter = _delimiter(beginning, uri)
    try:
        names = list(map(str.strip, next(csv.reader(iter(feed), delimiter=delimiter, strict=True))))
    except csv.Error as error:
        raise HeaderError(f"{uri}, line 1: the row of column names cannot be read: {error}") from error
    _check_names(names, uri)
    return Header(tuple(names), delimiter, len(feed.taken))


def records(uri: str, header: Header, source: TextSource) -> Iterator[Record]:
    """Yield a record for each row after the header. All values are text; an empty one is None.

    A row whose quotes or number of fields do not fit is one line that cannot be read, and reading goes on at the next
    line: csv alone would swallow what follows up to the next quote, or to the file's end.
    """
    csv.field_size_limit(LONGEST_ROW)
    feed = _Feed(lines(Span(uri), source))
    _skip(feed, header.lines)
    reader = csv.reader(iter(feed), delimiter=header.delimiter, strict=True)
    while True:
        feed.taken.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _unreadable(feed, f"is no CSV row: {error}; a quote within quotes is written twice")
            reader = csv.reader(iter(feed), delimiter=header.delimiter, strict=True)
            continue
        if not any(map(_is_filled, feed.taken)):
            continue
        if len(fields) != len(header.columns):
            yield _unreadable(feed, f"has {len(fields)} fields, the header has {len(header.columns)}")
            # Lines that were given back come through a new reader: the old one may be within a row.
            reader = csv.reader(iter(feed), delimiter=header.delimiter, strict=True)
            continue
        values = {}
        for name, value in zip(header.columns, fields, strict=True):
            if name:
                values[name] = value or None
        yield Record(feed.taken[0].number, values, "", _text(feed.taken), sum(map(_is_filled, feed.taken)))


@dataclass
class _Feed:
    """Lines for a csv reader, which can be given back: `taken` are those since it was cleared."""

    source: Iterator[Line]
    taken: list[Line] = field(default_factory=list)
    waiting: deque[Line] = field(default_factory=deque)

    def __iter__(self) -> Iterator[str]:
        size = 0
        while True:
            line = self.waiting.popleft() if self.waiting else next(self.source, None)
            if line is None:
                return
            # Counted from the first line of a row: a quote that is not closed would take in all the rest of the file.
            size = len(line.text) if not self.taken else size + len(line.text)
            self.taken.append(line)
            if size > LONGEST_ROW:
                raise csv.Error(f"longer than {LONGEST_ROW >> 20} million characters: is a quote not closed?")
            yield line.text

    def give_back(self, first: int) -> None:
        """Let the lines from number `first` of those taken come once more."""
        self.waiting.extendleft(reversed(self.taken[first:]))
        del self.taken[first:]


def _skip(feed: _Feed, filled: int) -> None:
    """Take the header's lines, and blank ones before it."""
    taken = 0
    for text in feed:
        taken += 1 if text.strip() else 0
        if taken == filled:
            return


def _unreadable(feed: _Feed, fault: str) -> Record:
    """Return the first line of what was taken as a record that cannot be read; the others come again."""
    first = list(map(_is_filled, feed.taken)).index(True)
    line = feed.taken[first]
    feed.give_back(first + 1)
    return Record(line.number, None, fault, line.text.rstrip("\r\n")[:SHOWN])


def _delimiter(beginning: str, uri: str) -> str:
    """Return what the columns are separated by: a comma where there is one, else what makes the most columns."""
    if uri.lower().removesuffix(".gz").endswith(".tsv"):
        return "\t"
    if len(_fields(beginning, ",")) > 1:
        return ","
    return max(DELIMITERS, key=lambda one: len(_fields(beginning, one)))


def _fields(text: str, delimiter: str) -> Sequence[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter))
    except (csv.Error, StopIteration):
        return []


def _check_names(names: Sequence[str], uri: str) -> None:
    """Refuse names that repeat, be it but for case: nobody could say which of the columns is meant."""
    counts = Counter(map(str.lower, names))
    repeated = set()
    for name in names:
        # A column without a name is not used, so it may repeat.
        if name and counts[name.lower()] > 1:
            repeated.add(name)
    if repeated:
        raise HeaderError(
            f"{uri}, line 1 names a column more than once: {', '.join(sorted(repeated))} (upper and lower case count as the "
            f"same); give each column a name of its own"
        )


def _text(taken: Sequence[Line]) -> str:
    return "".join(line.text for line in taken)[:SHOWN].rstrip("\r\n")


def _is_filled(line: Line) -> bool:
    return bool(line.text.strip())
