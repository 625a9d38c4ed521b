"""What UniNote adds to sentence-transformers folders: letters, pieces and axes."""

import json
import shutil

import numpy as np
import pytest

from uninote.model.encoder import SENTENCES, describe, load_encoder
from uninote.model.identity.folders import CheckpointError
from uninote.model.sentence.additions import AXES, READING, Axes, normalised, read_axes, write_axes
from uninote.model.sentence.axes_fit import fit_axes, sample
from uninote.model.sentence.letters import LETTERS, letters_of
from uninote.notes.note import Note

NOTES = [Note("Bread"), Note(body="hiking in the Dolomites " * 8), Note(), Note("红烧肉", "五花肉")]


def vectors_of(encoder):
    return encoder.embed([encoder.prepare(note, []) for note in NOTES])


@pytest.fixture
def folder(sentence_folder, tmp_path):
    return shutil.copytree(sentence_folder, tmp_path / "copy")


def random_axes(width):
    random = np.random.default_rng(0)
    axes = np.linalg.qr(random.normal(size=(width, width)))[0]
    return Axes(random.normal(size=width).astype(np.float32) * 0.05, axes.astype(np.float32))


def test_letters_are_near_where_texts_share_runs():
    one, near, far, blank = (letters_of(text) for text in ("Sourdough bread", "sourdough  BREAD!", "税法", " \n"))
    assert one @ near > 0.8 > abs(one @ far) + 0.4
    assert not blank.any()
    assert (one.shape, one.dtype) == ((LETTERS,), np.float32)
    assert np.array_equal(letters_of("é ｱ"), letters_of("e\u0301 ア"))
    np.testing.assert_allclose(letters_of("a") * np.sqrt(LETTERS), np.sign(letters_of("a")), atol=1e-6)
    assert (
        "".join(map(str, (letters_of("a")[:16] > 0).astype(int))) == "0010011111000011"
    )  # the same everywhere, for good


def test_axes_keep_cosines_of_centred_vectors_and_put_the_largest_variance_first(folder, sentence_encoder):
    plain = vectors_of(sentence_encoder)
    axes = random_axes(48)
    write_axes(folder / AXES, axes)
    assert describe("auto", folder).widths == (48,)  # 64 would be narrower than nothing
    turned = vectors_of(load_encoder(folder, SENTENCES, threads=1))
    centred = normalised(plain - axes.mean)
    np.testing.assert_allclose(turned @ turned.T, centred @ centred.T, atol=1e-5)
    fitted = fit_axes(plain)
    write_axes(folder / AXES, fitted)
    assert np.array_equal(read_axes(folder).axes, fitted.axes)
    assert (np.diff(((plain - fitted.mean) @ fitted.axes.T).var(axis=0)) <= 1e-6).all()
    assert len(sample("zh")) == len(sample("en"))


def test_another_reading_or_other_axes_are_another_generation(folder):
    found = {describe("auto", folder).generation}
    (folder / READING).write_text(json.dumps({"pieces": 2, "letters": 0.0}))
    found.add(describe("auto", folder).generation)
    write_axes(folder / AXES, random_axes(48))
    found.add(describe("auto", folder).generation)
    assert len(found) == 3


def test_long_texts_are_read_in_pieces_and_letters_come_after_the_first_dimensions(folder, sentence_encoder):
    (folder / READING).write_text(json.dumps({"pieces": 3, "letters": 0.25}))
    assert describe("auto", folder).widths == (48 + LETTERS,)
    encoder = load_encoder(folder, SENTENCES, threads=1)
    prepared = [encoder.prepare(note, []) for note in NOTES]
    assert [len(one.pieces) for one in prepared] == [1, 2, 1, 1]
    vectors = encoder.embed(prepared)
    plain = vectors_of(sentence_encoder)
    np.testing.assert_allclose(vectors[0, :48] / np.sqrt(0.75), plain[0], atol=1e-5)
    np.testing.assert_allclose(vectors[0, 48:] / 0.5, letters_of("Bread"), atol=1e-5)
    np.testing.assert_allclose(vectors[2, :48], plain[2], atol=1e-5)  # without letters the model's part is all
    other_end = encoder.embed(
        [encoder.prepare(Note(body=NOTES[1].body.strip() + end), []) for end in ("", "红烧肉 " * 9)]
    )
    assert other_end[0, :48] @ other_end[1, :48] < 0.999 * 0.75  # the end of a long text counts too
    assert [one.cut.tokens for one in prepared] == [0] * 4
    beyond = encoder.prepare(Note(body="bread " * 400), [])
    assert len(beyond.pieces) == 3
    assert beyond.cut.tokens > 300
    assert encoder.embed([]).shape == (0, 48 + LETTERS)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"pieces": 0}, "pieces is 0, not a whole number above 0"),
        ({"letters": 1.5}, "letters is 1.5, not a share below 1"),
        ({"windows": 2}, r"has the keys \['windows'\]"),
    ],
)
def test_a_reading_that_is_none_is_refused(folder, values, problem):
    (folder / READING).write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=problem):
        describe("auto", folder)


def test_axes_that_are_none_are_refused(folder):
    (folder / AXES).write_bytes(b"no axes")
    with pytest.raises(CheckpointError, match="not a file of axes"):
        read_axes(folder)
    write_axes(folder / AXES, Axes(np.zeros(4, np.float32), np.ones((4, 4), np.float32)))
    with pytest.raises(CheckpointError, match="not orthonormal"):
        read_axes(folder)
