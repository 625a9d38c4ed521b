import io

import pytest
from PIL import Image
from sample_report import make_picture

from uninote.report.thumbnails import thumbnail


def opened(jpeg):
    return Image.open(io.BytesIO(jpeg))


@pytest.mark.parametrize(("size", "expected"), [((640, 320), (160, 80)), ((30, 900), (5, 160)), ((20, 10), (20, 10))])
def test_thumbnails_fit_and_keep_proportions(size, expected):
    small = opened(thumbnail(Image.new("RGB", size, "red")))
    assert (small.format, small.size) == ("JPEG", expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode):
    assert opened(thumbnail(Image.new(mode, (40, 40)))).mode == "RGB"


def test_transparent_pixels_become_white():
    assert min(opened(thumbnail(Image.new("RGBA", (40, 40), (255, 0, 0, 0)))).getpixel((20, 20))) > 250


def test_the_callers_picture_is_left_alone():
    picture = make_picture(1)
    before = picture.tobytes()
    thumbnail(picture, 32)
    assert picture.tobytes() == before


def test_one_picture_always_gives_the_same_bytes():
    assert thumbnail(make_picture(3)) == thumbnail(make_picture(3))
