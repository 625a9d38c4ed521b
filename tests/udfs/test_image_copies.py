"""A file is read once for its hash and for the model, within a bound, whatever process does either."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from builders import make_image

from udfs.embed.window import Work, prepare
from uninote.media import fetching
from uninote.media.copies import Copies
from uninote.media.fetching import MediaPolicy, file_digest
from uninote.notes.note import Note, NoteImage
from uninote.storage.private_folders import own_folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A temporary folder of the test's own, and below it the one for copies."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return own_folder()


@pytest.fixture
def reads(monkeypatch):
    """The places that are read, as they are."""
    places = []
    real = fetching.read_bytes
    monkeypatch.setattr(fetching, "read_bytes", lambda place, *rest: places.append(place) or real(place, *rest))
    return places


class Eyes:
    """Sees one image, as the numbers of its colours."""

    sees_images = True

    def sees_more(self, images):
        return not images

    def fit(self, image):
        return image.resize((1, 1))

    def prepare(self, note, images):
        return Seen([image.getpixel((0, 0)) for image in images])


class Seen(list):
    num_tokens = 1
    cut = None


def test_the_model_sees_the_bytes_that_were_hashed_without_a_second_reading(here, reads, tmp_path):
    make_image(tmp_path / "a.png", "red")
    copies = Copies("run", 1 << 20)
    policy = MediaPolicy((str(tmp_path),), 1 << 20, 10**6, copies=copies)
    assert file_digest("a.png", policy) == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    make_image(tmp_path / "a.png", "blue")
    work = prepare(Eyes(), policy, Work(Note(images=(NoteImage("a.png", ""),)), "note", {}))
    assert (work.prepared, work.images_opened, len(reads)) == ([(255, 0, 0)], 0, 1)
    copies.remove()
    work = prepare(Eyes(), policy, Work(Note(images=(NoteImage("a.png", ""),)), "note", {}))
    assert (work.prepared, work.images_opened, len(reads)) == ([(0, 0, 255)], 1, 2)
    assert list(here.iterdir()) == []


def test_copies_of_all_threads_together_have_a_bound(here):
    copies = Copies("run", 1000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: copies.put(f"{number}.png", bytes(90)), range(50)))
    held = [number for number in range(50) if copies.get(f"{number}.png") is not None]
    assert len(held) == 11
    assert sum(path.stat().st_size for path in (here / "images-run").iterdir() if path.name != "bytes") == 990
    Copies("none", 0).put("a.png", b"a")
    assert Copies("none", 0).get("a.png") is None


def test_a_name_below_another_root_is_another_file():
    notes, gallery = Copies("run", 1 << 20, ("/notes",)), Copies("run", 1 << 20, ("/gallery",))
    gallery.put("a.png", b"of the gallery")
    assert notes.get("a.png") is None
    assert gallery.get("a.png") == b"of the gallery"


def test_what_a_killed_run_left_goes_after_a_day(here):
    Copies("killed", 10).put("a.png", b"a")
    Copies("late", 10).put("a.png", b"b")
    long_ago = time.time() - 90_000
    os.utime(here / "images-killed", (long_ago, long_ago))
    Copies("new", 10).put("a.png", b"c")
    assert [Copies(name, 10).get("a.png") for name in ("killed", "late", "new")] == [None, b"b", b"c"]
    Copies("new", 10).put("a.png", b"d")
    assert Copies("new", 10).get("a.png") == b"d"
