"""Which generation of a model a lake goes on with: its own, whatever is installed, until another layout is asked for."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from builders import make_note, table_at, write_notes

from udfs.arrow import to_matrix
from uninote.config.loading import load_config
from uninote.demo.workspace import demo_checkpoint
from uninote.errors import ConfigError, UninoteError
from uninote.lake.generation_record import RECORD
from uninote.model.encoder import UNINOTE, Arithmetic, load_in_layout
from uninote.model.hashing.folder import write_card
from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.layouts import LAYOUTS, Layout
from uninote.model.identity.limits import SetLimits
from uninote.model.qwen.files import checkpoint
from uninote.model.qwen.files.checkpoint import identify
from uninote.notes.note import Note
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake.encoders import open_model
from uninote.pipelines.lake.generations import record_generation

DEMO = "0a5f0c97dfb0f057"


@pytest.fixture
def opened(config_file):
    """Return a function from overrides to (generation, layout) of the demo's model in the test's lake."""

    def open_with(*overrides):
        found = open_model(load_config(config_file, overrides))
        return found.generation, found.layout

    return open_with


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


def make_generation(lake, name):
    """What is left of a generation for whoever only looks at names: a table of items."""
    (lake / name / "items").mkdir(parents=True)


@pytest.fixture
def later(monkeypatch):
    """A layout that a later release might add."""
    layout = Layout(4, "later", published_limits=replace(LAYOUTS[1].published_limits, max_images=2))
    monkeypatch.setitem(LAYOUTS, 4, layout)
    return layout


@pytest.fixture
def before(monkeypatch):
    """What a release without layouts called the demo's model, under an older Pillow."""
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "PILLOW", "12.2.0")
        return identify(demo_checkpoint()).generation(LAYOUTS[1])


def test_a_lake_goes_on_with_the_generation_that_it_has(lake, opened, before, later):
    assert opened() == (DEMO, 3)  # the layout that the checkpoint was made with, in a lake without any
    for name in (before, "0" * 16, "notes"):
        make_generation(lake, name)
    assert opened() == (before, 1) != (DEMO, 3)
    asked = opened("model.layout=4")
    assert asked == (identify(demo_checkpoint()).generation(later), 4)
    assert opened("model.layout=1") == (before, 1)
    (lake / asked[0]).mkdir()
    assert opened() == (before, 1)  # the run that asked for it made nothing
    make_generation(lake, asked[0])
    assert opened() == asked


def test_new_lakes_take_the_newest_layout_of_checkpoints_that_declare_none(tmp_path, lake, config_file, later):
    folder = shutil.copytree(demo_checkpoint(), tmp_path / "published")
    (folder / "uninote.json").unlink()
    config = load_config(config_file, [f"model.checkpoint={folder}"])
    assert open_model(config).layout == 4
    make_generation(lake, identify(folder).generation(LAYOUTS[1]))
    assert open_model(config).layout == 1


def test_the_record_tells_a_generation_whatever_its_name(lake, opened, config_file):
    model = open_model(load_config(config_file, ()))
    record_generation(str(lake), model)
    written = json.loads((lake / DEMO / RECORD).read_text())
    made = {"format": 1, "kind": "uninote", "weights": model.identity.weights, "layout": 3}
    assert written == made | {"checkpoint": "demo", "dtype": "float32"}
    assert [path.name for path in (lake / DEMO).iterdir()] == [RECORD]
    record_generation(str(lake), replace(model, layout=2))
    assert json.loads((lake / DEMO / RECORD).read_text()) == written  # written once
    (lake / DEMO / "items").mkdir()
    (lake / DEMO).rename(lake / ("f" * 16))
    assert opened() == ("f" * 16, 3)
    (lake / ("f" * 16) / RECORD).write_text(json.dumps(written | {"weights": "0" * 16}))
    assert opened() == (DEMO, 3)  # that one is of another model


