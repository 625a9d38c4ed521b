"""Images of entries found at upload, by their bytes and by PDQ hashes, without Spark and without a model."""

from __future__ import annotations

import hashlib
import io
import time

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from uninote.gallery.entries import make_entries
from uninote.gallery.images import EntryImages, ImageHit
from uninote.gallery.opening import Gallery
from uninote.gallery.thresholds import Limits, Pair, Thresholds
from uninote.media.near_copies import MAX_DISTANCE, ImageHash, image_hash
from uninote.model.encoder import HASHING, load_encoder
from uninote.model.hashing.folder import write_card
from uninote.notes.hashing import content_hash
from uninote.notes.note import Note, NoteImage


def alone(content):
    """The content hash of an item of one image."""
    return content_hash(Note(images=(NoteImage("", ""),)), [hashlib.sha256(content).hexdigest()])


def gallery_rows(parts):
    """A row for each part: those of an image of category a, but for what is given."""
    usual = {"kind": "image", "position": 0, "category": "a", "enabled": True, "generic": False, "content_hash": ""}
    usual |= {"generation": "g", "vector": [1.0, 0.0], "image_bits": None, "image_quality": None}
    schema = pa.schema(
        {
            "entry_id": pa.string(),
            **dict.fromkeys(("kind", "category", "content_hash", "generation"), pa.string()),
            **dict.fromkeys(("position", "image_quality"), pa.int32()),
            **dict.fromkeys(("enabled", "generic"), pa.bool_()),
            "vector": pa.list_(pa.float32()),
            "image_bits": pa.binary(),
        }
    )
    return pa.Table.from_pylist([{**usual, **part} for part in parts], schema)


def test_equal_bytes_are_those_of_enabled_images_that_a_model_sees():
    same = {"content_hash": alone(b"one")}
    images = EntryImages(
        gallery_rows(
            [
                {"entry_id": "same", **same},
                {"entry_id": "again", "generic": True, "category": "b", **same},
                {"entry_id": "off", "enabled": False, **same},
                {"entry_id": "unseen", "vector": None, **same},
                {"entry_id": "text", "kind": "text", **same},
                {"entry_id": "other", "content_hash": alone(b"two")},
            ]
        )
    )
    digests = [hashlib.sha256(content).hexdigest() for content in (b"three", b"one")]
    assert images.identical(digests) == [ImageHit(1, "same", "a", False, 1.0), ImageHit(1, "again", "b", True, 1.0)]
    assert not images.are_hashed


def test_near_copies_are_those_that_numpy_finds():
    generator = np.random.default_rng(0)
    entries = generator.integers(0, 256, (20, 32), np.uint8)
    asked = entries[generator.integers(0, 20, 60)].copy()
    for number, row in enumerate(asked):
        row ^= np.packbits(np.isin(np.arange(256), generator.choice(256, number, replace=False)))
    quality, asked_quality = generator.integers(30, 101, 20), generator.integers(30, 101, 60)
    rows = [
        {"entry_id": f"e{number}", "image_bits": row.tobytes(), "image_quality": int(told), "vector": None}
        for number, (row, told) in enumerate(zip(entries, quality, strict=True))
    ]
    images = EntryImages(gallery_rows(rows))
    distances = np.unpackbits(asked[:, None] ^ entries[None], axis=2).sum(axis=2)
    near = (distances <= MAX_DISTANCE) & (asked_quality[:, None] >= 50) & (quality >= 50)
    wanted = {(int(row), f"e{entry}", 1 - int(distances[row, entry]) / 256) for row, entry in np.argwhere(near)}
    hashes = [ImageHash(row.tobytes(), int(told)) for row, told in zip(asked, asked_quality, strict=True)]
    found = images.near_copies(hashes)
    assert {(one.position, one.entry_id, one.score) for one in found} == wanted
    assert len(found) == len(wanted) > 5
    assert images.near_copies([hashes[0]._replace(quality=49)]) == []


def test_a_thousand_hashed_entries_take_less_than_a_millisecond():
    bits = np.random.default_rng(0).integers(0, 256, (1000, 32), np.uint8)
    rows = [{"entry_id": f"e{n}", "image_bits": row.tobytes(), "image_quality": 90} for n, row in enumerate(bits)]
    images = EntryImages(gallery_rows(rows))
    seconds = []
    for _ in range(30):
        started = time.perf_counter()
        (found,) = images.near_copies([ImageHash(bits[17].tobytes(), 90)])
        images.identical(["0" * 64])
        seconds.append(time.perf_counter() - started)
    assert (found.entry_id, found.score) == ("e17", 1.0)
    assert min(seconds) < 0.001


def scene(seed):
    colours = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    return Image.fromarray(colours).resize((320, 240), Image.Resampling.BICUBIC)


def as_png(image):
    kept = io.BytesIO()
    image.save(kept, "PNG")
    return kept.getvalue()


def test_a_match_says_which_of_the_three_found_it(tmp_path):
    pytest.importorskip("pdqhash", reason="the extra pdq is not installed: it is compiled")
    write_card(tmp_path, (64, 128))
    encoder = load_encoder(tmp_path, HASHING)
    vector = np.asarray(encoder.embed([encoder.prepare(Note(body="tent lake"), [])]))[0]
    hashed = [image_hash(scene(seed)) for seed in range(3)]
    rows = [
        {"entry_id": f"seen{seed}", "image_bits": one.bits, "image_quality": one.quality, "generic": seed == 2}
        for seed, one in enumerate(hashed)
    ]
    rows[0]["content_hash"] = alone(as_png(scene(0)))
    none = [0.0] * (len(vector) - 1)
    rows = [{**row, "vector": [-1.0, *none]} for row in rows]
    rows.append({"entry_id": "said", "kind": "text", "vector": vector.tolist()})
    table = gallery_rows(rows)
    limits = Thresholds({Pair("*", "text", "text"): Limits(0.9, 0.8)})
    gallery = Gallery(make_entries(table, len(vector)), limits, "g", EntryImages(table))
    shown = [scene(0), scene(1).resize((160, 120)), scene(2), scene(9)]
    note = Note(body="tent lake", images=tuple(NoteImage(f"{place}.png", "") for place in range(4)))
    found = gallery.match_note(encoder, note, shown, [as_png(image) for image in shown])
    told = [(one.entry_id, one.found_by, one.decision, one.kind, one.position) for one in found]
    assert told == [
        ("seen0", "bytes", "act", "image", 0),
        ("seen1", "pdq", "act", "image", 1),
        ("said", "embedding", "act", "text", 0),
        ("seen2", "pdq", "review", "image", 2),
    ]
    assert [one.threshold for one in found] == [None, None, 0.9, None]
    # Without the bytes the first is a near copy, of all bits.
    first = gallery.match_images(shown)[0]
    assert (first.entry_id, first.found_by, first.score) == ("seen0", "pdq", 1.0)
