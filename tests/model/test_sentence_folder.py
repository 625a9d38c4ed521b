import importlib.metadata
import json
import shutil

import pytest

from uninote.model.encoder import describe, load_encoder
from uninote.model.qwen.files.checkpoint import CheckpointError
from uninote.model.sentence import folder as folders
from uninote.model.sentence.folder import files, generation, read_widths
from uninote.model.sentence.widths import module_width

KIND = "sentence-transformers"


@pytest.fixture
def folder(sentence_folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(sentence_folder, tmp_path / "copy")


def edit(path, **changes):
    values = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(values | changes))


# Widths


@pytest.mark.parametrize(
    ("name", "changes", "widths"),
    [
        ("config_sentence_transformers.json", {"truncate_dim": 16}, (16, 48)),
        ("config_sentence_transformers.json", {"matryoshka_dimensions": [48, 8, 32]}, (8, 32, 48)),
        ("config.json", {"matryoshka_dimensions": [12, 24, 4096]}, (12, 24, 48)),
        ("config.json", {"matryoshka_dimensions": "all"}, (48,)),
        ("config_sentence_transformers.json", {"truncate_dim": None}, (48,)),
    ],
)
def test_narrower_widths_are_those_the_authors_name(folder, name, changes, widths):
    edit(folder / name, **changes)
    assert read_widths(folder) == widths


@pytest.mark.parametrize(
    ("name", "config", "width"),
    [
        ("Pooling", {"embedding_dimension": 10, "pooling_mode": "mean"}, 10),
        ("Pooling", {"embedding_dimension": 10, "pooling_mode": ["mean", "max"]}, 20),
        ("Pooling", {"word_embedding_dimension": 10, "pooling_mode_cls_token": True}, 10),
        (
            "Pooling",
            {"word_embedding_dimension": 7, "pooling_mode_max_tokens": True, "pooling_mode_cls_token": True},
            14,
        ),
        ("Dense", {"in_features": 3, "out_features": 5}, 5),
        ("LayerNorm", {"dimension": 6}, 6),
        ("Transformer", {"dim": 768}, 768),
        ("Transformer", {"text_config": {"hidden_size": 9}}, 9),
        ("Normalize", {}, None),
        ("Pooling", {}, None),
    ],
)
def test_modules_of_several_releases_say_their_width(tmp_path, name, config, width):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert module_width(tmp_path, name) == width


def test_a_model_whose_width_nobody_says_is_refused(folder):
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.BoW", "path": ""}]')
    with pytest.raises(CheckpointError, match=r"none of its modules \['BoW'\] says how wide"):
        describe(KIND, folder)


# Identity


def test_the_generation_does_not_depend_on_the_place_or_on_side_files(sentence_folder, folder):
    (folder / "README.md").write_text("something")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    assert describe(KIND, folder).generation == generation(sentence_folder)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "modules.json",
        "tokenizer.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "vocab.txt",
    ],
)
def test_whatever_moves_a_vector_changes_the_generation(sentence_folder, folder, name):
    (folder / name).write_text((folder / name).read_text() + "\n" if (folder / name).exists() else "more")
    assert generation(folder) != generation(sentence_folder)


def test_weights_of_every_module_are_part_of_the_generation(sentence_folder, folder):
    before, weights = generation(sentence_folder), [path for path in files(folder) if path.suffix == ".safetensors"]
    assert [path.parent.name for path in weights] == ["2_Dense", "copy"]
    for path in weights:
        path.write_bytes(path.read_bytes()[:-1] + b"\x3f")
        before, changed = generation(folder), before
        assert changed != before


# What is refused


def test_a_missing_library_is_told_with_the_command(sentence_folder, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(folders, "version", missing)
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    for work in (lambda: describe(KIND, sentence_folder), lambda: load_encoder(sentence_folder, KIND)):
        with pytest.raises(CheckpointError, match=r'pip install "uninote\[sentence-transformers\]"'):
            work()


@pytest.mark.parametrize(("module", "name"), [("", "pytorch_model.bin"), ("2_Dense", "pytorch_model.bin")])
def test_pickled_weights_are_refused_with_the_remedy(folder, module, name):
    (folder / module / "model.safetensors").rename(folder / module / name)
    for work in (lambda: describe(KIND, folder), lambda: load_encoder(folder, KIND)):
        with pytest.raises(CheckpointError, match=r"\['pytorch_model\.bin'\], which can run code.*save_pretrained"):
            work()


def test_pickles_beside_safetensors_are_not_read(sentence_folder, folder):
    (folder / "pytorch_model.bin").write_bytes(b"not even a pickle")
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert generation(folder) == generation(sentence_folder)
    load_encoder(folder, KIND, device="cpu")


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no safetensors there; found 1_Pooling"):
        generation(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a list of modules"),
        ('[{"type": "sentence_transformers.models.Pooling"}]', "it needs a type and a path"),
        ('[{"type": "modeling.Mine", "path": ""}]', "'modeling.Mine' is code of the checkpoint's own"),
        ('[{"type": "sentence_transformers.models.Dense", "path": "../x"}]', "leads out of the folder"),
        ('[{"type": "sentence_transformers.models.Dense", "path": "/x"}]', "leads out of the folder"),
    ],
)
def test_wrong_lists_of_modules_are_refused(folder, content, message):
    (folder / "modules.json").write_text(content)
    for work in (lambda: describe(KIND, folder), lambda: load_encoder(folder, KIND)):
        with pytest.raises(CheckpointError, match=message):
            work()


def test_a_folder_of_another_kind_says_what_was_found(tiny_folder):
    with pytest.raises(CheckpointError, match=r"no modules\.json; found config\.json"):
        describe(KIND, tiny_folder)
