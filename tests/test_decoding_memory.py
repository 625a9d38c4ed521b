"""What decoding holds in memory: no more than is documented, whatever the format and however many threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pictures import encoded
from PIL import Image

from uninote.media.decoding_memory import DECODING_BYTES, Budget
from uninote.media.images import ImageError, reduced

MEMORY = """
import io, re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image
from uninote.media.images import reduced

def memory(name):
    return 1024 * int(re.search(rf"{name}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def peak_of(work):
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    work()
    return memory("VmHWM") - before

def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()

def tiny(image):
    return image.resize((64, 64), Image.Resampling.NEAREST).tobytes()

def small(image):
    return image.resize((512, 512)).tobytes()
"""

THREADS = """
content = encoded(Image.new("RGB", (7072, 7070), "red"), "JPEG")
reduced(encoded(Image.new("RGB", (64, 64)), "JPEG"), 10**6, small)
with ThreadPoolExecutor(8) as pool:
    print(peak_of(lambda: list(pool.map(lambda _: reduced(content, 50_000_000, tiny), range(8)))))
"""

FORMATS = """
from uninote.media.decoding_memory import decoding_bytes
from uninote.media.images import FORMATS

side = 2048
grey = Image.linear_gradient("L").resize((side, side))
rgb = Image.merge("RGB", (grey, grey.rotate(90), grey.rotate(180)))
rgba = Image.merge("RGBA", (*rgb.split(), grey))
palette = grey.convert("P")
turned = Image.Exif()
turned[0x0112] = 6
cases = [
    ("JPEG", rgb, {}), ("JPEG", rgb, {"exif": turned}), ("JPEG", rgb, {"progressive": True, "subsampling": 0}),
    ("JPEG", rgb.convert("CMYK"), {"progressive": True}), ("PNG", rgb, {"exif": turned}),
    ("PNG", rgba.convert("LA"), {}), ("PNG", palette, {"transparency": 0}), ("PNG", grey.convert("I;16"), {}),
    ("PNG", rgb, {"transparency": (0, 0, 0)}), ("WEBP", rgba, {"method": 0}), ("GIF", palette, {"transparency": 0}),
    ("BMP", rgb, {}), ("PPM", rgb, {}), ("TIFF", rgba, {"compression": "tiff_lzw", "tiffinfo": {278: side}}),
    ("TIFF", grey.convert("F"), {}), ("JPEG2000", rgba, {}), ("AVIF", rgba, {"speed": 10, "subsampling": "4:4:4"}),
]
for kind, image, options in cases:
    content = encoded(image, kind, **options)
    with Image.open(io.BytesIO(content), formats=FORMATS) as header:
        expected = decoding_bytes(header)
    print(kind, image.mode, *options, expected, peak_of(lambda: reduced(content, 10**8, small)), sep=",")
"""


def printed(script: str, **environment: str) -> list[str]:
    command = [sys.executable, "-c", MEMORY + script]
    finished = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split("\n")[:-1]


def test_eight_threads_with_photos_of_fifty_megapixels_stay_within_the_bound():
    (peak,) = printed(THREADS)
    assert int(peak) < DECODING_BYTES + (64 << 20)


def test_what_decoding_takes_is_known_from_the_header_for_every_format():
    # Large blocks go back to the system at once, so that each image is measured alone.
    for line in printed(FORMATS, MALLOC_MMAP_THRESHOLD_="65536"):
        expected, peak = map(int, line.split(",")[-2:])
        assert peak < 1.1 * expected + (6 << 20), line


def test_a_budget_is_given_in_order_and_one_that_asks_for_too_much_waits_for_all():
    budget = Budget(10)
    order = []
    largest = [0, 0]
    lock = threading.Lock()

    def hold(amount: int) -> None:
        with budget.hold(amount):
            with lock:
                order.append(amount)
                largest[0] += min(amount, 10)
                largest[1] = max(largest)
            time.sleep(0.01)
            with lock:
                largest[0] -= min(amount, 10)

    with ThreadPoolExecutor(8) as pool:
        with budget.hold(10):
            for amount in (3, 99, 4, 4, 4):
                pool.submit(hold, amount)
                time.sleep(0.01)
        pool.shutdown()
    assert order[:2] == [3, 99]
    assert largest[1] <= 10
    with budget.hold(10):
        pass


def test_what_is_held_is_given_back_when_reducing_fails():
    def fail(_: Image.Image) -> None:
        raise ImageError("media_too_many_pixels", "no")

    content = encoded(Image.new("RGB", (8, 8)), "PNG")
    for _ in range(3):
        with pytest.raises(ImageError, match="no"):
            reduced(content, 10**6, fail)
    assert reduced(content, 10**6, lambda image: image.size) == (8, 8)
