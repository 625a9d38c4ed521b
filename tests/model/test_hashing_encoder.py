"""The feature-hashing encoder: deterministic vectors that follow words and colours, without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from uninote.model.encoder import HASHING, describe, load_encoder
from uninote.model.hashing.folder import CARD, write_card
from uninote.model.identity.folders import CheckpointError
from uninote.notes.note import Note, NoteImage
from uninote.vectors.widths import truncate


@pytest.fixture
def folder(tmp_path):
    write_card(tmp_path / "hashing", (64, 256), seed=3, vocabulary_size=4096)
    return tmp_path / "hashing"


@pytest.fixture
def encoder(folder):
    return load_encoder(folder, HASHING)


def vectors(encoder, *notes):
    return encoder.embed([encoder.prepare(note, images) for note, images in notes])


def text(title):
    return Note(title=title), []


def picture(colour, size=(20, 30)):
    return Note(images=(NoteImage("a.png"),)), [Image.new("RGB", size, colour)]


def test_vectors_are_unit_length_and_do_not_depend_on_their_batch(encoder):
    notes = [text("Braised pork belly"), text("红烧肉的做法"), picture("red"), text("a " * 5000)]
    together = vectors(encoder, *notes)
    assert together.dtype == np.float32
    assert together.shape == (4, 256)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for row, note in enumerate(notes):
        np.testing.assert_array_equal(vectors(encoder, note)[0], together[row])


@pytest.mark.parametrize("width", [64, 256])
def test_shared_words_and_parts_of_words_bring_notes_together(encoder, width):
    query, like, unlike = truncate(
        vectors(encoder, text("hiking boots that last"), text("Boots for hikers"), text("sourdough bread")), width
    )
    assert query @ like > query @ unlike + 0.2
    query, like, unlike = truncate(vectors(encoder, text("京都三日游"), text("京都旅行"), text("红烧肉做法")), width)
    assert query @ like > query @ unlike + 0.1


def test_case_and_composition_of_characters_do_not_matter(encoder):
    first, second = vectors(encoder, text("CAFÉ ﬁne"), text("cafe\u0301 fine"))
    np.testing.assert_array_equal(first, second)


def test_images_matter_by_their_colours(encoder):
    red, darker, blue, tiny = vectors(
        encoder, picture("red"), picture((230, 10, 10)), picture("blue"), picture("red", (1, 1))
    )
    assert red @ darker > 0.99
    assert red @ blue < red @ darker - 0.1
    assert np.isfinite(tiny).all()
    plain, shown = vectors(encoder, text("a note"), (Note(title="a note"), picture("red")[1]))
    assert 0.5 < plain @ shown < 0.95


def test_a_note_without_words_and_images_has_a_zero_vector(encoder):
    assert not vectors(encoder, text("... !")).any()


def test_generation_follows_the_file_and_widths_come_from_it(folder, tmp_path):
    found = describe(HASHING, folder)
    assert (found.widths, found.full_width, found.sees_images) == ((64, 256), 256, True)
    assert found.generation == "b6b2efb9efaff02a"  # lakes hold it: it may change with the layout alone
    write_card(tmp_path / "narrower", (128, 256), seed=3, vocabulary_size=4096)
    assert describe(HASHING, tmp_path / "narrower").generation == found.generation
    write_card(tmp_path / "other", (64, 256), seed=4, vocabulary_size=4096)
    assert describe(HASHING, tmp_path / "other").generation != found.generation


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widths": [64]}, "should be widths, seed and vocabulary_size"),
        ({"widths": 64, "seed": 0, "vocabulary_size": 9}, "list of widths"),
        ({"widths": [64, 8], "seed": 0, "vocabulary_size": 9}, "ascending"),
        ({"widths": [True], "seed": 0, "vocabulary_size": 9}, "whole numbers above 0"),
        ({"widths": ["8", 9], "seed": 0, "vocabulary_size": 9}, "whole numbers above 0"),
        ({"widths": [8], "seed": -1, "vocabulary_size": 9}, "seed is -1"),
        ({"widths": [8], "seed": 0, "vocabulary_size": 1.5}, "vocabulary_size is 1.5"),
        ({"widths": [4096], "seed": 0, "vocabulary_size": 1 << 30}, "in each worker"),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path, values, message):
    (tmp_path / CARD).write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=message):
        describe(HASHING, tmp_path)


def test_a_folder_without_the_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="an empty folder"):
        load_encoder(tmp_path, HASHING)


def test_a_worker_needs_no_torch(folder):
    code = (
        "import sys; from udfs.embed.worker_model import WorkerModel, make_load; from uninote.storage.types import S3Options; "
        f"make_load(WorkerModel('g', 'feature-hashing', 'auto', 1, {str(folder)!r}, S3Options()), None)(); "
        "import udfs.embed.model_run; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
