"""What a model is called depends on its files and the layout's number, and on nothing that is installed."""

import hashlib
import importlib.metadata
import json
import shutil
from dataclasses import replace
from itertools import islice

import numpy as np
import PIL
import pytest
import torch
from literal_folders import write_declared, write_published, write_sentences
from PIL import Image
from restored import picture_of
from tiny_checkpoint import make_tiny_checkpoint

from uninote.demo.workspace import demo_checkpoint
from uninote.model.encoder import SENTENCES, UNINOTE, Arithmetic, describe, load_encoder, load_in_layout
from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.frames import FRAME
from uninote.model.identity.identity import BFLOAT16, DTYPES, FLOAT32
from uninote.model.identity.layouts import LAYOUTS, Layout
from uninote.model.qwen.files import checkpoint
from uninote.model.qwen.files.checkpoint import identify, read_card
from uninote.model.qwen.processing.processor import NoteProcessor
from uninote.model.sentence import folder as sentence_models
from uninote.notes.note import Note, NoteImage

# Lakes, indexes and states of training hold these. Whoever changes one embeds every lake again: add a layout instead.
DEMO = "0a5f0c97dfb0f057"
PUBLISHED_SHARING = "b4fd471907267a87"  # in layout 2
PUBLISHED_JOINED = "27d788f1fc19aea6"  # in layout 3
PUBLISHED, DECLARED, SENTENCE_MODEL = "b138bd60373d0aa0", "80e2af81474c9fac", "71dda8bffde11c0c"
# What layout 1 makes of one note for the demo's model: SHA-256 over its tokens and pixels.
PREPARED = "ddb92530e3f82e973a73ce57f5e6bdfd777c34f2b55a5884211587983fe5bae9"


@pytest.fixture
def later(monkeypatch):
    """A layout that a later release might add."""
    limits = replace(LAYOUTS[1].published_limits, max_images=2)
    layout = Layout(4, "another instruction", replace(FRAME, opening=FRAME.opening.replace("input", "note")), limits)
    monkeypatch.setitem(LAYOUTS, 4, layout)
    return layout


@pytest.fixture
def published(tiny_folder, tmp_path):
    """The tiny checkpoint without a card of ours."""
    folder = shutil.copytree(tiny_folder, tmp_path / "published")
    (folder / "uninote.json").unlink()
    return folder


def edit_card(folder, *removed, **values):
    path = folder / "uninote.json"
    card = {key: value for key, value in json.loads(path.read_text()).items() if key not in removed}
    path.write_text(json.dumps(card | values))


# Names


def test_the_names_of_todays_models_stay(tmp_path):
    assert describe(UNINOTE, demo_checkpoint()).generation == DEMO
    published = describe(UNINOTE, write_published(tmp_path / "published"))
    assert published.generation == PUBLISHED_JOINED
    assert published.identity.generation(LAYOUTS[2]) == PUBLISHED_SHARING
    assert published.identity.generation(LAYOUTS[1]) == PUBLISHED
    assert describe(UNINOTE, write_declared(tmp_path / "declared")).generation == DECLARED
    assert describe(SENTENCES, write_sentences(tmp_path / "sentences")).generation == SENTENCE_MODEL


def test_names_of_layout_1_are_those_of_releases_that_had_no_layouts(tiny_folder, sentence_folder):
    """As they computed them, with the libraries of their time."""

    def named(folder, names, choices):
        digest = hashlib.sha256()
        for name in names:
            digest.update(f"{name}\0{hashlib.sha256((folder / name).read_bytes()).hexdigest()}\0".encode())
        digest.update(json.dumps(choices, sort_keys=True).encode())
        return digest.hexdigest()[:16]

    limits = {"max_tokens": 512, "max_images": 4, "min_pixels": 1024, "max_pixels": 9216}
    names = ["config.json", "tokenizer.json", "preprocessor_config.json", "model.safetensors"]
    expected = named(tiny_folder, names, ["1", "last_attended", limits, "pillow", "13.0.0"])
    assert describe(UNINOTE, tiny_folder).identity.generation(LAYOUTS[1]) == expected
    names = [path.relative_to(sentence_folder).as_posix() for path in sentence_models.files(sentence_folder)]
    expected = named(sentence_folder, names, ["1", "sentence-transformers 6.2.0", "transformers 5.23.0"])
    assert describe(SENTENCES, sentence_folder).generation == expected


def test_an_upgrade_of_a_library_changes_no_name(tmp_path, monkeypatch):
    real = importlib.metadata.version
    monkeypatch.setattr(PIL, "__version__", "14.2.0")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.0" if name != "uninote" else real(name))
    monkeypatch.setattr(sentence_models, "version", lambda name: "99.0")
    assert describe(UNINOTE, demo_checkpoint()).generation == DEMO
    assert describe(SENTENCES, write_sentences(tmp_path / "sentences")).generation == SENTENCE_MODEL


FIRST = (1, FLOAT32)


