import json
from dataclasses import replace

import numpy as np
import pytest
from coloured_discs import set_rows
from PIL import Image

from uninote.evaluation.baselines import VIEWS, evaluate_views, image_only, random_images, text_only
from uninote.evaluation.left_out import left_out
from uninote.evaluation.retrieval import evaluate, evaluate_words
from uninote.notes.note import Note, NoteImage
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.strategies import Strategy
from uninote.training.dataset.writer import write_training_set

COLOURS = ("red", "lime", "blue", "white", "black", "yellow")
VALUES = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}
VALUES |= {"white": (255, 255, 255), "black": (0, 0, 0), "yellow": (255, 255, 0)}


class ColourEncoder:
    """Knows colours by their names and by the middle of an image; the average of what it is shown, as an 8-wide vector."""

    sees_images = True
    full_width = 8
    widths = (2, 8)
    batch_tokens = None

    def fit(self, image):
        return image

    def prepare(self, note, images):
        words = f"{note.title} {note.body} {note.described} {' '.join(note.topics)}".split()
        seen = [VALUES[word] for word in words if word in VALUES]
        seen += [image.getpixel((image.width // 2, image.height // 2)) for image in images]
        return np.mean(seen, axis=0) if seen else np.zeros(3)

    def embed(self, prepared):
        rows = np.array([[r - 128, g - 128, b - 128, 1, 1, 1, 1, 1] for r, g, b in prepared], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours") / "set"
    write_training_set(folder, set_rows(COLOURS, train=1))
    return TrainingSet(folder)


def test_an_encoder_that_knows_the_answer_scores_one_and_a_narrow_width_less(data):
    table = evaluate("colours", ColourEncoder(), data)
    for strategy in ("image_to_text", "text_to_image", "text_to_note"):
        score = table.of(strategy, 8)
        assert (score.queries, score.gallery, score.recall_1, score.chance) == (5, 5, 1, 1)
        assert table.of(strategy, 2).recall_1 < 1  # black and blue differ in the third number only
    assert json.loads(json.dumps(table.as_json()))["scores"][0]["strategy"] == "image_to_text"


def test_note_to_note_has_the_order_metrics_and_leaves_the_query_out(data):
    score = evaluate("colours", ColourEncoder(), data).of("note_to_note", 8)
    assert score.recall_5 == 1
    assert score.precision_1 == 1
    assert score.precision_5 == pytest.approx(2 / 5)
    # Both relevant items equal the query, so they come first, in an order drawn for each query: gains 2, 1 or 1, 2.
    in_order = (score.tau + 1) / 2
    assert in_order * score.queries == pytest.approx(round(in_order * score.queries))
    assert 0 <= in_order <= 1
    reversed_gain = (1 + 2 / np.log2(3)) / (2 + 1 / np.log2(3))
    assert score.ndcg_10 == pytest.approx(in_order + (1 - in_order) * reversed_gain)


def with_images_that_ask(forms):
    """Return rows in which each eval image asks for its note: with its description in it, without, or with the image."""
    rows = set_rows(COLOURS, train=1)
    for number, colour in enumerate(COLOURS[1:], 1):
        shared = {"note_id": colour, "group": number, "split": "eval", "kind": "note", "title": "things", "topics": []}
        shown = {
            "described": {"described": f"a {colour} disc"},
            "bare": {},
            "shown": {"images": [{"digest": colour, "ocr": ""}]},
        }
        for form in forms(number):
            item = len(rows["items"])
            rows["items"].append({"item": item, "images": []} | shared | shown[form])
            ends = {"strategy": "image_to_note", "query": 3 * number, "positive": item, "split": "eval"}
            rows["examples"].append(ends | {"negatives": [], "positive_score": None, "negative_scores": None})
    return rows


@pytest.mark.parametrize(
    ("forms", "counts", "found"),
    [
        (lambda _: ("described", "bare"), {"": (5, 5), "_described": (5, 5), "_undescribed": (5, 5)}, (1, 1)),
        (
            lambda n: ("bare",) if n > 2 else ("described",),
            {"": (5, 5), "_described": (2, 2), "_undescribed": (3, 3)},
            (0.4, 1),
        ),
        (lambda _: ("shown", "bare"), {"": (5, 5), "_undescribed": (5, 5)}, (1, None)),
    ],
    ids=["both of each", "one of each", "the image left in"],
)
def test_image_to_note_is_reported_with_the_description_and_without(tmp_path, forms, counts, found):
    write_training_set(tmp_path / "set", with_images_that_ask(forms))
    table = evaluate("colours", ColourEncoder(), TrainingSet(tmp_path / "set"), (8,))
    scores = {score.strategy: score for score in table.scores if score.strategy.startswith("image_to_note")}
    assert {name.removeprefix("image_to_note"): (one.queries, one.gallery) for name, one in scores.items()} == counts
    # What knows colours by their names finds a note that names one, and finds nothing by the note alone.
    assert scores["image_to_note"].recall_1 >= found[0]
    assert scores["image_to_note_undescribed"].recall_1 < 1
    if found[1] is not None:
        assert scores["image_to_note_described"].recall_1 == found[1]


def test_an_encoder_shown_less_finds_less(data):
    tables = {table.name: table for table in evaluate_views(ColourEncoder(), data, (8,))}
    assert set(tables) == set(VIEWS)
    for name in ("text_only", "image_only", "random_images"):
        assert tables[name].of("image_to_text", 8).recall_1 < 1
    assert tables["text_only"].of("text_to_note", 8).recall_1 == 1


def test_what_the_views_show():
    note = Note("title", images=(NoteImage("u", "read"),))
    image = Image.new("RGB", (8, 6), "red")
    assert text_only(note, [image]) == (Note("title"), [])
    assert image_only(note, [image]) == (Note(images=(NoteImage("u"),)), [image])
    same, noise = random_images(note, [image])
    assert (same, noise[0].size) == (note, (8, 6))
    assert len(set(noise[0].get_flattened_data())) > 10
    assert text_only(replace(note, title=""), [image])[0].body
    again = random_images(note, [image])[1][0]
    assert np.array_equal(np.asarray(again), np.asarray(noise[0]))


def test_plain_words_find_texts_by_their_words_and_nothing_of_images(data):
    table = evaluate_words(data)
    scores = {score.strategy: score for score in table.scores}
    own = {score.strategy: score for score in evaluate("colours", ColourEncoder(), data, (8,)).scores}
    assert set(scores) == set(own)
    assert scores["text_to_note"].recall_1 > 0.5  # a note holds the words of its text
    for strategy, score in scores.items():
        assert (score.queries, score.gallery, score.chance) == (
            own[strategy].queries,
            own[strategy].gallery,
            own[strategy].chance,
        )
    assert scores["image_to_text"].recall_1 < own["image_to_text"].recall_1


def test_an_encoder_that_reads_texts_alone_is_not_asked_for_images(data):
    class Reader(ColourEncoder):
        sees_images = False

    scores = evaluate("reader", Reader(), data).scores
    assert {score.strategy for score in scores} == {"text_to_note", "note_to_note"}
    reasons = left_out(data, sees_images=False)
    assert reasons["image_to_text"] == "the model reads texts alone"
    assert set(reasons) & {"text_to_note", "note_to_note"} == set()


def test_what_is_left_out_has_a_reason(data, tmp_path):
    table = evaluate("colours", ColourEncoder(), data)
    reasons = left_out(data, sees_images=True)
    assert len(reasons) + len({score.strategy for score in table.scores}) == len(Strategy)
    assert reasons["ocr_to_note"] == "it needs images with a text that was read in them"

    write_training_set(tmp_path / "set", set_rows(COLOURS, train=len(COLOURS)))
    reasons = left_out(TrainingSet(tmp_path / "set"), sees_images=True)
    assert len(reasons) == len(Strategy)
    assert reasons["text_to_note"].startswith("no held-out note gives it")
