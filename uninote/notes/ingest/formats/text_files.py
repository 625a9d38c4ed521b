"""Text files as lines: encodings, byte order marks, and line ends of every kind."""

from __future__ import annotations

import codecs
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
        head = read_block(file, uri, 4)
    for start, binary_format in MAGIC_BYTES.items():
        if head.startswith(start):
            raise EncodingError(f"{uri} is no text: its first bytes are those of {binary_format}")
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    # A zero byte is in no text of one byte a character, and in half of the bytes of ASCII as UTF-16.
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
        # Bytes are split at CR, LF and CR LF alone; a text would also be split at U+2028 and others.
        for one in raw.splitlines(keepends=True):
            yield Line(number, _decoded(one, span.uri, number, "utf-8" if is_wide(encoding) else encoding))
            number += 1


def blocks(uri: str, source: TextSource) -> Iterator[str]:
    """Yield a file's text piece by piece, without its byte order mark. Raises EncodingError, naming the line."""
    encoding, mark_length = encoding_of(uri, source)
    # Incremental, since a character may be cut by the end of a block.
    decoder = codecs.getincrementaldecoder(encoding)()
    breaks = 0
    with open_text(uri, source.s3) as file:
        file.read(mark_length)
        while True:
            block = read_block(file, uri)
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


def utf8_blocks(uri: str, source: TextSource) -> Iterator[bytes]:
    """Yield the same as UTF-8: lines of a wide encoding can only be found once it is decoded."""
    for text in blocks(uri, source):
        yield text.encode("utf-8", "surrogatepass")


def _raw_lines(span: Span, source: TextSource, encoding: str, mark_length: int) -> Iterator[bytes]:
    """Yield the bytes of lines, with their LF: as UTF-8 where the file's own encoding is a wide one."""
    if is_wide(encoding):
        yield from _split(utf8_blocks(span.uri, source))
        return
    if span.start == 0 and span.end is None:
        with open_text(span.uri, source.s3) as file:
            file.read(mark_length)
            yield from _split(iter(lambda: read_block(file, span.uri), b""))
        return
    with open_binary(span.uri, source.s3) as file:
        yield from _lines_between(file, span, mark_length)


def _is_within_line(span: Span, source: TextSource) -> bool:
    with open_binary(span.uri, source.s3) as file:
        file.seek(span.start - 1)
        return file.read(1) != b"\n"


def _lines_between(file: IO[bytes], span: Span, mark_length: int) -> Iterator[bytes]:
    """Yield the lines that begin in the span: the one that crosses its start is the business of the span before."""
    # From one byte before: if that ends a line, the first line of the span is complete, else the span before has it.
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


def read_block(file: IO[bytes], uri: str, most: int | None = None) -> bytes:
    """Return the next bytes of an open file, at most `most` and BLOCK; none at its end. Raises DamagedFileError."""
    try:
        return file.read(BLOCK if most is None else min(BLOCK, most))
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedFileError(
            f"{uri} is damaged, or not compressed as its name says: {error}; write it anew"
        ) from error


def _split(parts: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for part in parts:
        *complete, last = part.split(b"\n")
        # The last piece has no end yet: it goes on in the next part.
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
