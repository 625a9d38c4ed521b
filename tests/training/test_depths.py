"""A model that is trained to stop after fewer layers: what is trained, declared, computed and refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from coloured_discs import COLOURS

from uninote.config.sections.training import TrainConfig
from uninote.evaluation.retrieval import evaluate
from uninote.model.encoder import UNINOTE, Arithmetic, describe, load_encoder, load_in_layout
from uninote.model.identity.folders import CheckpointError
from uninote.model.qwen.files.checkpoint import read_card
from uninote.model.qwen.tower import UniNote
from uninote.model.qwen.trainable import Shape, make_trainable_checkpoint
from uninote.training.loop.backbone import Backbone
from uninote.training.loop.errors import TrainingError
from uninote.training.loop.gradient_cache import backward
from uninote.training.loop.inputs import Inputs
from uninote.training.loop.objectives import make_objective
from uninote.training.trainer import train

DEPTHS = ((1, 32), (2, 64))


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A model of three layers."""
    folder = tmp_path_factory.mktemp("deep") / "model"
    shape = Shape(vocabulary=420, text_layers=3, vision_layers=1, vision_width=32)
    make_trainable_checkpoint(folder, [f"a {colour} disc paint things" for colour in COLOURS] * 3, 1, shape)
    return folder


@pytest.fixture
def config(config):
    return config.model_copy(update={"depths": DEPTHS})


@pytest.fixture(scope="module")
def trained(deep, training_set, tmp_path_factory):
    config = TrainConfig(depths=DEPTHS, steps=8, batch=4, chunk_tokens=64, log_every=1, learning_rate=3e-3)
    return train(deep, training_set, tmp_path_factory.mktemp("trained") / "run", config).checkpoint


def test_a_loss_is_computed_of_each_pair_of_the_vectors_that_a_smaller_model_makes(deep, training_set, config):
    backbone = Backbone(deep, config, torch.device("cpu"))
    full = backbone.tower.full_width
    assert backbone.columns == (64, 128, full, slice(full, full + 32), slice(2 * full, 2 * full + 64))
    batch = make_objective(training_set, config, backbone.columns).step(0)
    chunks = Inputs(training_set, backbone.processor, augment=False).chunks(batch.items, 10_000, (0, 0))
    vectors = backbone.embed(chunks.parts[0]).detach()
    for place, (layers, _) in enumerate(DEPTHS, start=1):
        smaller = UniNote.from_pretrained(deep)
        smaller.keep_layers(layers)
        expected = smaller(backbone.processor.collate(chunks.parts[0])).detach()
        torch.testing.assert_close(vectors[:, place * full : (place + 1) * full], expected, atol=1e-6, rtol=0)
    plain = make_objective(training_set, config, backbone.widths).step(0)
    narrow = make_objective(training_set, config, (32,)).step(0)
    parts = [plain.loss_of(vectors[:, :full], None), narrow.loss_of(vectors[:, full : 2 * full], None)]
    only = make_objective(training_set, config, backbone.columns[:-1]).step(0)
    torch.testing.assert_close(only.loss_of(vectors, None), sum(parts))


def test_cached_gradients_of_all_depths_equal_plain_ones(deep, training_set, config):
    found = []
    for tokens, recomputed in ((10_000, False), (64, False), (64, True)):
        changed = config.model_copy(update={"gradient_checkpointing": recomputed})
        backbone = Backbone(deep, changed, torch.device("cpu"))
        batch = make_objective(training_set, changed, backbone.columns).step(0)
        chunks = Inputs(training_set, backbone.processor, augment=False).chunks(batch.items, tokens, (0, 0))
        backward(backbone.embed, chunks, lambda vectors, batch=batch: batch.loss_of(vectors, None), False)
        found.append({name: weight.grad for name, weight in backbone.tower.named_parameters()})
    for other in found[1:]:
        for name, gradient in found[0].items():
            if gradient is not None:
                np.testing.assert_allclose(other[name].numpy(), gradient.numpy(), atol=2e-5, rtol=1e-3)


def test_the_card_declares_what_was_trained_and_encoders_compute_it(trained, training_set):
    assert json.loads((trained / "uninote.json").read_text())["depths"] == [[1, 32], [2, 64]]
    assert read_card(trained).depths == DEPTHS
    names = {describe(UNINOTE, trained, layers=layers).generation for layers in (None, 1, 2)}
    weights = {describe(UNINOTE, trained, layers=layers).identity.weights for layers in (None, 1, 2)}
    assert len(names) == len(weights) == 3
    note = training_set.note(0)
    images = training_set.images(note)
    whole = load_encoder(trained, device="cpu")
    for layers, width in DEPTHS:
        found = describe(UNINOTE, trained, layers=layers)
        assert (found.full_width, found.widths, found.layers) == (width, (width,), (1, 2))
        encoder = load_in_layout(trained, UNINOTE, None, Arithmetic(device="cpu", layers=layers))
        assert (encoder.full_width, encoder.widths) == (width, (width,))
        vectors = encoder.embed([encoder.prepare(note, images)])
        assert vectors.shape == (1, width)
        np.testing.assert_allclose(np.linalg.norm(vectors), 1, atol=1e-6)
        assert evaluate("shallow", encoder, training_set).scores
        narrow = whole.embed([whole.prepare(note, images)])[:, :width]
        assert float((narrow @ vectors.T).max()) < 0.999


def test_a_stage_that_goes_on_trains_the_depths_that_its_start_declares(trained, training_set, tmp_path):
    config = TrainConfig(steps=1, batch=4, stage="ranking")
    again = train(trained, training_set, tmp_path / "run", config).checkpoint
    assert read_card(again).depths == DEPTHS
    without = train(trained, training_set, tmp_path / "other", config.model_copy(update={"depths": ()})).checkpoint
    assert read_card(without).depths == ()


@pytest.mark.parametrize(
    "depths", [((2, 64), (1, 32)), ((1, 64), (2, 64)), ((1, 64), (3, 128)), ((0, 64),), ((1, 512),)]
)
def test_depths_that_do_not_go_from_small_to_large_are_refused(deep, training_set, config, tmp_path, depths):
    with pytest.raises(
        TrainingError, match=r"must be pairs of layers and width, both from small to large, of fewer than"
    ):
        train(deep, training_set, tmp_path / "run", config.model_copy(update={"depths": depths}))


def test_models_that_were_not_trained_so_refuse(deep, trained):
    with pytest.raises(
        CheckpointError, match=r"embed\.layers: 2: .* computes all its layers; it was trained at no smaller"
    ):
        describe(UNINOTE, deep, layers=2)
    with pytest.raises(
        CheckpointError, match=r"embed\.layers: 3: .* the numbers it was trained at are \[1, 2\]; null comp"
    ):
        load_in_layout(trained, UNINOTE, None, Arithmetic(device="cpu", layers=3))


@pytest.mark.parametrize("depths", ["deep", [1, 32], [[1]], [[1, "32"]], [[2, 64], [1, 32]], [[3, 256]], {"1": 32}])
def test_a_card_with_other_depths_is_refused(trained, tmp_path, depths):
    folder = shutil.copytree(trained, tmp_path / "copy")
    card = json.loads((folder / "uninote.json").read_text())
    (folder / "uninote.json").write_text(json.dumps(card | {"depths": depths}))
    with pytest.raises(CheckpointError, match=r"uninote\.json: depths .* must be"):
        read_card(folder)
