"""Near copies of images: found by PDQ hashes whatever the model says, of new images and of those embedded before."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pyarrow as pa
import pytest
from builders import make_note, rows_at, write_notes, write_source
from PIL import Image, ImageFilter
from test_match_stage import entry

from udfs.matching.near_copies import make_image_hashes, make_near_copies
from uninote.errors import ConfigError
from uninote.media.fetching import MediaPolicy
from uninote.media.near_copies import LEAST_QUALITY, MAX_DISTANCE, image_hash, require_hashing
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.matching.stage import match

pytest.importorskip("pdqhash", reason="the extra pdq is not installed: it is compiled")
HASHED = pa.schema([("digest", pa.string()), ("bits", pa.binary()), ("quality", pa.int32()), ("reason", pa.string())])
FOUND = pa.schema([("note_id", pa.int64()), ("entry_id", pa.string()), ("score", pa.float32())])


def scene(seed: int) -> Image.Image:
    colours = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    return Image.fromarray(colours).resize((320, 240), Image.Resampling.BICUBIC)


def bits_apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


@pytest.mark.parametrize("copy", ["smaller", "blurred", "grey"])
def test_a_copy_is_within_the_distance_and_another_picture_is_not(copy):
    image = scene(0)
    copies = {
        "smaller": image.resize((160, 120)),
        "blurred": image.filter(ImageFilter.GaussianBlur(3)),
        "grey": image.convert("L").convert("RGB"),
    }
    first = image_hash(image)
    assert first.quality >= LEAST_QUALITY
    assert bits_apart(first.bits, image_hash(copies[copy]).bits) <= MAX_DISTANCE
    assert bits_apart(first.bits, image_hash(scene(1)).bits) > 2 * MAX_DISTANCE


def test_a_picture_of_nothing_cannot_be_told_from_others():
    assert image_hash(Image.new("RGB", (300, 200), "white")).quality < LEAST_QUALITY
    assert image_hash(Image.new("RGB", (1, 1))).quality < LEAST_QUALITY


def test_pairs_are_those_that_numpy_finds_where_either_side_changed():
    generator = np.random.default_rng(0)
    entries = generator.integers(0, 256, (20, 32), np.uint8)
    notes = entries[generator.integers(0, 20, 60)].copy()
    # Every note is some bits away from an entry: from none to 59, so that both sides of the limit are there.
    for number, row in enumerate(notes):
        flipped = generator.choice(256, number, replace=False)
        row ^= np.packbits(np.isin(np.arange(256), flipped))
    is_new = generator.random(60) < 0.5
    changed = generator.random(20) < 0.3
    distances = np.unpackbits(notes[:, None] ^ entries[None], axis=2).sum(axis=2)
    wanted = {
        (int(note), f"e{part}", np.float32(1 - distances[note, part] / 256))
        for note, part in np.argwhere((distances <= MAX_DISTANCE) & (is_new[:, None] | changed))
    }
    gallery = pa.table(
        {"entry_id": [f"e{n}" for n in range(20)], "bits": [row.tobytes() for row in entries], "entry_changed": changed}
    )
    images = pa.record_batch(
        {"note_id": np.arange(60), "bits": pa.array([row.tobytes() for row in notes]), "note_changed": is_new}
    )
    find = make_near_copies(lambda: gallery, FOUND)
    found = pa.Table.from_batches(find(iter([images.slice(0, 25), images.slice(25, 0), images.slice(25)])), FOUND)
    rows = list(zip(*(found[name].to_pylist() for name in FOUND.names), strict=True))
    assert len(rows) == len(wanted) > 10
    assert set(rows) == {(note, part, float(score)) for note, part, score in wanted}


def test_what_cannot_be_decoded_has_a_reason_and_what_is_not_there_no_row(tmp_path):
    scene(2).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    digests = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("good.png", "bad.png")]
    rows = pa.RecordBatch.from_pylist(
        [
            {"digest": digests[0], "uri": "good.png", "content": None},
            {"digest": digests[1], "uri": "bad.png", "content": None},
            {"digest": "0" * 64, "uri": "gone.png", "content": None},
            {"digest": "0" * 64, "uri": "good.png", "content": None},  # other bytes by now
        ],
        pa.schema([("digest", pa.string()), ("uri", pa.string()), ("content", pa.binary())]),
    )
    counted = []
    made = make_image_hashes(MediaPolicy((str(tmp_path),), 1 << 20, 1_000_000), counted.append, HASHED)
    good, bad = pa.Table.from_batches(made(iter([rows]))).to_pylist()
    assert (good["digest"], good["bits"]) == (digests[0], image_hash(scene(2)).bits)
    assert (bad["digest"], bad["bits"], bad["reason"]) == (digests[1], None, "media_undecodable")
    assert sum(counted) == 4


def test_no_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pdqhash", None)
    with pytest.raises(ConfigError, match=r"uninote\[pdq\]"):
        require_hashing()


def found_by(run):
    rows = rows_at(run.lake.uri("matches"))
    return {
        (row["entry_id"], row["note_id"], row["position"]): row["found_by"] for row in rows if row["until_run"] is None
    }


@pytest.mark.long
@pytest.mark.spark
def test_near_copies_are_found_over_nights_and_of_images_embedded_before(make_run, quick_model, tmp_path):
    media, gallery = tmp_path / "media", tmp_path / "gallery"
    for folder in (media, gallery):
        folder.mkdir()
    for number in range(8):
        scene(number).save(media / f"{number}.png")
    scene(3).resize((160, 120)).save(gallery / "small3.jpg", quality=60)
    scene(7).resize((200, 150)).save(gallery / "small7.png")
    (gallery / "same5.png").write_bytes((media / "5.png").read_bytes())
    Image.new("RGB", (300, 200), "white").save(media / "white.png")
    Image.new("RGB", (301, 200), "white").save(gallery / "white.png")
    # No cosine of an image reaches this: what is found is found by its bytes or by what it looks like.
    limits = 'match.thresholds={"*": {image-text: {act: 1, review: 1}}}'
    settings = (*quick_model, "embed.widths=[64]", limits, f"match.gallery={gallery}")

    def night(notes, entries, near_copies=True):
        run = make_run(*settings, f"match.near_copies={str(near_copies).lower()}")
        write_notes(run, notes, media)
        write_source(gallery, entries)
        embed(run)
        return run, match(run)

    notes = [make_note(number, images=[("white.png", None), (f"{number}.png", None)]) for number in range(6)]
    entries = [
        entry(name, images=[f"{name}.{end}"]) for name, end in [("small3", "jpg"), ("same5", "png"), ("white", "png")]
    ]
    entries.append(entry("twice", images=["small3.jpg"]))
    run, _ = night(notes, entries, near_copies=False)
    assert found_by(run) == {("same5", 5, 1): "bytes"}

    # Asked for later: nothing is embedded again but the entries' images.
    run, counts = night(notes, entries)
    first = {("same5", 5, 1): "bytes", ("small3", 3, 1): "pdq", ("twice", 3, 1): "pdq"}
    assert found_by(run) == first
    assert counts["parts_embedded"] == 4
    hashed = rows_at(run.lake.uri("image_hashes"))
    assert len(hashed) == len({row["digest"] for row in hashed}) == 7
    score = next(row["score"] for row in rows_at(run.lake.uri("matches")) if row["found_by"] == "pdq")
    assert 1 - MAX_DISTANCE / 256 <= score <= 1
    assert night(notes, entries)[1]["state"] == "unchanged"

    # A new note, of which the model's own decoding makes the hash, and a new entry.
    notes.append(make_note(9, images=[("7.png", None)]))
    entries = [*entries[1:], entry("small7", images=["small7.png"])]
    run, counts = night(notes, entries)
    wanted = {("same5", 5, 1): "bytes", ("twice", 3, 1): "pdq", ("small7", 9, 0): "pdq"}
    assert found_by(run) == wanted
    assert counts["items_compared"] == 1
