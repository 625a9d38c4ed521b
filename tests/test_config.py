"""The configuration: what is accepted, and that every mistake is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql.types import StringType

from uninote.config.loading import load_config
from uninote.config.overrides import redact_override
from uninote.config.settings import Config
from uninote.errors import ConfigError
from uninote.lake import schemas
from uninote.lake.reserved import is_reserved
from uninote.notes.ingest.sources import find_source
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
    config = load_config(ROOT / "conf" / "train_qwen3vl.yaml")
    training = config.training
    # Limits of stages are those of the model.
    assert config.model.limits.max_tokens == paper_stage_one().limits.max_tokens == 4096
    assert training.contrastive == paper_stage_one().model_copy(update={"limits": None})
    assert (training.undescribed_pairs, training.sibling_pairs, training.note_pairs) == (False, False, False)
    unused = {"contrastive", "limits"}  # stage 2 has no contrastive loss
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
    path = write(tmp_path, "demo: {folder: d, notes: many}\ningest: {sorce: demo}\nmodel: {checkpoint: demo}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, ["neighbours.k=0", "embed.batch_tokns=5", "nonsense"])
    message = str(caught.value)
    assert "c.yaml: 6 problem(s)" in message
    assert "demo.notes: input should be a valid integer; got 'many'" in message
    assert "lake: missing" in message
    assert "ingest.sorce: unknown key; accepted keys here: source, columns" in message
    assert "neighbours.k: input should be greater than or equal to 1; got 0" in message
    assert "embed.batch_tokns: unknown key; accepted keys here: widths, " in message
    assert "--set nonsense: expected section.key=value" in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "must hold a mapping.*it holds list"),
        ("", "must hold a mapping.*it is empty"),
        ("# nothing\n", "it is empty"),
        ("a: [", "not valid YAML: line 1, column 5"),
        ("lake: 3", "lake: input should be a valid string; got 3, which YAML .*: write it in quotes"),
        ("lake: off", "lake: input should be a valid string; got False, which YAML .*: write it in quotes"),
        ("lake: x\nlake: y\n", "line 2, column 1: the key 'lake' stands there twice"),
        (
            "lake: x\nembed: {batch_tokens: 1, batch_tokens: 2}\n",
            "line 2, .* the key 'batch_tokens' stands there twice",
        ),
        ("lake: x\n\tmodel: y\n", "not valid YAML: line 2, column 1: a tab; YAML wants spaces there"),
        ("lake: @x", "line 1, column 7: .*write a text that begins so in quotes"),
        ("lake: a: b", "line 1, column 8: .*write a text with a colon and a space in quotes"),
        ("lake: *x", "line 1, column 7: found undefined alias"),
        ("as_of: 2024-13-45", "not valid YAML: month must be in 1..12; write it in quotes"),
    ],
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


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("s3://bucket/lake", "s3a://bucket/lake"),
        ("S3://b", "s3a://b"),
        ("s3a://b/l", "s3a://b/l"),
        ("gs://b/l", "gs://b/l"),
    ],
)
def test_a_lake_may_lie_in_an_object_store_and_has_one_spelling(tmp_path, given, found):
    assert load_config(write(tmp_path, MINIMAL), [f"lake={given}"]).lake == found


def test_a_lake_elsewhere_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"lake: should be a folder, or in an object store: s3, .* got 'ftp://host/lake'"
    ):
        load_config(write(tmp_path, MINIMAL), ["lake=ftp://host/lake"])


def test_cells_too_small_to_fill_a_list_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"neighbours: cell_rows should be at least 2 x \(k \+ slack\) = 48"):
        load_config(write(tmp_path, MINIMAL), ["neighbours.cell_rows=47"])


def test_overrides_are_typed_like_the_file(tmp_path):
    config = load_config(write(tmp_path, MINIMAL), ["embed.widths=[64, 256]", "ingest.columns.note_id=key"])
    assert config.embed.widths == (64, 256)
    assert config.ingest.columns == {"note_id": "key"}


@pytest.mark.parametrize(
    "path",
    [
        "/x/lake #2",
        "/x/a: b",
        "/x/@",
        "/x/[y]",
        "/x/{y}",
        "/x/*",
        "/x/%20",
        "/x/y'",
        "/x/`y`",
        "/x/a\\b",
        "/x/a\nb",
        "/x/ä",
    ],
)
def test_a_place_is_taken_as_it_is(tmp_path, path):
    config = load_config(write(tmp_path, MINIMAL), [f"ingest.source={path}", f"index.folder={path}"])
    assert (config.ingest.source, config.index.folder) == (path, path)


@pytest.mark.parametrize("path", ["/x/[y]", "/x/%20", "/x/a\\b", "/x/a\nb", "/x/a|b", "/x/a^b"])
def test_a_lake_where_delta_takes_no_table_is_refused(tmp_path, path):
    with pytest.raises(ConfigError, match="takes no table there; choose a path without it"):
        load_config(write(tmp_path, MINIMAL), [f"lake={path}"])


@pytest.mark.parametrize("path", ["/x/lake #2", "/x/{y}*", "/x/`y'", "/x/ä"])
def test_a_lake_may_be_at_any_other_path(tmp_path, path):
    assert load_config(write(tmp_path, MINIMAL), [f"lake={path}"]).lake == path


@pytest.mark.parametrize(
    "name", ["on", "no", "007", "123", "1e3", "2024-01-01", "@x", "*x", "&x", "[x", "- x", "null", "!x"]
)
def test_a_relative_place_is_a_text_whatever_yaml_makes_of_it(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert load_config(write(tmp_path, MINIMAL), [f"demo.folder={name}"]).demo.folder == str(tmp_path / name)


def test_values_are_read_by_the_type_of_their_key(tmp_path):
    config = load_config(
        write(tmp_path, MINIMAL),
        [
            "lake='/x/lake #2'",
            "model.dtype=float32",
            "s3.region=null",
            "index.folder=",
            "as_of=2024-01-01",
            "training.teacher=model",
            "ingest.columns={note_id: no, title: 007}",
            "ingest.columns.body=a: b #c",
            "search.only={category: [no, 007]}",
            "search.only.author=[2024-01-01]",
            "neighbours.tables.mine={same: [category]}",
            "neighbours.tables.mine.min_score=0.5",
            "spark={spark.sql.shuffle.partitions: 3}",
            "spark.spark.a.b=true",
            "spark.c.d=1",
        ],
    )
    assert config.lake == "/x/lake #2"  # quotes around the whole are YAML's
    assert (config.model.dtype, config.s3.region, config.index.folder) == ("float32", None, None)
    assert (config.as_of, config.training.teacher) == ("2024-01-01", "model")
    assert config.ingest.columns == {"note_id": "no", "title": "007", "body": "a: b #c"}
    assert config.search.only == {"category": ["no", "007"], "author": ["2024-01-01"]}
    assert config.neighbours.tables["mine"].same == ("category",)
    assert config.neighbours.tables["mine"].min_score == 0.5
    assert config.spark == {"spark.sql.shuffle.partitions": "3", "spark.a.b": "true", "spark.c.d": "1"}


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("media.roots=[/a #b, /c]", "--set media.roots: the value is not valid YAML, line 1"),
        ("media.roots=/a", "media.roots: input should be a valid tuple; got '/a'; write a list"),
        ("lake=~nobody-of-this-name/x", "lake: '~nobody-of-this-name/x' is no place on this machine"),
        ("lake=/x/a\x00b", "lake: .* is no place on this machine"),
        ("lake=/x/a\udce4b", "lake: .* is no place on this machine"),
        ("neighbours.tables.mine.sam=[x]", "neighbours.tables.mine.sam: unknown key; accepted keys here: same, "),
        ("training.ranking.stpes=1", "training.ranking.stpes: unknown key; accepted keys here: stage, "),
        ("lake.x=1", "lake: input should be a valid string"),
        ("=1", "expected section.key=value"),
        ("neighbours..k=1", "expected section.key=value"),
    ],
)
def test_values_that_cannot_be_meant_are_told_in_a_sentence(tmp_path, override, problem):
    with pytest.raises(ConfigError, match=problem):
        load_config(write(tmp_path, MINIMAL), [override])


@pytest.mark.parametrize("name", ["ingest.source", "s3.endpoint", "model.checkpoint", "spark.spark.jars.repositories"])
def test_urls_with_credentials_are_refused(tmp_path, name):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, MINIMAL), [f"{name}=https://user:hunter2@host/x"])
    assert "holds credentials in its URL" in str(caught.value)
    assert "AWS_ACCESS_KEY_ID" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_problems_hide_the_secrets_that_they_are_about(tmp_path):
    text = f"{MINIMAL}spark: {{spark.ssl.keyPassword: 4711, spark.a.token: [hunter2]}}\n"
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), ["spark={spark.b.secret: hunter3", "s3.secret_key=hunter4"])
    assert "spark.ssl.keyPassword: input should be a valid string; got [hidden]" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("4711", "hunter"))


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("embed.widths=[64, 256]", "embed.widths=[64, 256]"),
        ("lake=/x/lake #2", "lake=/x/lake #2"),
        ("spark={spark.a.secret.key: hunter}", "spark={'spark.a.secret.key': '[hidden]'}"),
        ("spark.a.password=hunter", "spark.spark.a.password=[hidden]"),
        ("s3.endpoint=https://user:hunter@host", "s3.endpoint=https://[hidden]@host"),
    ],
)
def test_the_ledger_keeps_overrides_without_secrets(given, stored):
    assert redact_override(given) == stored


@pytest.mark.parametrize(
    "name", ["items", "embeddings", "Duplicates", "RUNS", "releases", "codes", "index/w64", "_delta_log"]
)
def test_names_of_the_lakes_own_tables_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=f"neighbours.tables: {name} is a name of the lake's own tables"):
        load_config(write(tmp_path, MINIMAL), [f"neighbours.tables={{{name}: {{same: [category]}}}}"])


def test_the_table_without_rules_stays_without_rules(tmp_path):
    with pytest.raises(ConfigError, match="neighbours is the table without rules"):
        load_config(write(tmp_path, MINIMAL), ["neighbours.tables={neighbours: {same: [category]}}"])
    assert list(load_config(write(tmp_path, MINIMAL), ["neighbours.tables={neighbours: {}}"]).neighbours.rules) == [
        "neighbours"
    ]


def test_every_table_of_the_schemas_has_a_reserved_name():
    made = [value for value in vars(schemas).values() if isinstance(value, schemas.TableSpec)]
    for name, make in vars(schemas).items():
        if name.endswith("_table"):
            made.append(make(StringType(), *{"embeddings_table": ["embeddings/w8"], "neighbour_state_table": ["x"],
                                             "neighbour_rows_table": [[]]}.get(name, [])))  # fmt: skip
    assert len(made) > 10
    assert [spec.name for spec in made if not is_reserved(spec.name)] == []


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (
            "spark.sql.sources.partitionOverwriteMode=dynamic",
            "must stay static, not dynamic: an overwrite would leave rows",
        ),
        ("spark.sql.session.timeZone=Mars/Base", "must stay UTC, not Mars/Base: times would move"),
        ("spark.sql.ansi.enabled=false", "must stay true, not false: a value that does not fit"),
        ("spark.sql.caseSensitive=TRUE", "must stay false, not TRUE: columns named alike"),
        ("spark.sql.files.ignoreCorruptFiles=true", "must stay false, not true: notes in files"),
        ("spark.sql.legacy.timeParserPolicy=LEGACY", "must not be set: casts, dates"),
        ("spark.databricks.delta.properties.defaults.enableDeletionVectors=true", "must stay false, not true: readers"),
    ],
)
def test_settings_that_would_make_results_wrong_are_refused_with_the_reason(tmp_path, setting, reason):
    name = setting.partition("=")[0]
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, MINIMAL), [f"spark.{setting}"])
    assert f"spark: {name} {reason}" in str(caught.value)


def test_settings_that_say_what_holds_anyway_are_taken(tmp_path):
    load_config(
        write(tmp_path, MINIMAL), ["spark.spark.sql.ansi.enabled=TRUE", "spark.spark.sql.files.maxPartitionBytes=1m"]
    )


def test_the_content_hash_follows_every_value(tmp_path):
    path = write(tmp_path, MINIMAL)
    reordered = tmp_path / "reordered.yaml"
    reordered.write_text("model: {checkpoint: demo}\nneighbours: {k: 20}\ningest: {source: demo}\nlake: lake\n")
    assert load_config(reordered).content_hash() == load_config(path).content_hash()  # k is 20 by default
    assert load_config(path).content_hash() != load_config(path, ["neighbours.k=21"]).content_hash()


def test_every_section_documents_itself():
    assert all(
        field.annotation.__doc__ for field in Config.model_fields.values() if hasattr(field.annotation, "model_fields")
    )


def test_a_place_keeps_the_name_it_was_given_and_a_link_its_own(tmp_path):
    blob = tmp_path / "hub" / "blobs" / "4068"
    snapshot = tmp_path / "hub" / "snapshots" / "0a1b"
    for folder in (blob.parent, snapshot):
        folder.mkdir(parents=True)
    blob.write_text("{}")
    (snapshot / "items.jsonl").symlink_to("../../blobs/4068")
    (tmp_path / "link").symlink_to(snapshot)
    named = {
        "hub/snapshots/0a1b/items.jsonl": snapshot / "items.jsonl",
        "link/../0a1b/items.jsonl": snapshot / "items.jsonl",  # '..' of a link is where it leads, as for any program
        "link/items.jsonl": tmp_path / "link" / "items.jsonl",
    }
    for text, place in named.items():
        config = load_config(write(tmp_path, f"lake: lake\ningest: {{source: {text}}}\nmodel: {{checkpoint: demo}}\n"))
        assert config.ingest.source == str(place)
        source = find_source(config.ingest.source)
        assert (source.kind, source.media_root) == ("jsonl", str(place.parent))
