"""Devices of several kinds, without Spark: each makes the vectors that are known before it makes others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.embed.devices import Known, have_moved, to_stream
from udfs.embed.model_run import EmbedTask, make_embed
from uninote.media.fetching import MediaPolicy
from uninote.model.hashing.encoder import HashingEncoder
from uninote.model.hashing.folder import write_card

TEXT = pa.string()
KEY = ("item_key", pa.int64())
IMAGES = pa.list_(pa.struct([("uri", TEXT), ("ocr", TEXT)]))
INLINE = pa.list_(pa.struct([("uri", TEXT), ("content", pa.binary())]))
TEXTS = [(name, TEXT) for name in ("item_id", "kind", "content_hash", "title", "body")]
ROWS = pa.schema([KEY, *TEXTS, ("topics", pa.list_(TEXT)), ("images", IMAGES), ("inline", INLINE)])
REJECT = pa.struct([(name, TEXT) for name in ("item_id", "kind", "reason", "message")])
VECTOR = ("vector", pa.list_(pa.float32()))
HASH = pa.struct([("digest", TEXT), ("bits", pa.binary()), ("quality", pa.int32())])
RESULTS = [
    ("rejects", pa.list_(REJECT)),
    ("image_hashes", pa.list_(HASH)),
    ("device", TEXT),
    ("known_cosine", pa.float64()),
]
SAID = pa.schema([KEY, VECTOR, *RESULTS])


class OnDevice:
    """An encoder that computes as its device does: `rounded` makes of float32 vectors what it returns."""

    def __init__(self, encoder, device, rounded):
        self._encoder, self.device, self._rounded = encoder, device, rounded

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def embed(self, prepared):
        vectors = self._rounded(self._encoder.embed(prepared))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def noisy(vectors):
    noise = np.random.default_rng(1).standard_normal(vectors.shape).astype(np.float32)
    return vectors + 0.01 * noise


@pytest.fixture
def encoder(tmp_path):
    write_card(tmp_path, (64, 128))
    return HashingEncoder.load(tmp_path)


def rows(count, first=0):
    values = []
    for key in range(first, first + count):
        text = {"title": f"note {key}", "content_hash": str(key), "item_id": str(key), "kind": "note"}
        values.append(dict.fromkeys(ROWS.names) | text | {"item_key": key, "images": [], "body": "", "topics": []})
    return pa.Table.from_pylist(values, schema=ROWS)


def said_by(encoder, known, given):
    task = EmbedTask(None, 2, MediaPolicy((), 1 << 20, 1_000_000), known=known)
    run = make_embed(lambda: encoder, task, lambda count: None, SAID)
    return pa.Table.from_batches(list(run(iter(given.to_batches()))), SAID)


@pytest.fixture
def known(encoder):
    """Twenty items, one of which has no vector any more, made by one kind of device, at the narrower width."""
    few = rows(20)
    vectors = np.stack(said_by(encoder, None, few)["vector"].to_pylist()).astype(np.float32)[:, :64]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Known(to_stream(few), vectors, frozenset(["cpu"]))


@pytest.mark.parametrize(
    "rounded", [lambda vectors: vectors.astype(np.float16).astype(np.float32), lambda vectors: vectors]
)
def test_a_device_that_agrees_embeds_and_is_named_in_each_row(encoder, known, rounded):
    found = said_by(OnDevice(encoder, "GPU of another kind", rounded), known, rows(5, 100))
    assert found["item_key"].to_pylist() == list(range(100, 105))
    assert set(found["device"].to_pylist()) == {"GPU of another kind"}
    assert found["vector"].null_count == 0
    assert found["known_cosine"].null_count == 5


def test_a_device_that_makes_other_vectors_embeds_nothing_and_says_so(encoder, known):
    other = OnDevice(encoder, "GPU", noisy)
    (row,) = said_by(other, known, rows(5, 100)).to_pylist()
    assert (row["item_key"], row["vector"], row["device"]) == (None, None, "GPU")
    assert 0.9 < row["known_cosine"] < 0.999
    # One of a kind that was compared is not asked again, nor is anybody where nothing is known.
    assert len(said_by(other, Known(known.rows, known.vectors, frozenset(["GPU"])), rows(5))) == 5
    assert len(said_by(other, None, rows(5))) == 5


def test_one_item_may_have_another_vector_and_two_of_twenty_may_not():
    assert not have_moved(np.array([0.5] + 19 * [1]))
    assert have_moved(np.array([0.5, 0.9] + 18 * [1]))
    assert not have_moved(np.empty(0))
