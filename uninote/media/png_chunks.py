"""PNG files without the chunks that a reader stumbles over, and that no pixel needs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What decides about pixels, and stays whatever it is.
PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
TEXTS = (b"tEXt", b"zTXt", b"iTXt")  # may say which way is up
# Pillow's own bounds are as large for one text, and 64 times that for all.
TEXT_BYTES = 1 << 20
ALL_TEXT_BYTES = 16 << 20


def without_odd_chunks(content: bytes) -> bytes:
    """Return the PNG without colour profiles, large texts and damaged chunks; other content as it is.

    Chunks that make the pixels stay, damaged or not. Of a compressed text at most TEXT_BYTES are inflated.
    """
    if not content.startswith(SIGNATURE):
        return content
    chunks = [SIGNATURE]
    room = ALL_TEXT_BYTES
    for name, chunk in _chunks(content):
        if name in TEXTS:
            limit = min(room, TEXT_BYTES)
            size = _text_bytes(name, chunk[8:-4], limit)
            # A chunk that is too large was inflated up to the limit, too, before its size was known.
            room -= min(size, limit)
            is_kept = size <= limit and _is_sound(chunk)
        else:
            is_kept = name in PIXELS or (name != b"iCCP" and _is_sound(chunk))
        if is_kept:
            chunks.append(chunk)
    return b"".join(chunks)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk's name and its bytes, length and checksum included; the last may be cut."""
    at = len(SIGNATURE)
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        yield name, content[at : at + length + 12]
        at += length + 12


def _is_sound(chunk: bytes) -> bool:
    return len(chunk) >= 12 and zlib.crc32(chunk[4:-4]) == struct.unpack(">I", chunk[-4:])[0]


def _text_bytes(name: bytes, data: bytes, limit: int) -> int:
    """Return the size of a text chunk once inflated, of which at most `limit` + 1 bytes are."""
    _, _, text = data.partition(b"\0")
    compressed = None
    if name == b"zTXt":
        compressed = text[1:]
    elif name == b"iTXt" and text[:1] == b"\1":
        compressed = text[2:].split(b"\0", 2)[-1]
    if compressed is None:
        return len(data)
    try:
        return len(zlib.decompressobj().decompress(compressed, limit + 1))
    except zlib.error:
        return limit + 1
