import io
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uninote.media import MediaError, MediaPolicy, fingerprint, load_image


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def policy(*roots: Path, max_bytes: int = 10**6, max_pixels: int = 10**6) -> MediaPolicy:
    return MediaPolicy(tuple(map(str, roots)), max_bytes, max_pixels)


def photo(width: int = 40, height: int = 24) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def reason_of(uri: str, allowed: MediaPolicy) -> str:
    with pytest.raises(MediaError) as caught:
        load_image(uri, allowed)
    return caught.value.reason


def outcome(uri: str, allowed: MediaPolicy) -> str | bytes:
    """Return the pixels, or the reason why there are none."""
    try:
        return load_image(uri, allowed).tobytes()
    except MediaError as error:
        return error.reason


# Where a URI leads


@pytest.mark.parametrize("make", ["a.png", "sub/../a.png", "./a.png", "{root}/a.png", "file://{root}/a.png"])
def test_a_file_below_a_root_is_found_however_it_is_written(root, make):
    (root / "sub").mkdir()
    photo().save(root / "a.png")
    assert load_image(make.format(root=root), policy(root)).size == (40, 24)


def test_a_file_uri_may_be_percent_encoded_and_name_this_host(root):
    photo().save(root / "été 1.png")
    assert load_image(f"file://localhost{root}/%C3%A9t%C3%A9%201.png", policy(root)).mode == "RGB"


def test_a_relative_uri_is_looked_for_in_each_root_in_turn(root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    photo(16, 16).save(other / "a.png")
    assert load_image("a.png", policy(root, other)).size == (16, 16)
    photo(8, 8).save(root / "a.png")
    assert load_image("a.png", policy(root, other)).size == (8, 8)


@pytest.mark.parametrize(
    "make", ["../secret.png", "{tmp}/secret.png", "file://{tmp}/secret.png", "/etc/passwd", "link.png"]
)
def test_nothing_outside_the_roots_is_opened(root, tmp_path, make):
    photo().save(tmp_path / "secret.png")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    assert reason_of(make.format(tmp=tmp_path), policy(root)) == "media_outside_roots"
    assert fingerprint(make.format(tmp=tmp_path), policy(root)) == "missing"


def test_a_sibling_whose_name_starts_like_the_root_is_outside(root, tmp_path):
    (tmp_path / "root-private").mkdir()
    photo().save(tmp_path / "root-private" / "a.png")
    assert reason_of("../root-private/a.png", policy(root)) == "media_outside_roots"


def test_without_roots_nothing_can_be_opened(root):
    photo().save(root / "a.png")
    assert reason_of(f"{root}/a.png", policy()) == "media_outside_roots"


def test_a_link_within_the_root_is_followed(root):
    photo().save(root / "a.png")
    (root / "b.png").symlink_to("a.png")
    assert load_image("b.png", policy(root)).size == (40, 24)


@pytest.mark.parametrize(
    "uri", ["s3://bucket/a.png", "https://host/a.png", "data:image/png;base64,AAAA", "file://host/a.png"]
)
def test_other_schemes_are_named_as_such(root, uri):
    assert reason_of(uri, policy(root)) == "media_unsupported_scheme"


@pytest.mark.parametrize(
    "uri", ["", " ", "no.png", "a\0b.png", "\ud800.png", "x" * 5000, "loop.png", "folder", "pipe", "file://["]
)
def test_what_is_no_readable_file_is_missing_and_never_another_error(root, uri):
    (root / "folder").mkdir()
    (root / "loop.png").symlink_to("loop.png")
    os.mkfifo(root / "pipe")
    assert reason_of(uri, policy(root)) == "media_missing"
    assert fingerprint(uri, policy(root)) == "missing"


def test_the_message_can_be_stored_and_the_error_pickled(root):
    with pytest.raises(MediaError) as caught:
        load_image("\ud800" + "x" * 5000, policy(root))
    str(caught.value).encode()
    assert len(str(caught.value)) < 400
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.reason, str(again)) == ("media_missing", str(caught.value))


# What a file holds


def test_empty_large_and_foreign_files_have_reasons_of_their_own(root):
    (root / "empty.png").touch()
    (root / "large.png").write_bytes(b"x" * 1001)
    (root / "text.png").write_text("not an image")
    (root / "figure.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    reasons = [
        reason_of(name, policy(root, max_bytes=1000)) for name in ("empty.png", "large.png", "text.png", "figure.eps")
    ]
    assert reasons == ["media_empty", "media_too_large", "media_undecodable", "media_undecodable"]