def test_other_limits_are_another_generation_which_a_lake_remembers(lake, config_file):
    own = open_model(load_config(config_file, ()))
    few = "model.limits={max_tokens: 200, max_images: 2}"
    model = open_model(load_config(config_file, [few]))
    assert model.generation != own.generation == DEMO
    assert model.limits == SetLimits(200, 2)
    record_generation(str(lake), model)
    (lake / model.generation / "items").mkdir()
    assert json.loads((lake / model.generation / RECORD).read_text())["limits"] == {"max_tokens": 200, "max_images": 2}
    assert open_model(load_config(config_file, [few])) == model
    # Whoever names the model and no limits means its own; who names nothing means the lake's.
    assert open_model(load_config(config_file, ())).generation == DEMO
    assert open_model(load_config(config_file, ["model.checkpoint=auto"])) == model
    others = ["model.checkpoint=auto", "model.limits={max_tokens: 201}"]
    assert open_model(load_config(config_file, others)).generation not in (DEMO, model.generation)
    assert open_model(load_config(config_file, ["model.limits={max_tokens: 512}"])).generation == DEMO  # its own


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.limits={max_tokens: 100000}",
            r"limits \(max_tokens=100000\) do not suit .*config.json has 4096 positions",
        ),
        ("model.limits={image_share: 0.5}", "in layout 1 images share nothing"),
        ("model.limits={min_pixels: 8000, max_pixels: 4000}", "min_pixels 8000 is more than max_pixels 4000"),
        ("model.limits={max_images: 0}", "model.limits.max_images"),
    ],
)
def test_limits_that_the_model_cannot_hold_are_refused_before_anything_runs(lake, config_file, override, message):
    with pytest.raises(UninoteError, match=message):
        open_model(load_config(config_file, ["model.layout=1", override]))


def test_limits_of_a_model_of_another_kind_are_refused(lake, config_file):
    config = load_config(config_file, ["model.limits={max_tokens: 100}", f"model.checkpoint={written_card(lake)}"])
    with pytest.raises(
        ConfigError, match=r"model.limits \(max_tokens\) are those of Qwen3-VL models.* feature-hashing"
    ):
        open_model(config)


def test_a_lake_of_a_later_release_is_refused_not_embedded_again(lake, opened, config_file):
    model = open_model(load_config(config_file, ()))
    record_generation(str(lake), replace(model, layout=5, generation="3" * 16))
    (lake / ("3" * 16) / "items").mkdir()
    known = "layout 5 in float32; this release knows 1, 2, 3 in float32"
    message = rf"model\.layout: the generation {'3' * 16} in .* {known} .* set model\.layout=3"
    with pytest.raises(ConfigError, match=message):
        opened()
    assert opened("model.layout=3") == (DEMO, 3)


def test_a_new_lake_is_of_the_type_that_its_devices_suit_and_stays_so(lake, opened, config_file):
    config = load_config(config_file, ())
    assert (open_model(config).generation, open_model(config).dtype) == (DEMO, "float32")
    half = open_model(config, on_gpus=lambda: True)
    assert half.dtype == "bfloat16"
    assert half.generation not in (DEMO, open_model(load_config(config_file, ["model.layout=2"])).generation)
    record_generation(str(lake), half)
    (lake / half.generation / "items").mkdir()
    # Wherever it computes later.
    assert open_model(config) == replace(half)
    # The other type is another generation, which is made only where it is asked for.
    assert opened("model.dtype=float32") == (DEMO, 3)
    make_generation(lake, DEMO)
    with pytest.raises(ConfigError, match=r"vectors of this model in bfloat16 and in float32, .*name one"):
        opened()
    assert opened("model.dtype=bfloat16") == (half.generation, 3)
    hashing = load_config(config_file, ["model.dtype=bfloat16", f"model.checkpoint={written_card(lake)}"])
    assert open_model(hashing, on_gpus=lambda: True).dtype == "float32"


def written_card(folder):
    write_card(folder / "card", (64,))
    return folder / "card"


def test_a_lake_of_before_is_of_float32_and_says_so_from_the_next_run_on(lake, opened, config_file):
    make_generation(lake, DEMO)
    model = open_model(load_config(config_file, ()), on_gpus=lambda: True)
    assert (model.generation, model.dtype) == (DEMO, "float32")
    record_generation(str(lake), model)
    record = lake / DEMO / RECORD
    before = json.loads(record.read_text())
    del before["dtype"]
    record.write_text(json.dumps(before))
    assert open_model(load_config(config_file, ()), on_gpus=lambda: True) == model
    record_generation(str(lake), model)
    assert json.loads(record.read_text()) == before | {"dtype": "float32"}
    assert opened("model.dtype=bfloat16")[0] != DEMO
    record.write_text(json.dumps(before | {"dtype": "float8"}))
    with pytest.raises(
        ConfigError, match=r"with layout 3 in float8; this release knows 1, 2, 3 in float32 and bfloat16\."
    ):
        opened()


