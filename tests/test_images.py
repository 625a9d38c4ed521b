"""Images that are damaged, hostile, or not what their name says."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import encoded, outcome, photo, policy, reason_of
from PIL import Image, ImageChops

from uninote.media.fetching import decode, load_image


def png_of_size(edge: int) -> bytes:
    """A PNG whose header promises edge x edge pixels, and which holds none."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0), b"IDAT")
    framed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def test_the_pixel_limit_holds_before_anything_is_decoded(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_of_size(2000))
    assert reason_of("bomb.png", policy(tmp_path)) == "media_too_many_pixels"
    assert reason_of("bomb.png", policy(tmp_path, max_pixels=10**10)) == "media_undecodable"
    (tmp_path / "huge.png").write_bytes(png_of_size(60_000))
    assert reason_of("huge.png", policy(tmp_path, max_pixels=10**10)) == "media_too_many_pixels"
    photo(100, 10).save(tmp_path / "fits.png")
    assert load_image("fits.png", policy(tmp_path, max_pixels=1000)).size == (100, 10)
    assert reason_of("fits.png", policy(tmp_path, max_pixels=999)) == "media_too_many_pixels"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_a_truncated_file_is_an_error_or_the_whole_image_but_never_half(tmp_path, kind):
    content = encoded(photo(96, 64), kind)
    (tmp_path / "whole").write_bytes(content)
    full = load_image("whole", policy(tmp_path)).tobytes()
    for percent in range(0, 100, 4):
        (tmp_path / "cut").write_bytes(content[: max(1, len(content) * percent // 100)])
        assert outcome("cut", policy(tmp_path)) in ("media_undecodable", full)


def test_damaged_bytes_raise_nothing_but_media_errors(tmp_path):
    random = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF"):
        content = np.frombuffer(encoded(photo(), kind), np.uint8)
        for _ in range(40):
            damaged = content.copy()
            damaged[random.integers(0, len(damaged), 5)] = random.integers(0, 256, 5)
            (tmp_path / "damaged").write_bytes(damaged.tobytes())
            found = outcome("damaged", policy(tmp_path))
            assert isinstance(found, bytes) or found in ("media_undecodable", "media_too_many_pixels")


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {"lossless": True}), ("AVIF", {})],
)
def test_the_content_says_what_it_is_and_not_the_name(tmp_path, kind, options):
    image = photo()
    (tmp_path / "a.gif").write_bytes(encoded(image, kind, **options))
    difference = ImageChops.difference(load_image("a.gif", policy(tmp_path)), image)
    assert np.asarray(difference).mean() < 10


def header_only(kind: str) -> bytes:
    """A file whose header promises 9,000 x 9,000 pixels, in some 60 bytes."""
    if kind == "WEBP":
        canvas, frame = struct.pack("<I", 8999)[:3], encoded(Image.new("RGB", (2, 2)), "WEBP", lossless=True)[12:]
        spot = bytes(6) + b"\1\0\0\1\0\0" + b"\n\0\0\0"
        chunks = (b"VP8X", b"\2\0\0\0" + canvas * 2), (b"ANIM", bytes(6)), (b"ANMF", spot + frame)
        body = b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    content = bytearray(encoded(Image.new("P", (8, 8)), "GIF"))
    spot = 6 if kind == "GIF screen" else content.index(b",") + 5
    content[spot : spot + 4] = struct.pack("<HH", 9000, 9000)
    return bytes(content)


@pytest.mark.parametrize("kind", ["WEBP", "GIF screen", "GIF frame"])
def test_a_small_file_with_a_large_canvas_is_a_bomb(tmp_path, kind):
    (tmp_path / "bomb").write_bytes(header_only(kind))
    assert reason_of("bomb", policy(tmp_path, max_pixels=50_000_000)) == "media_too_many_pixels"


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})])
def test_later_frames_are_neither_read_nor_counted(tmp_path, kind, options):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    first = encoded(frames[0], kind, **options)
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:] * 200, **options)
    assert len(content) > 2 * len(first)
    (tmp_path / "many").write_bytes(content)
    (tmp_path / "one").write_bytes(first)
    assert (
        load_image("many", policy(tmp_path, max_pixels=64)).tobytes() == load_image("one", policy(tmp_path)).tobytes()
    )


def test_a_page_too_large_after_a_good_one_does_not_cost_the_good_one(tmp_path):
    pages = [Image.new("L", (8, 8), 90), Image.new("L", (900, 900))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert load_image("a.tif", policy(tmp_path, max_pixels=1000)).getpixel((0, 0)) == (90, 90, 90)


ALONE = """
import sys
from uninote.media.fetching import MediaError, MediaPolicy, load_image
try:
    load_image("large.png", MediaPolicy((sys.argv[1],), 10**6, 10**9))
except MediaError as error:
    print(error.reason, "boto3" in sys.modules)
"""


def test_a_large_image_is_no_warning_and_a_local_one_needs_no_boto3(tmp_path):
    (tmp_path / "large.png").write_bytes(
        png_of_size(10_000)
    )  # Pillow warns of it, but refuses only what is twice as large
    command = [sys.executable, "-W", "error", "-c", ALONE, str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (finished.stdout, finished.stderr) == ("media_undecodable False\n", "")


def test_threads_do_not_disturb_each_other(tmp_path, monkeypatch):
    monkeypatch.delattr("warnings.catch_warnings")  # it swaps the filters of the whole process
    contents = [encoded(photo(40 + 8 * n, 24), kind) for n in range(8) for kind in ("JPEG", "PNG", "GIF", "TIFF")]
    alone = [decode(content, "a", policy()).tobytes() for content in contents]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda content: decode(content, "a", policy()).tobytes(), contents * 4))
    assert together == alone * 4
