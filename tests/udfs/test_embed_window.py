"""Windows of items, without Spark: who gets a vector, who a reason, and that nobody is dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from builders import make_image
from tiny_checkpoint import make_tiny_checkpoint

from udfs.embed import model_run as embed
from udfs.embed.model_run import EmbedTask, embed_windows
from uninote.media.fetching import MediaPolicy
from uninote.model.encoder import load_encoder

IMAGE = pa.struct([("uri", pa.string()), ("ocr", pa.string())])
INLINE = pa.struct([("uri", pa.string()), ("content", pa.binary())])
SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("kind", pa.string()),
        ("content_hash", pa.string()),
        ("title", pa.string()),
        ("body", pa.string()),
        ("topics", pa.list_(pa.string())),
        ("images", pa.list_(IMAGE)),
        ("inline", pa.list_(INLINE)),
    ]
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A small real encoder."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny_checkpoint(folder, ["some text about notes", "红色杯子"] * 20)
    return load_encoder(folder)


@pytest.fixture
def task(tmp_path):
    """A task that may open images below the test's folder."""
    return EmbedTask(512, 4, MediaPolicy((str(tmp_path),), 1 << 20, 1_000_000))


class Spy:
    """An encoder that notes what it is asked."""

    def __init__(self, encoder, answer=None):
        self.sees_images, self.batch_tokens = encoder.sees_images, None
        self._encoder, self._answer = encoder, answer
        self.notes = 0
        self.fit, self.sees_more = encoder.fit, encoder.sees_more

    def prepare(self, note, images):
        return self._encoder.prepare(note if self.sees_images else replace(note, images=()), images)

    def embed(self, prepared):
        self.notes += len(prepared)
        return self._encoder.embed(prepared) if self._answer is None else self._answer(prepared)


def row(item_id, title="", content=None, images=(), **fields):
    structs = [{"uri": uri, "ocr": ocr} for uri, ocr in images]
    values = {"item_id": item_id, "kind": "note", "title": title, "content_hash": content or item_id, "images": structs}
    return dict.fromkeys(SCHEMA.names) | values | fields


def run(encoder, rows, task, batch_rows=1000):
    """Return item_id -> its finished work."""
    batches = pa.Table.from_pylist(rows, schema=SCHEMA).to_batches(max_chunksize=batch_rows)
    found, order = {}, []
    with ThreadPoolExecutor(task.fetch_threads) as pool:
        for window in embed_windows(encoder, batches, task, pool):
            ids = window.rows.column("item_id").to_pylist()
            order += ids
            found |= {item_id: window.works[at] for item_id, at in zip(ids, window.work_of, strict=True)}
    assert order == [one["item_id"] for one in rows]
    return found


def reasons(work):
    return [reason for _, _, reason, _ in work.rejects]


@pytest.mark.parametrize("batch_rows", [1, 7, 1000])
def test_every_row_comes_out_once_in_order_with_its_own_vector(encoder, task, monkeypatch, batch_rows):
    monkeypatch.setattr(embed, "WINDOW_ROWS", 16)
    monkeypatch.setattr(embed, "PART_TOKENS", 1)
    rows = [row(f"n{n}", "word " * (n * 7 % 23 + 1) + str(n)) for n in range(40)]
    together = run(encoder, rows, task, batch_rows)
    assert all(work.vector is not None and work.prepared is None for work in together.values())
    for number in (0, 17, 39):
        alone = run(encoder, [rows[number]], task)[f"n{number}"].vector
        assert float(np.dot(alone, together[f"n{number}"].vector)) > 1 - 1e-5


def test_equal_content_is_computed_once(encoder, task):
    spy = Spy(encoder)
    found = run(spy, [row(f"n{n}", f"text {n % 3}", content=f"c{n % 3}") for n in range(12)], task)
    assert spy.notes == 3
    np.testing.assert_array_equal(found["n0"].vector, found["n3"].vector)


def test_rows_that_weigh_much_make_smaller_windows(encoder, task, monkeypatch):
    monkeypatch.setattr(embed, "WINDOW_BYTES", 10_000)
    rows = [row(f"n{n}", "x" * 3000 + str(n)) for n in range(10)]
    batches = pa.Table.from_pylist(rows, schema=SCHEMA).to_batches()
    with ThreadPoolExecutor(2) as pool:
        windows = [window.rows.num_rows for window in embed_windows(encoder, batches, task, pool)]
    assert sum(windows) == 10
    assert max(windows) <= 3


def test_a_broken_image_costs_only_itself_and_its_ocr_stays(encoder, task, tmp_path):
    make_image(tmp_path / "ok.png")
    with_broken = row("a", "title", images=[("gone.png", "words in it"), ("ok.png", "")])
    without = row("b", "title", images=[("ok.png", "")], body="words in it")
    found = run(encoder, [with_broken, without], task)
    assert found["a"].rejects_of("a")[0]["item_id"] == "a#image/0"
    assert reasons(found["a"]) == ["media_missing"]
    assert found["b"].rejects == []
    assert float(np.dot(found["a"].vector, found["b"].vector)) > 1 - 1e-5


