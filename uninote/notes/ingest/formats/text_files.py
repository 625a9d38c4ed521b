"""Text files as lines: encodings, byte order marks, line ends of every kind, and an account of the lines there are."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from uninote.errors import UninoteError
from uninote.notes.ingest.formats.files import open_binary, open_text
from uninote.storage.types import S3Options

BLOCK = 1 << 20
LONGEST_LINE = 256 << 20
BYTE_ORDER_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
MAGIC_BYTES = {
    b"\x1f\x8b": "gzip; name it .gz",
    b"PK\x03\x04": "ZIP (or a workbook); unpack it",
    b"PAR1": "Parquet; name it .parquet",
}
_LINE = re.compile(rb"\S[^\r\n]*")  # from a line's first character to its end
_BREAK = re.compile(rb"[\r\n]")


class EncodingError(UninoteError):
    """A file holds bytes that are no text in its encoding."""


class LineError(UninoteError):
    """A file has a line that no row can be."""


class DamagedFileError(UninoteError):
    """A compressed file ends too early, or is none."""


@dataclass(frozen=True)
class TextSource:
    """How text files are read: `encoding` counts where a file has no byte order mark."""

    encoding: str = "utf-8"
    s3: S3Options = field(default_factory=S3Options)


@dataclass(frozen=True)
class Span:
    """A part of a file: the lines that begin in it. `end` null is the file's end; `line` is that of its first byte."""

    uri: str
    start: int = 0
    end: int | None = None
    line: int = 1


@dataclass(frozen=True)
class Line:
    """A line with its end: its number within its file, and its text."""

    number: int
    text: str


def encoding_of(uri: str, source: TextSource) -> tuple[str, int]:
    """Return a file's encoding, and the length of the byte order mark that it begins with.

    Raises EncodingError for what begins as no text does.
    """
    with open_text(uri, source.s3) as file:
        head = _block(file, uri, 4)
    for start, binary_format in MAGIC_BYTES.items():
        if head.startswith(start):
            raise EncodingError(f"{uri} is no text: its first bytes are those of {binary_format}")
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    if b"\0" in head and not is_wide(source.encoding):
        order = "be" if head.startswith(b"\0") else "le"
        raise EncodingError(
            f"{uri} seems to be UTF-16 without a byte order mark; say so with --set ingest.encoding=utf-16-{order}"
        )
    return source.encoding, 0


def is_wide(encoding: str) -> bool:
    """Say whether a line end is more than one byte there, so that lines can only be found by decoding."""
    return "\n".encode(encoding) != b"\n"


def lines(span: Span, source: TextSource) -> Iterator[Line]:
    """Yield the lines that begin in `span`. Lines end at LF, CRLF or CR. Raises EncodingError, naming the line."""
    encoding, mark_length = encoding_of(span.uri, source)
    number = span.line + (1 if span.start and _is_within_line(span, source) else 0)
    for raw in _raw_lines(span, source, encoding, mark_length):
        for one in raw.splitlines(keepends=True):  # at CR too; bytes know no other line ends
            yield Line(number, _decoded(one, span.uri, number, "utf-8" if is_wide(encoding) else encoding))
            number += 1


def blocks(uri: str, source: TextSource) -> Iterator[str]:
    """Yield a file's text piece by piece, without its byte order mark. Raises EncodingError, naming the line."""
    encoding, mark_length = encoding_of(uri, source)
    decoder = codecs.getincrementaldecoder(encoding)()
    breaks = 0
    with open_text(uri, source.s3) as file:
        file.read(mark_length)
        while True:
            block = _block(file, uri)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "ignore").count("\n")
                raise _encoding_error(uri, 1 + breaks + before, encoding, error) from error
            breaks += text.count("\n")
            if text:
                yield text
            if not block:
                return


def _raw_lines(span: Span, source: TextSource, encoding: str, mark_length: int) -> Iterator[bytes]:
    """Yield the bytes of lines, with their LF: as UTF-8 where the file's own encoding is a wide one."""
    if is_wide(encoding):
        yield from _split(text.encode("utf-8", "surrogatepass") for text in blocks(span.uri, source))
        return
    if span.start == 0 and span.end is None:
        with open_text(span.uri, source.s3) as file:
            file.read(mark_length)
            yield from _split(iter(lambda: _block(file, span.uri), b""))
        return
    with open_binary(span.uri, source.s3) as file:
        yield from _lines_between(file, span, mark_length)


def _is_within_line(span: Span, source: TextSource) -> bool:
    with open_binary(span.uri, source.s3) as file:
        file.seek(span.start - 1)
        return file.read(1) != b"\n"


def _lines_between(file: IO[bytes], span: Span, mark_length: int) -> Iterator[bytes]:
    """Yield the lines that begin in the span: the one that crosses its start is the business of the span before."""
    place = max(span.start - 1, 0) if span.start else mark_length
    file.seek(place)
    found = _split(iter(lambda: file.read(BLOCK), b""))
    if span.start:
        place += len(next(found, b""))
    for line in found:
        if span.end is not None and place >= span.end:
            return
        place += len(line)
        yield line


def _block(file: IO[bytes], uri: str, size: int | None = None) -> bytes:
    try:
        return file.read(BLOCK if size is None else size)
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedFileError(
            f"{uri} is damaged, or not compressed as its name says: {error}; write it anew"
        ) from error


def _split(parts: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for part in parts:
        *complete, last = part.split(b"\n")
        if not complete:
            rest += last
            if len(rest) > LONGEST_LINE:
                raise LineError(
                    f"a line is longer than {LONGEST_LINE >> 20} MiB; is this a text file with a row a line?"
                )
            continue
        yield rest + complete[0] + b"\n"
        for line in complete[1:]:
            yield line + b"\n"
        rest = last
    if rest:
        yield rest


def _decoded(line: bytes, uri: str, number: int, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        raise _encoding_error(uri, number, encoding, error) from error


def _encoding_error(uri: str, number: int, encoding: str, error: UnicodeDecodeError) -> EncodingError:
    found = error.object[error.start : error.start + 4].hex(" ")
    return EncodingError(
        f"{uri}, line {number}: the bytes {found} are no {encoding} text; name the file's encoding, "
        f"as in --set ingest.encoding=cp1252 (or gb18030, utf-16, …), or mend the file"
    )


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
        yield from (text.encode("utf-8", "surrogatepass") for text in blocks(span.uri, source))
        return
    with open_text(span.uri, source.s3) if span.end is None else open_binary(span.uri, source.s3) as file:
        start = span.start or len(file.read(mark_length))
        if span.start:
            file.seek(start)
        left = span.end - start if span.end is not None else None
        while block := _block(file, span.uri, BLOCK if left is None else min(BLOCK, left)):
            left = None if left is None else left - len(block)
            yield block


def _count(block: bytes) -> LineCount:
    filled = sum(1 for _ in _LINE.finditer(block))
    first = _BREAK.search(block)
    breaks = block.count(b"\n") or block.count(b"\r")
    if first is None:
        has_any = bool(block.strip())
        return LineCount(filled, breaks, has_any, has_any)
    last = max(block.rfind(b"\n"), block.rfind(b"\r"))
    return LineCount(filled, breaks, bool(block[: first.start()].strip()), bool(block[last + 1 :].strip()))
