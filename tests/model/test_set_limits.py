"""Limits that are set in the place of a checkpoint's own: what they do, what they are called, and which are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from uninote.model.encoder import Arithmetic, describe, load_in_layout
from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.layouts import LAYOUTS, PUBLISHED_LIMITS
from uninote.model.identity.limits import NOTHING_SET, SetLimits
from uninote.model.qwen.files.checkpoint import CARD, identify, read_card, write_card
from uninote.model.qwen.processing.limits import check_set_limits
from uninote.notes.note import Note, NoteImage

FEWER = SetLimits(max_tokens=200, max_images=3)


@pytest.fixture
def published(tiny_folder, tmp_path):
    """A folder that declares nothing."""
    folder = tmp_path / "published"
    shutil.copytree(tiny_folder, folder)
    (folder / CARD).unlink()
    return folder


def note_of(num_images: int) -> tuple[Note, list[Image.Image]]:
    random = np.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (200, 200, 3), dtype=np.uint8)) for _ in range(num_images)]
    return Note("bread", "soy sauce " * 400, images=tuple(map(NoteImage, map(str, range(num_images))))), images


def test_an_encoder_sees_as_much_as_is_set_and_counts_the_rest(tiny_folder):
    own = load_in_layout(tiny_folder, "uninote", None, Arithmetic(1, "cpu"))
    fewer = load_in_layout(tiny_folder, "uninote", None, Arithmetic(1, "cpu"), FEWER)
    shares = load_in_layout(tiny_folder, "uninote", None, Arithmetic(1, "cpu"), SetLimits(image_share=0.05))
    note, images = note_of(4)
    seen = {name: encoder.prepare(note, images) for name, encoder in (("own", own), ("few", fewer), ("share", shares))}
    assert {name: (one.num_tokens, one.cut.images) for name, one in seen.items()} == {
        "own": (512, 0),
        "few": (200, 1),
        "share": (512, 0),
    }
    assert seen["few"].cut.tokens > seen["own"].cut.tokens > seen["share"].cut.tokens > 0
    pads = {name: int((one.input_ids == own._processor.tokenizer.image_pad).sum()) for name, one in seen.items()}
    assert pads["own"] == pads["few"] * 4 / 3 == 36
    assert 4 <= pads["share"] <= 0.05 * 512
    assert not np.allclose(*(one.embed([seen[name]]) for name, one in (("own", own), ("few", fewer))), atol=1e-3)
    small = load_in_layout(
        tiny_folder, "uninote", None, Arithmetic(1, "cpu"), SetLimits(min_pixels=64**2, max_pixels=2 * 64**2 * 2)
    )
    assert small.fit(Image.new("RGB", (8, 8))).shape == (64, 64, 3)
    assert small.fit(Image.new("RGB", (900, 900))).shape[0] == 128


def test_other_limits_are_another_generation_and_the_own_ones_are_not(tiny_folder, published, tmp_path):
    declared = describe("uninote", tiny_folder)
    same = SetLimits(**read_card(tiny_folder).limits.declared(), image_share=0.9)
    assert describe("uninote", tiny_folder, same).identity == declared.identity
    fewer = describe("uninote", tiny_folder, FEWER)
    assert (fewer.generation, fewer.identity.weights) != (declared.generation, declared.identity.weights)
    assert len({declared.identity.weights, fewer.identity.weights}) == 2
    # A checkpoint that declares them makes the same vectors, and they are called the same.
    copy = tmp_path / "copy"
    shutil.copytree(tiny_folder, copy)
    write_card(copy, read_card(tiny_folder, None, FEWER))
    assert describe("uninote", copy).generation == fewer.generation

    plain, set_ = identify(published), identify(published, SetLimits(max_tokens=4096))
    assert identify(published, SetLimits(max_tokens=PUBLISHED_LIMITS.max_tokens)) == plain
    for layout in LAYOUTS.values():
        assert plain.generation(layout) != set_.generation(layout)
    assert set_.find([plain.generation(LAYOUTS[3])]) == {}


def test_a_card_declares_the_share_of_images_only_where_it_is_another_one(tiny_folder, tmp_path):
    card = read_card(tiny_folder)
    write_card(tmp_path, card)
    assert (tmp_path / CARD).read_text() == (tiny_folder / CARD).read_text()
    copy = tmp_path / "copy"
    shutil.copytree(tiny_folder, copy)
    write_card(copy, replace(card, limits=replace(card.limits, image_share=0.5)))
    assert read_card(copy).limits.image_share == 0.5
    assert describe("uninote", copy).generation != describe("uninote", tiny_folder).generation
    for wrong in (0, 1.5, "half", True):
        (copy / CARD).write_text(json.dumps(json.loads((copy / CARD).read_text()) | {"image_share": wrong}))
        with pytest.raises(CheckpointError, match=r"image_share is .*, not above 0 and at most 1"):
            read_card(copy)


@pytest.mark.parametrize(
    ("limits", "layout", "message"),
    [
        ({"max_tokens": 5000}, None, "max_tokens is 5000; config.json has 4096 positions"),
        ({"max_tokens": 40}, None, r"max_tokens is 40; the prompt and one image of 9216 pixels need \d+"),
        ({"max_pixels": 4095}, None, "max_pixels is 4095; with these min_pixels the least is 4096"),
        ({"min_pixels": 9216}, None, "max_pixels is 9216; with these min_pixels the least is 36864"),
        ({"max_images": 400}, None, r"max_images is 400; of images of 1024 pixels.* \d+ fit into 0.9 of 512 tokens"),
        ({"image_share": 0.5}, 1, "image_share is 0.5; in layout 1 images share nothing"),
    ],
)
def test_limits_that_a_model_cannot_hold_are_refused_with_the_rule(tiny_folder, limits, layout, message):
    settings = SetLimits(**limits)
    with pytest.raises(CheckpointError, match=message) as raised:
        check_set_limits(tiny_folder, settings, layout and LAYOUTS[layout])
    ((name, value),) = limits.items()
    assert f"model.limits ({name}={value}) do not suit {tiny_folder}" in str(raised.value)


def test_limits_that_suit_pass_and_unknown_recorded_ones_are_named(tiny_folder):
    for limits in (NOTHING_SET, FEWER, SetLimits(max_tokens=4096, max_images=64, image_share=0.5)):
        check_set_limits(tiny_folder, limits)
    assert SetLimits.of({"max_tokens": 4}, "place") == SetLimits(max_tokens=4)
    with pytest.raises(CheckpointError, match="place: made with limits that this release does not know: max_videos"):
        SetLimits.of({"max_videos": 1}, "place")
