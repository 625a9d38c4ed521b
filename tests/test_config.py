"""The configuration: what is accepted, and that every mistake is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from uninote.config import Config
from uninote.config_file import load_config
from uninote.errors import ConfigError
from uninote.training.settings import paper_stage_one, paper_stage_two

ROOT = Path(__file__).parent.parent
MINIMAL = "lake: lake\ningest: {source: demo}\nmodel: {checkpoint: demo}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path):
    assert load_config(path).lake


def test_the_recipe_for_real_backbones_is_the_papers():
    training = load_config(ROOT / "conf" / "train_qwen3vl.yaml").training
    assert training.contrastive == paper_stage_one()
    unused = {"contrastive"}  # stage 2 has no contrastive loss
    assert training.ranking.model_dump(exclude=unused) == paper_stage_two().model_dump(exclude=unused)


def test_stages_of_training_must_be_what_they_are_called(tmp_path):
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path, MINIMAL), ["training.ranking={steps: 3}"])
    assert "ranking.stage should be ranking, not contrastive" in str(error.value)
    with pytest.raises(ConfigError, match="needs a teacher's scores"):
        load_config(write(tmp_path, MINIMAL), ["training.contrastive={contrastive: {loss: symmetric_kl}}"])


def test_a_minimal_file_gets_the_defaults(tmp_path):
    config = load_config(write(tmp_path, MINIMAL))
    assert config.neighbours.k == 20
    assert config.embed.widths is None


def test_all_problems_of_file_and_overrides_come_in_one_message(tmp_path):
    path = write(
        tmp_path, "lake: x\ndemo: {folder: d, notes: many}\ningest: {sorce: demo}\nmodel: {checkpoint: demo}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, ["neighbours.k=0", "embed.batch_tokns=5", "nonsense"])
    message = str(caught.value)
    assert "c.yaml: 6 problem(s)" in message
    assert "demo.notes: input should be a valid integer; got 'many'" in message
    assert "ingest.source: missing" in message
    assert "ingest.sorce: unknown key; accepted keys here: source, columns" in message
    assert "neighbours.k: input should be greater than or equal to 1; got 0" in message
    assert "embed.batch_tokns: unknown key; accepted keys here: widths, " in message
    assert "--set nonsense: expected section.key=value" in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [("- a\n", "must hold a mapping"), ("a: [", "not valid YAML"), ("lake: 3", "lake: input should be a valid string")],
)
def test_a_file_of_another_shape_is_refused(tmp_path, text, problem):
    with pytest.raises(ConfigError, match=problem):
        load_config(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read: No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_relative_places_start_at_the_file_and_overridden_ones_at_the_current_folder(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config = load_config(write(tmp_path, MINIMAL), ["media.roots=[pictures, s3://bucket/x]", "ingest.source=mine"])
    assert config.lake == str(tmp_path / "lake")
    assert config.media.roots == (str(elsewhere / "pictures"), "s3://bucket/x")
    assert config.ingest.source == str(elsewhere / "mine")
    assert config.model.checkpoint == "demo"


def test_a_lake_in_an_object_store_is_refused_for_now(tmp_path):
    with pytest.raises(ConfigError, match=r"lake: should be a local or mounted folder; .* got 's3a://bucket/lake'"):
        load_config(write(tmp_path, MINIMAL), ["lake=s3a://bucket/lake"])


def test_cells_too_small_to_fill_a_list_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"neighbours: cell_rows should be at least 2 x \(k \+ slack\) = 48"):
        load_config(write(tmp_path, MINIMAL), ["neighbours.cell_rows=47"])


def test_overrides_are_typed_like_the_file(tmp_path):
    config = load_config(write(tmp_path, MINIMAL), ["embed.widths=[64, 256]", "ingest.columns.note_id=key"])
    assert config.embed.widths == (64, 256)
    assert config.ingest.columns == {"note_id": "key"}


def test_the_content_hash_follows_every_value(tmp_path):
    path = write(tmp_path, MINIMAL)
    assert load_config(path).content_hash() == load_config(path).content_hash()
    assert load_config(path).content_hash() != load_config(path, ["neighbours.k=21"]).content_hash()


def test_every_section_documents_itself():
    assert all(
        field.annotation.__doc__ for field in Config.model_fields.values() if hasattr(field.annotation, "model_fields")
    )