def test_image_bytes_that_came_with_the_row_are_as_good_as_a_file(encoder, task, tmp_path):
    content = make_image(tmp_path / "ok.png", "blue").read_bytes()
    uri = f"inline:{'0' * 64}"
    rows = [
        row("file", "title", images=[("ok.png", "")]),
        row("bytes", "title", images=[(uri, "")], inline=[{"uri": uri, "content": content}]),
    ]
    found = run(encoder, rows, task)
    assert float(np.dot(found["file"].vector, found["bytes"].vector)) > 1 - 1e-6


def test_an_ocr_text_without_image_is_content_not_a_reject(encoder, task):
    work = run(encoder, [row("a", images=[(None, "sale 30%")])], task)["a"]
    assert work.vector is not None
    assert work.rejects == []


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (row("a"), ["note_empty"]),
        (row("a", "  \n"), ["note_empty"]),
        (row("a", images=[("gone.png", "")]), ["media_missing", "note_unusable"]),
        (row("a", kind="image", images=[("gone.png", None)]), ["media_missing"]),
    ],
)
def test_an_item_with_nothing_usable_gets_a_reason_and_no_vector(encoder, task, broken, message):
    found = run(encoder, [row("g", "good"), broken], task)
    assert found["g"].vector is not None
    assert found["a"].vector is None
    assert reasons(found["a"]) == message
    assert found["a"].rejects_of("a")[-1]["item_id"] == "a"


def test_a_model_that_sees_no_images_opens_none(encoder, task):
    spy = Spy(encoder)
    spy.sees_images = False
    found = run(spy, [row("a", "title", images=[("gone.png", "ocr")]), row("b", images=[("gone.png", None)])], task)
    assert found["a"].vector is not None
    assert found["a"].rejects == []
    assert reasons(found["b"]) == ["note_empty"]


def test_images_that_the_model_would_not_see_are_counted_and_not_opened(encoder, task, tmp_path):
    make_image(tmp_path / "ok.png")
    limit = encoder._processor.limits.max_images
    seen = [("gone.png", ""), *[("ok.png", "")] * limit]
    found = run(encoder, [row("a", "title", images=[*seen, ("unseen.png", "words"), ("unseen.png", "")])], task)["a"]
    without = run(encoder, [row("b", "title", images=seen)], task)["b"]
    assert (reasons(found), found.unseen_images, found.images_left_out) == (["media_missing"], 2, 2)
    assert (found.images_opened, found.cut.tokens) == (limit, 0)
    assert float(np.dot(found.vector, without.vector)) > 1 - 1e-6
    text_only = Spy(encoder)
    text_only.sees_images = False
    assert run(text_only, [row("a", "title", images=seen)], task)["a"].unseen_images == limit + 1


def test_what_was_cut_of_a_text_is_counted_with_its_item(encoder, task):
    found = run(encoder, [row("a", "text", body="word " * 4000), row("b", "text")], task)
    assert found["a"].cut.is_estimate
    assert 3000 < found["a"].cut.tokens < 5000 * 6
    assert (found["b"].cut.tokens, found["b"].cut.is_estimate) == (0, False)


def test_a_vector_that_is_not_finite_is_a_reject(encoder, task):
    broken = Spy(encoder, lambda prepared: np.full((len(prepared), 4), np.nan, np.float32))
    work = run(broken, [row("a", "text")], task)["a"]
    assert work.vector is None
    assert reasons(work) == ["vector_not_finite"]


@pytest.mark.parametrize(
    ("vector", "narrowest", "reason"),
    [
        ([0, 0, 0, 0], None, "vector_zero"),
        ([0, 0, 0.6, 0.8], 2, "vector_zero"),
        ([3, 0, 0, 4], None, "vector_not_unit"),
        ([0, 0, 0.6, 0.8], None, None),
        ([0, 0, 0.6, 0.8], 3, None),
    ],
)
def test_a_vector_that_points_nowhere_is_a_reject(encoder, task, vector, narrowest, reason):
    returned = np.array(vector, np.float32)
    spy = Spy(encoder, lambda prepared: np.tile(returned, (len(prepared), 1)))
    work = run(spy, [row("a", "text")], replace(task, narrowest=narrowest))["a"]
    assert (work.vector is None, reasons(work)) == (reason is not None, [reason] if reason else [])


def test_what_it_took_is_counted(encoder, task, tmp_path):
    make_image(tmp_path / "ok.png")
    found = run(encoder, [row("a", "word " * 30, images=[("ok.png", "")]), row("b", "short")], task)
    work = found["a"]
    assert min(work.fetch_s, work.decode_s, work.tokenise_s, work.model_s) > 0
    assert found["b"].padded_tokens >= found["b"].tokens > 0
