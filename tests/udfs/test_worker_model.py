"""The encoder of a worker: one copy of its files on the host, in the type it computes in."""

from __future__ import annotations

import tempfile

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import make_tiny_checkpoint

from udfs import worker as worker_cache
from udfs.embed.model_files import read_files
from udfs.embed.worker_model import WorkerModel, make_load
from uninote.notes.note import Note
from uninote.storage.types import S3Options


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A checkpoint stored as bfloat16, and a host on which nothing is unpacked yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "host"))
    monkeypatch.setattr(worker_cache, "_values", {})
    (tmp_path / "host").mkdir()
    folder = tmp_path / "model"
    make_tiny_checkpoint(folder, ["a text"] * 5)
    weights = load_file(folder / "model.safetensors")
    save_file({name: weight.bfloat16() for name, weight in weights.items()}, folder / "model.safetensors")
    return folder


def test_workers_share_a_copy_in_the_type_they_compute_in(checkpoint, tmp_path):
    model = WorkerModel("g", "uninote", "auto", 1, str(checkpoint), S3Options())
    load = make_load(model, lambda: read_files(checkpoint))
    encoder = load()
    assert load() is encoder
    (copy,) = (tmp_path / "host").rglob("model.safetensors")
    stored = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    assert {weight.dtype for weight in load_file(copy).values()} == {stored}
    assert encoder.embed([encoder.prepare(Note(title="a text"), [])]).shape == (1, encoder.full_width)


def test_a_folder_that_every_host_mounts_is_used_where_it_is(checkpoint, tmp_path):
    make_load(WorkerModel("g", "uninote", "auto", 1, str(checkpoint), S3Options()), None)()
    assert not list((tmp_path / "host").rglob("*.safetensors"))
