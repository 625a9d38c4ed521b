import os
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from uninote.model import host_copy
from uninote.model.encoder import load_encoder
from uninote.model.host_copy import to_float32
from uninote.model.qwen.files.checkpoint import CheckpointError
from uninote.notes.note import Note


def mixed_weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(7, 5, generator=generator)
    odd = torch.tensor([float("nan"), float("inf"), -0.0, 1e-40, 3.0])
    return {
        "a": half.bfloat16(),
        "b": half.half(),
        "c": half.clone(),
        "counts": torch.arange(9),
        "empty": torch.zeros(0, 4, dtype=torch.bfloat16),
        "mask": torch.tensor([True, False, True]),
        "odd": odd.bfloat16(),
        "scalar": torch.tensor(2.5, dtype=torch.bfloat16),
    }


def test_values_names_and_metadata_stay_and_only_halves_become_float32(tmp_path):
    weights = mixed_weights()
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    to_float32(tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert found.keys() == weights.keys()
    for name, weight in weights.items():
        expected = weight.float() if weight.dtype in (torch.bfloat16, torch.float16) else weight
        assert found[name].dtype is expected.dtype
        np.testing.assert_array_equal(found[name].numpy(), expected.numpy())
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_large_tensors_go_through_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(host_copy, "CHUNK_BYTES", 64)
    (tmp_path / "sub").mkdir()
    weights = {name: torch.randn(33, 17).bfloat16() for name in "ab"}
    save_file(weights, tmp_path / "sub" / "model-00001-of-00002.safetensors")
    to_float32(tmp_path)
    found = load_file(tmp_path / "sub" / "model-00001-of-00002.safetensors")
    assert all(torch.equal(found[name], weights[name].float()) for name in "ab")


def test_files_that_are_float32_are_left_alone_and_rights_are_kept(tmp_path):
    save_file({"a": torch.ones(3)}, tmp_path / "a.safetensors")
    save_file({"a": torch.ones(3).half()}, tmp_path / "b.safetensors")
    (tmp_path / "b.safetensors").chmod(0o644)
    before = (tmp_path / "a.safetensors").stat()
    to_float32(tmp_path)
    after = (tmp_path / "a.safetensors").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert stat.S_IMODE((tmp_path / "b.safetensors").stat().st_mode) == 0o644


def test_an_interrupted_rewrite_leaves_the_file_as_it_was_and_nothing_beside(tmp_path, monkeypatch):
    save_file({"a": torch.ones(3).half()}, tmp_path / "a.safetensors")
    before = (tmp_path / "a.safetensors").read_bytes()

    def fail(piece):
        raise OSError("disk full")

    monkeypatch.setitem(host_copy._WIDEN, "F16", fail)
    with pytest.raises(OSError, match="disk full"):
        to_float32(tmp_path)
    assert (tmp_path / "a.safetensors").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize(
    "content", [b"", b"12", b"\xff" * 40, b"\x02" + b"\0" * 7 + b"[]", b"\x02" + b"\0" * 7 + b"{x"]
)
def test_a_damaged_file_is_a_checkpoint_error(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.safetensors: not a readable safetensors file"):
        to_float32(tmp_path)


def coarse_copy(folder, target):
    """A copy of a checkpoint whose weights are stored as bfloat16."""
    shutil.copytree(folder, target)
    for path in target.rglob("*.safetensors"):
        save_file(
            {name: weight.bfloat16() for name, weight in load_file(path).items()}, path, metadata={"format": "pt"}
        )
    return target


@pytest.mark.parametrize("kind", ["uninote", "sentence-transformers"])
def test_vectors_are_the_same_and_weights_become_shared(kind, request, tmp_path):
    source = request.getfixturevalue("tiny_folder" if kind == "uninote" else "sentence_folder")
    folder = coarse_copy(source, tmp_path / "copy")
    before = load_encoder(folder, kind, device="cpu")
    expected = before.embed([before.prepare(Note("bread"), [])])
    to_float32(folder)
    after = load_encoder(folder, kind, device="cpu")
    np.testing.assert_allclose(after.embed([after.prepare(Note("bread"), [])]), expected, atol=1e-6)
    tower = after._tower if kind == "uninote" else after._model[0]
    assert all(is_mapped(weight, folder / "model.safetensors") for weight in tower.parameters())
    assert not any(is_mapped(weight, folder / "model.safetensors") for weight in before_weights(before, kind))


def before_weights(encoder, kind):
    return list((encoder._tower if kind == "uninote" else encoder._model[0]).parameters())


def is_mapped(weight: torch.Tensor, path) -> bool:
    with open("/proc/self/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps if line.rstrip().endswith(str(path))]
    return any(int(start, 16) <= weight.data_ptr() < int(end, 16) for start, end in ranges)


def test_memory_stays_far_below_the_weights(tmp_path):
    save_file({"a": torch.zeros(64 << 20, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")  # 128 MB
    code = (
        "import resource, sys, pathlib; from uninote.model.host_copy import to_float32\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "to_float32(pathlib.Path(sys.argv[1]))\n"
        "sys.exit((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 > 64)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 0
    assert (tmp_path / "a.safetensors").stat().st_size > 256 << 20
