import copy

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from transformers import Qwen3VLModel
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionPatchEmbed

from uninote.model.qwen.patches import LinearPatchEmbed, use_linear_patches
from uninote.model.qwen.processing.processor import NoteProcessor
from uninote.model.qwen.tower import UniNote
from uninote.notes.note import Note, NoteImage


@pytest.fixture
def tower(tiny_folder):
    return UniNote.from_pretrained(tiny_folder)


@pytest.fixture
def batch(tiny_folder):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), np.uint8)
    processor = NoteProcessor.from_pretrained(tiny_folder)
    note = Note(images=(NoteImage("a"),))
    return processor.collate([processor.prepare(note, [Image.fromarray(picture)]) for picture in pictures])


def as_published(tower: UniNote) -> UniNote:
    plain = copy.deepcopy(tower)
    plain.model.visual.patch_embed.__class__ = Qwen3VLVisionPatchEmbed
    return plain


def is_mapped(weight: torch.Tensor) -> bool:
    with open("/proc/self/maps") as maps:
        mapped = [line.split()[0].split("-") for line in maps if "model.safetensors" in line]
    return any(int(start, 16) <= weight.data_ptr() < int(end, 16) for start, end in mapped)


def test_vectors_are_those_of_the_convolution(tower, batch):
    assert type(tower.model.visual.patch_embed) is LinearPatchEmbed
    with torch.inference_mode():
        cosines = (tower(batch) * as_published(tower)(batch)).sum(dim=1)
        patches = [one.model.visual.patch_embed(batch["pixel_values"]) for one in (tower, as_published(tower))]
    torch.testing.assert_close(cosines, torch.ones(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(*patches, atol=1e-5, rtol=0)


def test_no_convolution_is_computed_and_the_mapped_weights_are_not_copied(tower, batch, monkeypatch):
    operands = []

    def product(rows, weight, bias):
        operands.append((weight.data_ptr(), bias.data_ptr()))
        return rows @ weight.T + bias

    monkeypatch.setattr(nn.functional, "conv3d", None)
    monkeypatch.setattr("uninote.model.qwen.patches.nn.functional.linear", product)
    embedding = tower.model.visual.patch_embed
    embedding(batch["pixel_values"])
    assert operands == [(embedding.proj.weight.data_ptr(), embedding.proj.bias.data_ptr())]
    assert is_mapped(embedding.proj.weight)


def test_gradients_are_those_of_the_convolution_and_weights_keep_their_names(tiny_folder, tower, batch):
    plain = as_published(tower)
    for one in (tower, plain):
        one.train()(batch)[:, 0].sum().backward()
    for ours, theirs in zip(tower.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-4)
    assert tower.model.visual.patch_embed.proj.weight.grad.abs().max() > 0
    assert tower.state_dict().keys() == load_file(tiny_folder / "model.safetensors").keys()


def test_rows_come_in_the_weights_type(tower, batch):
    tower.bfloat16()
    with torch.inference_mode():
        assert tower.model.visual.patch_embed(batch["pixel_values"]).dtype is torch.bfloat16


@pytest.mark.parametrize("changes", [{"stride": (2, 8, 8)}, {"padding": (0, 1, 1)}, {"groups": 3}])
def test_a_convolution_that_is_no_product_stays_one(tower, changes):
    plain = as_published(tower).model
    for name, value in changes.items():
        setattr(plain.visual.patch_embed.proj, name, value)
    use_linear_patches(plain)
    assert type(plain.visual.patch_embed) is Qwen3VLVisionPatchEmbed


def test_a_plain_model_is_untouched(tiny_folder):
    assert type(Qwen3VLModel.from_pretrained(tiny_folder).visual.patch_embed) is Qwen3VLVisionPatchEmbed
