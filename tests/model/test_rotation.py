"""Axes for models that were not trained for narrow widths: fitted once, kept in the lake, and never changed under vectors."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from uninote.config.loading import load_config
from uninote.errors import ConfigError
from uninote.model.encoder import SENTENCES, load_encoder
from uninote.model.sentence.additions import AXES
from uninote.notes.note import Note
from uninote.pipelines.lake.encoders import open_model
from uninote.pipelines.lake.rotation import axes_file, keep_axes

NOTES = [Note("Bread"), Note("红烧肉", "五花肉"), Note("hiking in the Dolomites")]


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    """Keep the test's copies out of the real cache."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()


@pytest.fixture
def opened(tmp_path, wide_folder):
    """Return a function from a value of model.rotate to the model in the test's lake."""
    path = tmp_path / "config.yaml"
    path.write_text(f"lake: lake\nmodel: {{checkpoint: {wide_folder}}}\n")
    return lambda rotate="auto", *more: open_model(load_config(path, [f"model.rotate={rotate}", *more]))


def put_vectors(tmp_path, model):
    """Leave what a run of embed leaves that the choice looks at."""
    keep_axes(str(tmp_path / "lake"), model)
    (tmp_path / "lake" / model.generation / "items").mkdir(parents=True)


def vectors_of(folder):
    encoder = load_encoder(folder, SENTENCES, threads=1)
    return encoder.embed([encoder.prepare(note, []) for note in NOTES])


def test_a_new_lake_gets_axes_which_stay_with_it(opened, tmp_path, wide_folder):
    model = opened()
    assert (model.widths, model.checkpoint) == ((96, 64), str(wide_folder))
    plain = opened("false")
    assert (plain.widths, plain.folder) == ((96,), wide_folder)
    assert plain.generation != model.generation
    assert vectors_of(model.folder).shape == (3, 96)
    put_vectors(tmp_path, model)

    # Another machine, on which a fit would end with other last bits: the lake's own axes count.
    kept = axes_file(str(tmp_path / "lake"), plain.identity.weights)
    assert Path(kept).read_bytes() == (model.folder / AXES).read_bytes()
    tempfile.tempdir = str(tmp_path)
    again = opened()
    assert again.folder != model.folder
    assert again.generation == opened("true").generation == model.generation
    assert np.array_equal(vectors_of(again.folder), vectors_of(model.folder))
    with pytest.raises(ConfigError, match=r"rotate: false: the lake .* has vectors of this model with axes"):
        opened("false")


def test_a_lake_of_before_stays_without_axes(opened, tmp_path, wide_folder):
    plain = opened("false")
    put_vectors(tmp_path, plain)
    assert opened().generation == plain.generation
    assert opened().folder == Path(wide_folder)
    with pytest.raises(ConfigError, match=r"rotate: true: the lake .* has vectors of this model without axes"):
        opened("true")


def test_models_that_cannot_have_axes_stay_as_they_are(opened, sentence_folder, tiny_folder):
    assert opened("auto", f"model.checkpoint={sentence_folder}").widths == (48,)
    with pytest.raises(ConfigError, match="is only 48 wide"):
        opened("true", f"model.checkpoint={sentence_folder}")
    with pytest.raises(ConfigError, match="is of the kind uninote; axes are for sentence-transformers models"):
        opened("true", f"model.checkpoint={tiny_folder}")
