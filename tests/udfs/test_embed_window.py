"""A window of notes, without Spark: who gets a vector, who a reason, and that nobody is dropped."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_image

from udfs.embed import EmbedTask, embed_window
from uninote.media import MediaPolicy
from uninote.model.encoder import load_encoder
from uninote.model.tiny import make_tiny_checkpoint


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A small real encoder."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny_checkpoint(folder, ["some text about notes", "红色杯子"] * 20)
    return load_encoder(folder)


@pytest.fixture
def task(tmp_path):
    """A task that may open images below the test's folder."""
    return EmbedTask("g", 512, 1, MediaPolicy((str(tmp_path),), 1 << 20, 1_000_000))


def row(note_id, title="", content=None, images=()):
    structs = [{"uri": uri, "ocr": ocr} for uri, ocr in images]
    return {
        "item_id": note_id,
        "title": title,
        "body": None,
        "topics": None,
        "images": structs or None,
        "content_hash": content or note_id,
    }


def test_results_come_in_the_order_of_rows_whatever_their_length(encoder, task):
    rows = [row(f"n{n}", "word " * (n * 7 % 23 + 1) + str(n)) for n in range(40)]
    together = embed_window(encoder, rows, task)
    assert [result["item_id"] for result in together] == [one["item_id"] for one in rows]
    for number in (0, 17, 39):
        alone = embed_window(encoder, [rows[number]], task)[0]["vector"]
        assert float(np.dot(alone, together[number]["vector"])) > 1 - 1e-5


def test_equal_content_is_computed_once(encoder, task):
    class Counting:
        def __init__(self):
            self.notes = 0

        def prepare(self, note, images):
            return encoder.prepare(note, images)

        def embed(self, prepared):
            self.notes += len(prepared)
            return encoder.embed(prepared)

    counting = Counting()
    rows = [row(f"n{n}", f"text {n % 3}", content=f"c{n % 3}") for n in range(12)]
    results = embed_window(counting, rows, task)
    assert counting.notes == 3
    np.testing.assert_array_equal(results[0]["vector"], results[3]["vector"])


def test_a_broken_image_costs_only_itself_and_its_ocr_stays(encoder, task, tmp_path):
    make_image(tmp_path / "ok.png")
    with_broken = row("a", "title", images=[("gone.png", "words in it"), ("ok.png", "")])
    without = {**row("b", "title", images=[("ok.png", "")]), "body": "words in it"}
    first, second = embed_window(encoder, [with_broken, without], task)
    assert first["degraded"]
    assert [(one["item_id"], one["reason"]) for one in first["rejects"]] == [("a#image/0", "media_missing")]
    assert not second["degraded"]
    assert float(np.dot(first["vector"], second["vector"])) > 1 - 1e-5


def test_an_ocr_text_without_image_is_content_not_a_reject(encoder, task):
    (result,) = embed_window(encoder, [row("a", images=[(None, "sale 30%")])], task)
    assert result["vector"] is not None
    assert result["rejects"] == []


@pytest.mark.parametrize(
    ("broken", "reasons"),
    [
        (row("a"), ["note_empty"]),
        (row("a", "  \n"), ["note_empty"]),
        (row("a", images=[("gone.png", "")]), ["media_missing", "note_unusable"]),
    ],
)
def test_a_note_with_nothing_usable_gets_a_reason_and_no_vector(encoder, task, broken, reasons):
    good, bad = embed_window(encoder, [row("g", "good"), broken], task)
    assert good["vector"] is not None
    assert bad["vector"] is None
    assert not bad["degraded"]
    assert [one["reason"] for one in bad["rejects"]] == reasons


def test_a_vector_that_is_not_finite_is_a_reject(encoder, task):
    class Broken:
        def prepare(self, note, images):
            return encoder.prepare(note, images)

        def embed(self, prepared):
            return np.full((len(prepared), 4), np.nan, np.float32)

    (result,) = embed_window(Broken(), [row("a", "text")], task)
    assert result["vector"] is None
    assert [one["reason"] for one in result["rejects"]] == ["vector_not_finite"]
