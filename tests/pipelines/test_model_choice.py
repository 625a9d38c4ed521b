"""Which model and which source a job takes that is told nothing but the lake."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from builders import CONFIG
from deltalake import write_deltalake

from uninote.config.loading import load_config
from uninote.config.sections.sources import IngestConfig
from uninote.demo.workspace import demo_checkpoint
from uninote.errors import ConfigError
from uninote.lake.generation_record import RECORD
from uninote.lake.paths import Lake
from uninote.model.encoder import describe
from uninote.model.hashing.folder import write_card
from uninote.pipelines.lake import ledger
from uninote.pipelines.lake.encoders import open_model
from uninote.pipelines.lake.generations import record_generation
from uninote.pipelines.lake.model_choice import choose_checkpoint
from uninote.pipelines.lake.source import ingest_settings, remember_source

DEMO = "0a5f0c97dfb0f057"
OLD_DEMO = "/cache/corpus-3000-7/items.jsonl"


@pytest.fixture
def opened(tmp_path):
    """Return a function from overrides to the configuration of a job in the test's lake, whose file names no model."""
    path = tmp_path / "config.yaml"
    text = CONFIG.format(folder=tmp_path, demo=tmp_path / "demo", notes=9)
    lines = [line for line in text.splitlines() if not line.startswith(("model:", "ingest:"))]
    path.write_text("\n".join(lines))
    return lambda *overrides: load_config(path, overrides)


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


def put_notes(lake, source, **read):
    """Write notes as ingest leaves them: with their source, and how it was read; "" is another program's."""
    uri = lake.uri("notes")
    write_deltalake(uri, pa.table({"note_id": ["n1"], "title": ["a title"]}))
    remember_source(uri, source, IngestConfig(**read))


def put_vectors(config, lake):
    """Leave what a run of embed leaves that choices look at; return the generation."""
    model = open_model(config)
    record_generation(lake.root, model)
    Path(lake.uri(model.generation), "items").mkdir()
    return model.generation


@pytest.mark.parametrize(
    ("source", "override", "chosen"),
    [
        (None, None, "demo"),  # an empty lake is for the demo
        (None, "ingest.source=/data/notes", "e5"),
        ("demo", "ingest.source=/data/notes", "demo"),
        (OLD_DEMO, None, "demo"),
        ("/data/notes", None, "e5"),
        ("/data/notes", "ingest.source=demo", "e5"),  # what a file says of the source is nothing to a lake with notes
        ("", None, "e5"),
    ],
)
def test_a_lake_without_vectors_gets_what_suits_its_notes(opened, lake, source, override, chosen):
    if source is not None:
        put_notes(lake, source)
    assert choose_checkpoint(opened(*filter(None, [override]))) == chosen


def test_a_lake_with_vectors_goes_on_with_their_model(opened, lake, tmp_path):
    put_notes(lake, "/data/notes")
    write_card(tmp_path / "hashing", [16, 32])
    own = f"model.checkpoint={tmp_path / 'hashing'}"
    made = put_vectors(opened(own), lake)
    assert open_model(opened()).generation == made  # its kind is read off the folder
    (tmp_path / "hashing").rename(tmp_path / "moved")
    moved = opened(f"model.checkpoint={tmp_path / 'moved'}")
    record_generation(lake.root, open_model(moved))
    assert open_model(opened()).generation == made


def test_the_demo_encoder_is_for_the_demo(opened, lake, capsys):
    put_notes(lake, "/data/notes")
    with pytest.raises(
        ConfigError, match=r"not the demo's; .*To embed them with it all the same: model\.allow_demo=true"
    ):
        choose_checkpoint(opened("model.checkpoint=demo"))
    allowed = opened("model.checkpoint=demo", "model.allow_demo=true")
    assert choose_checkpoint(allowed) == "demo"
    put_vectors(allowed, lake)
    assert choose_checkpoint(opened()) == "demo"  # a lake that stands goes on, and its user is told
    assert "near to chance. --set model.checkpoint=e5" in capsys.readouterr().err


def test_lakes_of_earlier_releases_are_recognised_by_the_demos_weights(opened, lake, capsys):
    put_notes(lake, "/data/notes")
    put_vectors(opened("model.checkpoint=demo", "model.allow_demo=true"), lake)
    record = Path(lake.uri(DEMO), RECORD)
    values = json.loads(record.read_text())
    del values["checkpoint"]
    record.write_text(json.dumps(values))
    assert choose_checkpoint(opened()) == "demo"
    record.unlink()
    assert choose_checkpoint(opened()) == "demo"
    record.write_text(json.dumps(values | {"weights": "0" * 16}))
    with pytest.raises(ConfigError, match=r"does not say where it lies; name its folder with --set model\.checkpoint"):
        choose_checkpoint(opened())
    assert describe("auto", demo_checkpoint()).generation == DEMO


def test_of_several_models_the_one_that_came_last_counts(opened, lake, tmp_path):
    put_notes(lake, "/data/notes")
    for name, seed in (("one", 1), ("two", 2)):
        write_card(tmp_path / name, [16, 32], seed=seed)
        put_vectors(opened(f"model.checkpoint={tmp_path / name}"), lake)
    with pytest.raises(ConfigError, match=r"vectors of the models .* no ledger that says which came last"):
        choose_checkpoint(opened())
    assert not ledger.exists(lake)


def test_a_source_that_is_not_named_is_the_lakes_own_read_as_before(opened, lake):
    assert ingest_settings(opened()).source == "demo"
    put_notes(lake, "/data/notes", columns={"note_id": "key"}, encoding="gb18030")
    found = ingest_settings(opened())
    assert (found.source, found.columns, found.encoding) == ("/data/notes", {"note_id": "key"}, "gb18030")
    assert ingest_settings(opened("ingest.encoding=utf-16")).encoding == "utf-16"
    assert ingest_settings(opened("ingest.source=/data/others")).columns == {}
