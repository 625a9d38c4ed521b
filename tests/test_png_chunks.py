"""PNG files whose metadata is large or damaged: pixels are read, and nothing large is inflated."""

from __future__ import annotations

import struct
import zlib

import pytest
from pictures import encoded, photo, policy
from PIL import Image

from uninote.media import png_chunks
from uninote.media.fetching import MediaError, decode
from uninote.media.png_chunks import SIGNATURE, without_odd_chunks

ZEROS = zlib.compress(bytes(2 << 20))  # past what Pillow allows one text
TURNED = b'XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'


def chunk(name: bytes, data: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def with_chunks(*chunks: bytes, at_end: bool = False) -> bytes:
    """A PNG of 40 x 24 pixels with more chunks, after its header or before its end."""
    content = encoded(photo(), "PNG")
    at = len(content) - 12 if at_end else len(SIGNATURE) + 25
    return content[:at] + b"".join(chunks) + content[at:]


LARGE = {
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + ZEROS),
    "iTXt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + ZEROS),
    "iCCP": chunk(b"iCCP", b"profile\0\0" + ZEROS),
    "damaged text": chunk(b"tEXt", b"Comment\0text", checksum=1),
    "damaged profile": chunk(b"iCCP", b"profile\0\7not compressed"),
    "damaged private chunk": chunk(b"prVt", b"text", checksum=1),
    "many large texts": chunk(b"zTXt", b"Comment\0\0" + ZEROS) * 40,
}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("at_end", [False, True])
def test_metadata_does_not_cost_the_pixels(kind, at_end):
    loaded = decode(with_chunks(LARGE[kind], at_end=at_end), "a.png", policy())
    assert loaded.tobytes() == photo().tobytes()


def test_a_small_text_that_says_which_way_is_up_still_does():
    content = with_chunks(LARGE["iCCP"], LARGE["zTXt"], chunk(b"iTXt", TURNED))
    assert decode(content, "a.png", policy()).size == (24, 40)


def test_transparency_and_palette_stay():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    content = encoded(image, "PNG", transparency=bytes([0, 255]))
    at = len(SIGNATURE) + 25
    loaded = decode(content[:at] + LARGE["iCCP"] + content[at:], "a.png", policy())
    assert loaded.getpixel((0, 0)) == (255, 255, 255)


def test_damaged_pixels_stay_damaged():
    content = bytearray(with_chunks(LARGE["zTXt"]))
    content[content.index(b"IDAT") + 6] ^= 0xFF
    with pytest.raises(MediaError) as caught:
        decode(bytes(content), "a.png", policy())
    assert caught.value.reason == "media_undecodable"


def test_a_bomb_is_refused_whatever_its_texts_say():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = SIGNATURE + chunk(b"IHDR", header) + LARGE["zTXt"] + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(MediaError) as caught:
        decode(bomb, "a.png", policy())
    assert caught.value.reason in ("media_too_many_pixels", "media_undecodable")
    assert decode(encoded(photo(), "PNG"), "a.png", policy()).size == (40, 24)


def test_texts_are_inflated_up_to_a_bound_in_all(monkeypatch):
    inflated = []

    class Counted:
        def decompress(self, data: bytes, most: int) -> bytes:
            found = zlib_decompressobj().decompress(data, most)
            inflated.append(len(found))
            return found

    zlib_decompressobj = zlib.decompressobj
    monkeypatch.setattr(png_chunks.zlib, "decompressobj", Counted)
    stored = without_odd_chunks(with_chunks(LARGE["zTXt"] * 100))
    assert stored == encoded(photo(), "PNG")
    assert sum(inflated) < 2 * png_chunks.ALL_TEXT_BYTES


def test_other_content_and_cut_chunks_are_no_error():
    assert without_odd_chunks(b"GIF89a") == b"GIF89a"
    content = with_chunks(LARGE["zTXt"])
    for size in range(0, len(content), 7):
        without_odd_chunks(content[:size])
