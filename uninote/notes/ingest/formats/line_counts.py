"""How many lines of a text file hold anything: the account by which a reader of its rows is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from uninote.notes.ingest.formats.files import open_binary, open_text
from uninote.notes.ingest.formats.text_files import Span, TextSource, encoding_of, is_wide, read_block, utf8_blocks

_LINE = re.compile(rb"\S[^\r\n]*")  # from a line's first character to its end
_BREAK = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class LineCount:
    """How many lines of a part of a file hold anything, and what its edges look like, so that parts can be added up.

    `first` and `last` say whether what stands before the part's first line end, and after its last, holds anything.
    """

    filled: int = 0
    breaks: int = 0
    first: bool = False
    last: bool = False

    def __add__(self, other: LineCount) -> LineCount:
        """Return the count of both parts, one after the other: a line that crosses the border is one."""
        both = 1 if self.last and other.first else 0
        return LineCount(
            self.filled + other.filled - both,
            self.breaks + other.breaks,
            self.first if self.breaks else self.first or other.first,
            other.last if other.breaks else self.last or other.last,
        )


def count_lines(span: Span, source: TextSource) -> LineCount:
    """Count the lines of the bytes from `start` to `end`, without a thought for what they say: counts of complete files add up.

    This is the account by which a reader is checked, so it shares nothing with it but the opening of files.
    """
    total = LineCount()
    for block in _bytes_of(span, source):
        total += _count(block)
    return total


def _bytes_of(span: Span, source: TextSource) -> Iterator[bytes]:
    encoding, mark_length = encoding_of(span.uri, source)
    if is_wide(encoding):
        yield from utf8_blocks(span.uri, source)
        return
    # A part of a file is read as it lies there; only files that are read from their beginning may be compressed.
    with open_text(span.uri, source.s3) if span.end is None else open_binary(span.uri, source.s3) as file:
        start = span.start or len(file.read(mark_length))
        if span.start:
            file.seek(start)
        left = span.end - start if span.end is not None else None
        while block := read_block(file, span.uri, left):
            left = None if left is None else left - len(block)
            yield block


def _count(block: bytes) -> LineCount:
    filled = len(_LINE.findall(block))
    first = _BREAK.search(block)
    breaks = block.count(b"\n") or block.count(b"\r")
    if first is None:
        has_any = bool(block.strip())
        return LineCount(filled, breaks, has_any, has_any)
    last = max(block.rfind(b"\n"), block.rfind(b"\r"))
    return LineCount(filled, breaks, bool(block[: first.start()].strip()), bool(block[last + 1 :].strip()))
