import numpy as np
import pyarrow.parquet as parquet
import pytest
from coloured_discs import set_rows

from uninote.training.dataset import TrainingSet
from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.schemas import TABLES
from uninote.training.dataset.strategies import Strategy
from uninote.training.dataset.writer import write_training_set


def changed(tmp_path, change):
    rows = set_rows()
    change(rows)
    write_training_set(tmp_path / "set", rows)
    return tmp_path / "set"


def test_what_was_written_is_read(training_set):
    note = training_set.note(2)
    assert (note.title, note.topics, note.images[0].uri) == ("red things", ("red", "paint"), "red")
    assert training_set.images(note)[0].getpixel((32, 32)) == (255, 0, 0)
    assert len(training_set) == 30
    examples = training_set.examples(Strategy.IMAGE_TO_TEXT, "train")
    assert examples.queries.tolist() == list(range(0, 24, 3))
    assert examples.candidates[:2].tolist() == [[1, 4], [4, 7]]
    assert examples.scores[0].tolist() == pytest.approx([0.9, 0.55])
    assert training_set.strategies("eval") == (Strategy.IMAGE_TO_TEXT, Strategy.TEXT_TO_IMAGE, Strategy.TEXT_TO_NOTE)
    assert training_set.ranked("eval")[0].relevant == (25, 24)


def test_missing_negatives_are_padded_and_missing_scores_make_none(tmp_path):
    def change(rows):
        rows["examples"][0] |= {"negatives": None, "negative_scores": None}
        rows["examples"][3] |= {"positive_score": None}
        rows["examples"][1] |= {"negatives": [3, 6], "negative_scores": [0.5, 0.4]}

    data = TrainingSet(changed(tmp_path, change))
    assert data.examples(Strategy.IMAGE_TO_TEXT, "train").candidates[0].tolist() == [1, -1]
    assert data.examples(Strategy.IMAGE_TO_TEXT, "train").scores is None
    scores = data.examples(Strategy.TEXT_TO_IMAGE, "train").scores
    assert scores.shape == (8, 3)
    assert np.isnan(scores[1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows["items"][3].update(asked=9), "items: asked of 1 rows is no place among their images"),
        (lambda rows: rows["items"][3].update(asked=-1), "items: asked of 1 rows is no place among their images"),
        (lambda rows: rows["items"][25].update(group=0), "1 groups of near-duplicates are in both splits, such as .0."),
        (lambda rows: rows["items"].pop(4), "item must be 0 to 28"),
        (lambda rows: rows["items"][3].update(kind="video"), r"kind \['video'\] is not known"),
        (lambda rows: rows["images"].pop(0), r"1 named by items are not there, such as \['red'\]"),
        (lambda rows: rows["examples"][0].update(positive=99), "positive holds 0 to 99"),
        (lambda rows: rows["examples"][0].update(positive=3), "positive is of kind image, its strategy has text there"),
        (lambda rows: rows["examples"][0].update(strategy="a_to_b"), r"strategy \['a_to_b'\]"),
        (lambda rows: rows["examples"][0].update(negatives=[28]), "1 of negatives are items of the other split"),
        (lambda rows: rows["ranked"][0].update(relevant=[]), "have no relevant items"),
        (lambda rows: rows.update(items=[], examples=[], ranked=[]), "there are none"),
    ],
)
def test_a_bad_set_is_refused_and_says_why(tmp_path, change, message):
    with pytest.raises(TrainingSetError, match=message):
        TrainingSet(changed(tmp_path, change))


def test_a_folder_without_manifest_or_with_other_columns_is_refused(tmp_path, training_set):
    with pytest.raises(TrainingSetError, match="no readable manifest"):
        TrainingSet(tmp_path)
    folder = changed(tmp_path, lambda rows: None)
    part = folder / "examples" / "part-00000.parquet"
    parquet.write_table(parquet.read_table(part).drop_columns(["negatives"]), part)
    with pytest.raises(TrainingSetError, match=r"columns \['negatives'\] are missing"):
        TrainingSet(folder)


def test_an_image_that_cannot_be_decoded_is_named(tmp_path):
    data = TrainingSet(changed(tmp_path, lambda rows: rows["images"][0].update(content=b"not one")))
    with pytest.raises(TrainingSetError, match="'red'"):
        data.images(data.note(0))


def test_a_set_is_written_once_and_only_in_its_schema(tmp_path):
    folder = changed(tmp_path, lambda rows: None)
    assert {path.name for path in folder.iterdir()} == {*TABLES, "manifest.json"}
    with pytest.raises(TrainingSetError, match="exists"):
        write_training_set(folder, set_rows())
    with pytest.raises(TrainingSetError, match="does not fit the schema"):
        write_training_set(tmp_path / "other", {"items": [{"item": "one"}]})