def png_of_size(edge: int) -> bytes:
    """A PNG whose header promises edge x edge pixels, and which holds none."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0), b"IDAT")
    framed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def test_the_pixel_limit_holds_before_anything_is_decoded(root):
    (root / "bomb.png").write_bytes(png_of_size(2000))
    assert reason_of("bomb.png", policy(root)) == "media_too_many_pixels"
    assert reason_of("bomb.png", policy(root, max_pixels=10**10)) == "media_undecodable"
    (root / "huge.png").write_bytes(png_of_size(60_000))
    assert reason_of("huge.png", policy(root, max_pixels=10**10)) == "media_too_many_pixels"
    photo(100, 10).save(root / "fits.png")
    assert load_image("fits.png", policy(root, max_pixels=1000)).size == (100, 10)
    assert reason_of("fits.png", policy(root, max_pixels=999)) == "media_too_many_pixels"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_a_truncated_file_is_an_error_or_the_whole_image_but_never_half(root, kind):
    content = encoded(photo(96, 64), kind)
    (root / "whole").write_bytes(content)
    whole = load_image("whole", policy(root)).tobytes()
    for percent in range(0, 100, 4):
        (root / "cut").write_bytes(content[: max(1, len(content) * percent // 100)])
        assert outcome("cut", policy(root)) in ("media_undecodable", whole)


def test_damaged_bytes_raise_nothing_but_media_errors(root):
    random = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF"):
        content = np.frombuffer(encoded(photo(), kind), np.uint8)
        for _ in range(40):
            damaged = content.copy()
            damaged[random.integers(0, len(damaged), 5)] = random.integers(0, 256, 5)
            (root / "damaged").write_bytes(damaged.tobytes())
            found = outcome("damaged", policy(root))
            assert isinstance(found, bytes) or found in ("media_undecodable", "media_too_many_pixels")


# What the pixels become


def test_the_exif_orientation_is_applied(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    (root / "a.jpg").write_bytes(encoded(photo(), "JPEG", exif=exif))
    assert load_image("a.jpg", policy(root)).size == (24, 40)


def test_broken_exif_does_not_cost_the_image(root):
    (root / "a.jpg").write_bytes(encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert load_image("a.jpg", policy(root)).size == (40, 24)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(root, mode):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0)).convert(mode)
    image.save(root / "a.png", **({"transparency": image.getpixel((0, 0))} if mode == "P" else {}))
    assert load_image("a.png", policy(root)).getpixel((3, 3)) == (255, 255, 255)


def test_half_transparent_red_becomes_pink(root):
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(root / "a.png")
    assert load_image("a.png", policy(root)).getpixel((0, 0)) == pytest.approx((255, 127, 127), abs=1)


def test_of_an_animation_the_first_frame_is_taken(root):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(root / "a.gif", save_all=True, append_images=frames[1:])
    assert load_image("a.gif", policy(root)).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("mode", "colour"), [("L", 90), ("1", 1), ("P", 3), ("CMYK", (10, 20, 30, 40)), ("YCbCr", (90, 99, 80))]
)
def test_every_usual_mode_becomes_what_pillow_makes_of_it(root, mode, colour):
    image = Image.new(mode, (8, 8), colour)
    name = "a.tif" if mode in ("CMYK", "YCbCr") else "a.png"
    image.save(root / name)
    loaded = load_image(name, policy(root))
    assert loaded.mode == "RGB"
    assert loaded.getpixel((0, 0)) == image.convert("RGB").getpixel((0, 0))


@pytest.mark.parametrize(("name", "dtype"), [("a.png", np.uint16), ("a.tif", np.uint16), ("a.tif", np.int32)])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(root, name, dtype):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=dtype)).save(root / name)
    assert [load_image(name, policy(root)).getpixel((x, 0))[0] for x in range(3)] == [0, 100, 255]


def test_floating_point_grey_fills_the_range(root):
    Image.fromarray(np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)).save(root / "a.tif")
    assert [load_image("a.tif", policy(root)).getpixel((x, 0))[0] for x in range(3)] == [0, 127, 255]


# What tells that a file changed


def test_the_fingerprint_changes_with_the_file_and_opens_nothing(root):
    path = root / "a.png"
    path.write_bytes(b"not even an image")
    first = fingerprint("a.png", policy(root))
    assert first == fingerprint(f"file://{path}", policy(root)) != "missing"
    os.utime(path, ns=(1, 1))
    second = fingerprint("a.png", policy(root))
    path.write_bytes(b"longer than before, but just as old")
    os.utime(path, ns=(1, 1))
    assert len({first, second, fingerprint("a.png", policy(root))}) == 3
