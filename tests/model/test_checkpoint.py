import json
import shutil
import subprocess
import sys

import pytest
from safetensors.numpy import load_file, save_file

from uninote.model.identity.layouts import PUBLISHED_LIMITS
from uninote.model.qwen.files import checkpoint
from uninote.model.qwen.files.checkpoint import CheckpointError, generation, published_widths, read_card


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_card_says_widths_and_limits(tiny_folder):
    card = read_card(tiny_folder)
    assert (card.full_width, card.widths) == (256, (64, 128, 256))
    assert card.limits.max_tokens == 512


def test_a_published_folder_has_doubling_widths_and_documented_limits(folder):
    (folder / "uninote.json").unlink()
    card = read_card(str(folder))
    assert (card.widths, card.limits) == ((64, 128, 256), PUBLISHED_LIMITS)


@pytest.mark.parametrize(
    ("full_width", "widths"),
    [
        (2048, (64, 128, 256, 512, 1024, 2048)),
        (2560, (64, 128, 256, 512, 1024, 2048, 2560)),
        (65, (64, 65)),
        (64, (64,)),
        (48, (48,)),
    ],
)
def test_published_widths_double_up_to_the_full_one(full_width, widths):
    assert published_widths(full_width) == widths


def test_the_card_survives_writing_and_reading(folder):
    card = read_card(folder)
    checkpoint.write_card(folder, card)
    assert read_card(folder) == card


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokns": 3}, r"missing \[\], unknown \['max_tokns'\]"),
        ({"widths": [128, 64, 256]}, "must be ascending"),
        ({"widths": [64, 128]}, "end with the full width, 256"),
        ({"widths": "64"}, "must be ascending"),
        ({"widths": []}, "must be ascending"),
        ({"max_images": 0}, r"\['max_images'\] must be positive integers"),
        ({"max_tokens": "512"}, r"\['max_tokens'\] must be positive integers"),
    ],
)
def test_a_wrong_card_is_refused_with_what_is_wrong(folder, changes, message):
    edit(folder / "uninote.json", **changes)
    with pytest.raises(CheckpointError, match=message):
        read_card(folder)


def test_a_folder_that_is_no_checkpoint_says_what_was_found(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read; found an empty folder"):
        read_card(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CheckpointError, match=r"found notes\.txt"):
        read_card(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder"):
        read_card(tmp_path / "absent")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "holds list"),
        ('{"model_type": "bert", "architectures": ["BertModel"]}', r"model_type 'bert', architectures \['BertModel'\]"),
        ('{"model_type": "qwen3_vl_moe"}', "not a Qwen3-VL checkpoint"),
        ('{"model_type": "qwen3_vl"}', "hidden_size is None"),
        ('{"model_type": "qwen3_vl", "text_config": []}', "hidden_size is None"),
    ],
)
def test_a_configuration_of_something_else_is_refused(folder, content, message):
    (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        read_card(folder)


# The identity


def test_the_generation_does_not_depend_on_the_place_or_on_side_files(tiny_folder, folder):
    (folder / "README.md").write_text("something")
    assert generation(folder) == generation(str(tiny_folder))
    assert len(generation(folder)) == 16
    assert int(generation(folder), 16) >= 0


def change_weight(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.language_model.norm.weight"][7] += 1e-3
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        change_weight,
        lambda folder: edit(folder / "config.json", image_token_id=5),
        lambda folder: edit(folder / "preprocessor_config.json", image_mean=[0, 0, 0]),
        lambda folder: edit(folder / "tokenizer.json", version="2.0"),
        lambda folder: edit(folder / "uninote.json", max_tokens=500),
        lambda folder: edit(folder / "uninote.json", max_pixels=8192),
    ],
)
def test_whatever_moves_a_vector_changes_the_generation(tiny_folder, folder, change):
    change(folder)
    assert generation(folder) != generation(tiny_folder)


def test_declared_widths_are_not_part_of_the_generation(folder):
    before = generation(folder)
    edit(folder / "uninote.json", widths=[256])
    assert generation(folder) == before


# Weights


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin.*can run code.*convert them to safetensors"):
        generation(folder)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"neither model\.safetensors nor .* is there; found config\.json"):
        generation(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "x.safetensors"}}')
    with pytest.raises(CheckpointError, match=r"names \['x\.safetensors'\], which are not there"):
        generation(folder)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "sub/x.safetensors", "x.bin"])
def test_an_index_cannot_lead_out_of_the_folder(folder, name):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="is not the name of a safetensors file in that folder"):
        generation(folder)


def test_drivers_describe_checkpoints_of_both_kinds_without_torch(tiny_folder, sentence_folder):
    code = (
        "import sys, uninote.model.encoder as e\n"
        "found = [e.describe(*pair).full_width for pair in zip(e.KINDS, sys.argv[1:])]\n"
        "loaded = [n for n in ('torch', 'transformers', 'sentence_transformers') if n in sys.modules]\n"
        "sys.exit(found != [256, 48] or bool(loaded))"
    )
    assert subprocess.run([sys.executable, "-c", code, tiny_folder, sentence_folder], check=False).returncode == 0