@pytest.fixture
def shallow(tmp_path):
    """The demo's model, declared to be trained at one of its two layers as well."""
    folder = shutil.copytree(demo_checkpoint(), tmp_path / "shallow")
    card = json.loads((folder / "uninote.json").read_text())
    (folder / "uninote.json").write_text(json.dumps(card | {"depths": [[1, 64]]}))
    return folder


def test_fewer_layers_are_another_generation_which_the_lake_stays_with(lake, config_file, shallow):
    named = f"model.checkpoint={shallow}"
    whole, fewer = (open_model(load_config(config_file, [named, f"embed.layers={n}"])) for n in ("null", "1"))
    assert whole.generation == DEMO  # what is declared moves no vector
    assert fewer.generation != DEMO
    assert (fewer.widths, fewer.layers, whole.layers) == ((64,), 1, None)
    record_generation(str(lake), fewer)
    make_generation(lake, fewer.generation)
    assert open_model(load_config(config_file, [named])).generation == DEMO
    auto = open_model(load_config(config_file, ["model.checkpoint=auto"]))
    assert (auto.generation, auto.layers) == (fewer.generation, 1)


def test_models_that_declare_no_depth_refuse_fewer_layers(config_file, lake):
    with pytest.raises(CheckpointError, match=r"embed\.layers: 1: .* it was trained at no smaller number"):
        open_model(load_config(config_file, ["embed.layers=1"]))
    hashing = [f"model.checkpoint={written_card(lake)}", "embed.layers=1"]
    with pytest.raises(
        CheckpointError, match=r"embed\.layers: 1: a model of kind feature-hashing computes all its layers"
    ):
        open_model(load_config(config_file, hashing))


@pytest.mark.spark
def test_fewer_layers_are_computed_in_workers(make_run, lake, tmp_path, shallow):
    def run():
        return make_run(f"model.checkpoint={shallow}", "embed.layers=1", "embed.widths=null")

    write_notes(run(), [make_note(number, title=f"note {number}") for number in range(3)], tmp_path / "media")
    first = embed(run())
    assert (first["widths"], first["computed"]) == ([64], 3)
    stored = table_at(str(lake / first["generation"] / "embeddings" / "w64"))
    encoder = load_in_layout(shallow, UNINOTE, None, Arithmetic(device="cpu", layers=1))
    expected = encoder.embed([encoder.prepare(Note(f"note {n}", f"about {n}"), []) for n in range(3)])
    # Items of notes are called as their notes are.
    order = np.argsort(stored["item_id"].to_pylist())
    np.testing.assert_allclose(to_matrix(stored["vector"].combine_chunks())[order], expected, atol=1e-5)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"weights": "a"}', '{"weights": 1, "layout": 1}'])
def test_a_damaged_record_is_named_with_its_remedy(lake, opened, content):
    make_generation(lake, DEMO)
    (lake / DEMO / RECORD).write_text(content)
    with pytest.raises(UninoteError, match=rf"{DEMO}/generation\.json: not the record .* remove the file, and run"):
        opened()
    (lake / DEMO / RECORD).unlink()
    assert opened() == (DEMO, 3)


@pytest.mark.parametrize("value", ["7", "0", "-1"])
def test_a_layout_that_is_not_known_is_refused_by_the_configuration(config_file, value):
    with pytest.raises(
        ConfigError, match=rf"model\.layout.* {value} is no layout that this release knows, which are 1"
    ):
        load_config(config_file, [f"model.layout={value}"])


@pytest.mark.spark
@pytest.mark.long
def test_a_lake_of_another_pillow_is_not_embedded_again(make_run, lake, tmp_path, monkeypatch):
    notes = [make_note(number, title=f"note {number}") for number in range(3)]
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "PILLOW", "12.2.0")
        run = make_run("model.layout=1")
        write_notes(run, notes, tmp_path / "media")
        first = embed(run)
    (lake / first["generation"] / RECORD).unlink()  # that release wrote none
    again = embed(make_run())
    assert (again["state"], again["computed"], again["layout"]) == ("unchanged", 0, 1)
    assert again["generation"] == first["generation"] != DEMO
    assert json.loads((lake / first["generation"] / RECORD).read_text())["layout"] == 1
    assert not (lake / DEMO).exists()
