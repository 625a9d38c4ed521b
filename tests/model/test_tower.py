import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLModel

from uninote.model.qwen.files.checkpoint import CheckpointError, generation
from uninote.model.qwen.processing.processor import NoteProcessor
from uninote.model.qwen.tower import UniNote
from uninote.notes.note import Note


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def test_a_saved_tower_is_the_one_that_was_loaded(tiny_folder, tmp_path):
    UniNote.from_pretrained(tiny_folder).save_pretrained(tmp_path / "again")
    for path in tiny_folder.iterdir():
        if not (tmp_path / "again" / path.name).exists():
            shutil.copy(path, tmp_path / "again")
    assert generation(tmp_path / "again") == generation(tiny_folder)


@pytest.mark.parametrize("plain_class", [Qwen3VLModel, Qwen3VLForConditionalGeneration])
def test_transformers_loads_what_was_saved(tiny_folder, plain_class):
    plain, report = plain_class.from_pretrained(tiny_folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    ours = UniNote.from_pretrained(tiny_folder).model.state_dict()
    theirs = getattr(plain, "model", plain).state_dict()
    assert all(torch.equal(theirs[name], weight) for name, weight in ours.items())


def test_buffers_that_no_checkpoint_stores_have_the_values_of_a_plain_load(tiny_folder):
    ours = dict(UniNote.from_pretrained(tiny_folder).model.named_buffers())
    theirs = dict(Qwen3VLModel.from_pretrained(tiny_folder).named_buffers())
    assert ours
    assert {name for name, buffer in ours.items() if not torch.equal(buffer, theirs[name])} == set()


def test_weights_stay_memory_mapped(tiny_folder):
    tower = UniNote.from_pretrained(tiny_folder)
    address = tower.model.language_model.embed_tokens.weight.data_ptr()
    with open("/proc/self/maps") as maps:
        mapped = [line for line in maps if "model.safetensors" in line]
    ranges = [tuple(int(edge, 16) for edge in line.split()[0].split("-")) for line in mapped]
    assert any(start <= address < end for start, end in ranges)


def test_vectors_are_pooled_from_the_last_attended_token_whatever_the_padding(tiny_folder):
    processor, tower = NoteProcessor.from_pretrained(tiny_folder), UniNote.from_pretrained(tiny_folder)
    batch = processor.collate([processor.prepare(Note(title="pork and bread"), [])])
    padded = {name: torch.nn.functional.pad(tensor, (0, 5)) for name, tensor in batch.items()}
    with torch.inference_mode():
        torch.testing.assert_close(tower(padded), tower(batch), atol=1e-6, rtol=0)
        assert tower(batch).norm(dim=1).item() == pytest.approx(1, abs=1e-6)


def test_missing_unexpected_and_misshapen_weights_are_told_together(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.adapter.weight"] = weights.pop("model.visual.patch_embed.proj.bias")
    weights["model.language_model.norm.weight"] = torch.ones(3)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        UniNote.from_pretrained(folder)
    message = str(caught.value)
    assert "missing: visual.patch_embed.proj.bias" in message
    assert "unexpected: adapter.weight" in message
    assert "language_model.norm.weight is (3,), config.json says (256,)" in message


def test_a_configuration_with_other_sizes_is_refused_before_it_computes_nonsense(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 5
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"missing: language_model\.layers\.2.* and 28 more"):
        UniNote.from_pretrained(folder)


def test_a_configuration_that_transformers_refuses_is_a_checkpoint_error(folder):
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["depth"] = "two"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"config\.json: not a usable configuration"):
        UniNote.from_pretrained(folder)


def test_a_damaged_weights_file_is_a_checkpoint_error(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        UniNote.from_pretrained(folder)