def test_names_that_other_installations_gave_are_known(tmp_path, monkeypatch):
    """Pillow 12.1.1 and 12.3.0 beside others' generations; sentence-transformers 6.3.1 with transformers 5.23.0."""
    now = identify(write_declared(tmp_path / "declared"))
    before = {}
    for pillow in ("12.1.1", "12.3.0", "7.7.7"):
        monkeypatch.setattr(checkpoint, "PILLOW", pillow)
        before[pillow] = now.generation(LAYOUTS[1])
    monkeypatch.undo()
    assert len({*before.values(), DECLARED}) == 4
    assert now.find(["0" * 16, before["12.1.1"]]) == {FIRST: before["12.1.1"]}
    assert now.find(before.values()) == {FIRST: before["12.3.0"]}  # the later one is in use
    assert now.find([*before.values(), DECLARED]) == {FIRST: DECLARED}
    assert now.find([before["7.7.7"]]) == now.find([]) == {}
    sentences = sentence_models.identify(write_sentences(tmp_path / "sentences"))
    monkeypatch.setattr(sentence_models, "SENTENCE_TRANSFORMERS", "6.3.1")
    assert sentences.find([sentences.generation(LAYOUTS[1])]) == {FIRST: sentences.generation(LAYOUTS[1])}


def test_no_two_layouts_and_no_two_installations_share_a_name(tmp_path, later):
    found = identify(write_published(tmp_path / "published"))
    former = list(islice(found.former_generations(), 500))
    names = {*former, *(found.generation(layout, dtype) for layout in LAYOUTS.values() for dtype in DTYPES)}
    assert len(names) == len(former) + 2 * len(LAYOUTS) - 1  # that of layout 1 in float32 is among them
    other = found.generation(LAYOUTS[1], BFLOAT16)
    assert found.find([other]) == {(1, BFLOAT16): other}
    assert PUBLISHED in former


# Layouts


def test_layout_1_still_makes_what_it_made():
    processor = NoteProcessor.from_pretrained(demo_checkpoint(), LAYOUTS[1])
    rows, columns = np.mgrid[:80, :120].astype(np.uint8)
    pictures = [Image.fromarray(np.stack([rows * 3, columns * 2, rows ^ columns], axis=-1)) for _ in range(2)]
    note = Note("Title", "a body\nof two lines", ("one", "two"), (NoteImage("a", "seen"), NoteImage("b")))
    made = processor.prepare(note, pictures)
    digest = hashlib.sha256(made.input_ids.tobytes())
    for image in made.images:
        digest.update(picture_of(image).tobytes())
    assert digest.hexdigest() == PREPARED


def test_a_later_layout_is_another_generation_with_another_prompt_and_other_limits(published, later):
    found = describe(UNINOTE, published).identity
    assert found.own is later
    assert found.generation(later) != found.generation(LAYOUTS[1])
    one, two = (load_in_layout(published, UNINOTE, number, Arithmetic(device="cpu")) for number in (1, 4))
    note, pictures = Note("bread", images=(NoteImage("a"),) * 3), [Image.new("RGB", (64, 64))] * 3
    prepared = [encoder.prepare(note, pictures) for encoder in (one, two)]
    assert [len(item.images) for item in prepared] == [3, 2]
    notes = [encoder.embed([encoder.prepare(Note("bread"), [])])[0] for encoder in (one, two)]
    assert 0.1 < float(notes[0] @ notes[1]) < 1 - 1e-4


def test_checkpoints_keep_the_layout_they_were_made_with(tiny_folder, tmp_path, later):
    """Those of now, those of releases that named a prompt version, and those that will be made."""
    older = shutil.copytree(tiny_folder, tmp_path / "older")
    edit_card(older, "layout", prompt_version="1")
    assert read_card(older) == replace(read_card(tiny_folder), layout=LAYOUTS[1])
    assert read_card(tiny_folder).layout is LAYOUTS[3]
    assert describe(UNINOTE, older).generation == describe(UNINOTE, tiny_folder).identity.generation(LAYOUTS[1])
    make_tiny_checkpoint(tmp_path / "new", ["some words"] * 3)
    assert json.loads((tmp_path / "new" / "uninote.json").read_text())["layout"] == 4
    ours, asked = load_encoder(tiny_folder, device="cpu"), load_in_layout(tiny_folder, UNINOTE, 4, Arithmetic())
    ids = [encoder.prepare(Note("bread"), []).input_ids.tolist() for encoder in (ours, asked)]
    assert ids[0] == NoteProcessor.from_pretrained(older).prepare(Note("bread"), []).input_ids.tolist() != ids[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"layout": 7},
            r"uninote\.json: made with layout 7; this release knows 1, 2, 3\. Install the release that made it",
        ),
        ({"layout": "1"}, r"made with layout '1'; this release knows 1, 2, 3"),
        ({"layout": True}, r"made with layout True"),
        ({"layout": [1]}, r"made with layout \[1\]"),
        ({"layout": 1, "prompt_version": "1"}, r"unknown \['layout'\]"),
        (
            {"prompt_version": "0"},
            r"made for prompt version '0'; this release knows '1', which is layout 1\. Install the",
        ),
    ],
)
def test_layouts_that_are_not_known_are_refused(tiny_folder, tmp_path, changes, message):
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    edit_card(folder, "layout", **changes)
    with pytest.raises(CheckpointError, match=message):
        describe(UNINOTE, folder)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(folder)


def test_an_unknown_layout_is_refused_when_asked_for(tiny_folder):
    with pytest.raises(CheckpointError, match="made with layout 9; this release knows 1, 2, 3"):
        load_in_layout(tiny_folder, UNINOTE, 9, Arithmetic())


def test_the_vectors_of_layout_1_are_those_of_the_own_layout(tiny_folder, encoder):
    again = load_in_layout(tiny_folder, UNINOTE, 1, Arithmetic(device="cpu"))
    vectors = [one.embed([one.prepare(Note("bread"), [])]) for one in (encoder, again)]
    torch.testing.assert_close(*map(torch.from_numpy, vectors), atol=1e-6, rtol=0)
