"""The last layer computed for the pooled token alone: the same vectors and gradients as of the plain model."""

import copy

import pytest
import torch
from PIL import Image
from transformers import Qwen3VLModel

from uninote.model.qwen.pooled_layer import PooledLayer
from uninote.model.qwen.processing.processor import NoteProcessor
from uninote.model.qwen.tower import UniNote
from uninote.notes.note import Note, NoteImage
from uninote.training.loop.adapters import recompute_activations


@pytest.fixture(scope="module")
def batch(tiny_folder):
    """Prompts of several lengths, with images and without."""
    processor = NoteProcessor.from_pretrained(tiny_folder)
    image = Image.effect_noise((64, 96), 90).convert("RGB")
    notes = [Note("Pork"), Note("Kyoto", images=(NoteImage("a"),)), Note("bread and soy sauce " * 5), Note()]
    return processor.collate([processor.prepare(note, [image] * len(note.images)) for note in notes])


@pytest.fixture(scope="module")
def towers(tiny_folder):
    """The plain tower with grouped heads and random weights far from the start, and one that pools early."""
    config = UniNote.from_pretrained(tiny_folder).model.config
    config.text_config.num_key_value_heads = 2
    torch.manual_seed(0)
    plain = UniNote(Qwen3VLModel(config))
    with torch.no_grad():
        for weight in plain.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    early = copy.deepcopy(plain)
    early.pool_early()
    assert isinstance(early.model.language_model.layers[-1], PooledLayer)
    return plain, early


def gradients(tower, batch):
    tower.zero_grad()
    vectors = tower(batch)
    (vectors * torch.linspace(-1, 1, vectors.numel()).view_as(vectors)).sum().backward()
    return {name: weight.grad.clone() for name, weight in tower.named_parameters() if weight.grad is not None}


def test_vectors_and_gradients_are_those_of_the_plain_tower(towers, batch):
    with torch.no_grad():
        plain, early = (tower(batch) for tower in towers)
    assert early.shape == plain.shape
    assert (plain @ plain.T)[0, 1:3].max() < 0.99
    torch.testing.assert_close(early, plain, atol=1e-6, rtol=0)
    plain, early = (gradients(tower, batch) for tower in towers)
    assert plain.keys() == early.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(early[name], gradient, atol=1e-5 * float(gradient.norm()) + 1e-7, rtol=0)


def test_a_batch_of_one_length_has_no_padding(towers, batch):
    alone = {name: batch[name][2:3] for name in ("input_ids", "attention_mask", "mm_token_type_ids")}
    plain, early = (tower(alone) for tower in towers)
    torch.testing.assert_close(early, plain, atol=1e-6, rtol=0)


def test_recomputed_activations_are_of_their_own_batch(towers, batch):
    _, early = towers
    expected = gradients(early, batch)
    recomputing = copy.deepcopy(early)
    recompute_activations(recomputing.model)
    recomputing.train()
    found = gradients(recomputing, batch)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


def test_in_bfloat16_vectors_stay_near(towers, batch):
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        plain, early = (tower(batch) for tower in towers)
    assert float((plain * early).sum(1).min()) > 0.999


def test_a_layer_that_images_are_added_behind_stays(towers, batch):
    config = copy.deepcopy(towers[0].model.config)
    config.text_config.num_hidden_layers = 1
    tower = UniNote(Qwen3VLModel(config))
    before = tower(batch)
    tower.pool_early()
    assert not isinstance(tower.model.language_model.layers[-1], PooledLayer)
    assert torch.equal(tower(batch), before)
