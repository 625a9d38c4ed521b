"""What the pixels of each kind of image become."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import encoded, photo, policy
from PIL import Image

from uninote.media.fetching import load_image


def test_the_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(encoded(photo(), "JPEG", exif=exif))
    assert load_image("a.jpg", policy(tmp_path)).size == (24, 40)


def test_broken_exif_does_not_cost_the_image(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert load_image("a.jpg", policy(tmp_path)).size == (40, 24)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(tmp_path, mode):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0)).convert(mode)
    image.save(tmp_path / "a.png", **({"transparency": image.getpixel((0, 0))} if mode == "P" else {}))
    assert load_image("a.png", policy(tmp_path)).getpixel((3, 3)) == (255, 255, 255)


def test_a_palette_may_be_transparent_in_part(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=bytes([128, 255]))
    loaded = load_image("a.png", policy(tmp_path))
    assert loaded.getpixel((0, 0)) == pytest.approx((255, 127, 127), abs=1)
    assert loaded.getpixel((1, 0)) == (0, 0, 255)


def test_a_jpeg_for_print_is_not_a_negative(tmp_path):
    paper, ink = Image.new("CMYK", (8, 8), (0, 0, 0, 0)), Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for image, colour in ((paper, (255, 255, 255)), (ink, (255, 0, 0))):
        content = encoded(image, "JPEG", quality=100)
        assert b"Adobe" in content  # which means that the inks are stored inverted
        (tmp_path / "a.jpg").write_bytes(content)
        assert load_image("a.jpg", policy(tmp_path)).getpixel((3, 3)) == pytest.approx(colour, abs=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_brings_the_mark_to_its_corner(tmp_path, orientation):
    upright = Image.new("RGB", (32, 16), "white")
    upright.paste("red", (0, 0, 8, 8))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that undoes each
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a.png").write_bytes(encoded(stored, "PNG", exif=exif))
    assert load_image("a.png", policy(tmp_path)).tobytes() == upright.tobytes()


def test_half_transparent_red_becomes_pink(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(tmp_path / "a.png")
    assert load_image("a.png", policy(tmp_path)).getpixel((0, 0)) == pytest.approx((255, 127, 127), abs=1)


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load_image("a.gif", policy(tmp_path)).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("mode", "colour"), [("L", 90), ("1", 1), ("P", 3), ("CMYK", (10, 20, 30, 40)), ("YCbCr", (90, 99, 80))]
)
def test_every_usual_mode_becomes_what_pillow_makes_of_it(tmp_path, mode, colour):
    image = Image.new(mode, (8, 8), colour)
    name = "a.tif" if mode in ("CMYK", "YCbCr") else "a.png"
    image.save(tmp_path / name)
    loaded = load_image(name, policy(tmp_path))
    assert loaded.mode == "RGB"
    assert loaded.getpixel((0, 0)) == image.convert("RGB").getpixel((0, 0))


@pytest.mark.parametrize(("name", "dtype"), [("a.png", np.uint16), ("a.tif", np.uint16), ("a.tif", np.int32)])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path, name, dtype):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=dtype)).save(tmp_path / name)
    assert [load_image(name, policy(tmp_path)).getpixel((x, 0))[0] for x in range(3)] == [0, 100, 255]


def test_floating_point_grey_fills_the_range(tmp_path):
    Image.fromarray(np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)).save(tmp_path / "a.tif")
    assert [load_image("a.tif", policy(tmp_path)).getpixel((x, 0))[0] for x in range(3)] == [0, 127, 255]
