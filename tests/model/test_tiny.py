import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_checkpoint import make_tiny_checkpoint

from uninote.model.encoder import load_encoder
from uninote.model.qwen.files.checkpoint import generation
from uninote.notes.note import Note, NoteImage

HELPERS = Path(__file__).parents[1]
TEXTS = ["红烧肉 pork", "hiking in the Alps", "bread \ud800 and soup"] * 5


def test_equal_texts_and_seed_give_an_equal_generation_in_another_process(tmp_path):
    make_tiny_checkpoint(tmp_path / "a", TEXTS, seed=3)
    code = (
        "import sys, json; from tiny_checkpoint import make_tiny_checkpoint as make;"
        "make(sys.argv[1], json.loads(sys.argv[2]), seed=3)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b"), json.dumps(TEXTS)], check=True, cwd=HELPERS)
    assert generation(tmp_path / "a") == generation(tmp_path / "b")


def test_other_texts_or_another_seed_give_another_generation(tmp_path):
    make_tiny_checkpoint(tmp_path / "a", TEXTS)
    make_tiny_checkpoint(tmp_path / "b", TEXTS, seed=1)
    make_tiny_checkpoint(tmp_path / "c", [*TEXTS, "more"])
    assert len({generation(tmp_path / name) for name in "abc"}) == 3


def test_the_folder_has_the_files_of_a_published_one_and_nothing_is_left_beside_it(tiny_folder):
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"}
    assert {path.name for path in tiny_folder.iterdir()} == names | {"uninote.json"}
    assert [path.name for path in tiny_folder.parent.iterdir()] == [tiny_folder.name]
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in tiny_folder.iterdir())


def test_a_folder_that_exists_is_left_alone_and_a_failure_leaves_none(tmp_path):
    (tmp_path / "mine").mkdir()
    make_tiny_checkpoint(tmp_path / "mine", TEXTS)
    assert list((tmp_path / "mine").iterdir()) == []
    with pytest.raises(AttributeError):
        make_tiny_checkpoint(tmp_path / "failed", [None])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_two_makers_at_once_end_with_one_folder(tmp_path):
    makers = [threading.Thread(target=make_tiny_checkpoint, args=(tmp_path / "a", TEXTS)) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert len(generation(tmp_path / "a")) == 16


def test_no_texts_at_all_still_make_an_encoder(tmp_path):
    make_tiny_checkpoint(tmp_path / "a", [])
    encoder = load_encoder(tmp_path / "a")
    assert np.isfinite(encoder.embed([encoder.prepare(Note(title="红 any text"), [])])).all()


def cosines(encoder, *items):
    vectors = encoder.embed([encoder.prepare(note, images) for note, images in items])
    return vectors @ vectors.T


def test_notes_that_share_words_are_nearer_than_unrelated_ones(encoder):
    titles = (
        "Watercolour painting of a lighthouse at dawn", "A lighthouse at dawn, painted in watercolour",
        "How we renewed the brake pads of my gravel bike", "Brake pads for a gravel bike: which ones",
    )  # fmt: skip
    similarity = cosines(encoder, *((Note(title=title), []) for title in titles))
    related = [similarity[0, 1], similarity[2, 3]]
    unrelated = similarity[np.ix_([0, 1], [2, 3])]
    assert min(related) > unrelated.max() + 0.1
    assert abs(unrelated).max() < 0.6


def test_images_are_told_apart_and_similar_ones_are_near(encoder):
    note = Note(images=(NoteImage("a"),))
    pictures = [Image.new("RGB", (64, 64), colour) for colour in ("#c01010", "#c81818", "#10c010")]
    similarity = cosines(encoder, *((note, [picture]) for picture in pictures))
    assert similarity[0, 1] > 0.95
    assert similarity[0, 2] < similarity[0, 1] - 0.05
