"""Rows of a table of foreign vectors: whose they are, what is hashed of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from udfs.embed.foreign_vectors import VectorColumns, make_file_rows, make_table_rows
from uninote.config.loading import load_config
from uninote.config.sections.vectors import VectorsConfig
from uninote.errors import ConfigError, UninoteError
from uninote.foreign_vectors.checks import MISSING, REPEATED, Checks, check_vector, explain_missing, hash_vector
from uninote.foreign_vectors.identity import identify, widths_of
from uninote.foreign_vectors.table import open_table
from uninote.storage.types import S3Options

CHECKS = Checks(width=4, normalise=True, narrowest=2)
S3 = S3Options()


def rows_of(keys, vectors, note_id=None):
    columns = VectorColumns("k", "v", note_id or pa.int64())
    schema = pa.schema(
        {"note_id": columns.note_id, "key": pa.string(), "content_hash": pa.string(), "foreign": pa.list_(pa.float32())}
    )
    batch = pa.RecordBatch.from_arrays([keys, vectors], ["k", "v"])
    return next(make_table_rows(columns, schema)(iter([batch]))).to_pylist()


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float16()), pa.list_(pa.float32(), 2)]
)
def test_equal_numbers_of_any_list_type_have_one_hash(kind):
    vectors = pa.array([[9.0, 9.0], [0.5, -2.0], None], kind).slice(1)
    rows = rows_of(pa.array([1, 2]), vectors)
    assert [row["foreign"] for row in rows] == [[0.5, -2.0], None]
    assert [row["content_hash"] for row in rows] == [hash_vector(np.array([0.5, -2.0])), MISSING]


def test_keys_name_notes_by_the_rules_of_note_ids():
    vectors = pa.array([[1.0]] * 4)
    numbers = rows_of(pa.array(["7", " 8", "x", None]), vectors)
    assert [(row["note_id"], row["key"]) for row in numbers] == [(7, "7"), (8, " 8"), (None, "x"), (None, None)]
    texts = rows_of(pa.array([7.0, 8.0, None, 9.5]), vectors, pa.string())
    assert [row["note_id"] for row in texts] == ["7", "8", None, None]


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([3, 4, 0], "vector_width"),
        ([1, np.nan, 0, 0], "vector_not_finite"),
        ([1, np.inf, 0, 0], "vector_not_finite"),
        ([0, 0, 0, 0], "vector_zero"),
        ([0, 0, 3, 4], "vector_zero"),  # of the two numbers that the narrowest width has
    ],
)
def test_what_is_no_direction_is_refused_with_its_reason(vector, reason):
    verdict = check_vector(np.array(vector, np.float32), CHECKS)
    assert (verdict.vector, verdict.reason) == (None, reason)


def test_vectors_become_unit_vectors_or_must_be():
    large = np.array([3e30, 4e30, 0, 0], np.float32)  # whose squares no float32 holds
    assert check_vector(large, CHECKS).vector == pytest.approx([0.6, 0.8, 0, 0])
    strict = Checks(4, normalise=False, narrowest=2)
    assert check_vector(large, strict).reason == "vector_not_unit"
    assert check_vector(np.array([0.6, 0.8, 0, 0], np.float32), strict).vector == pytest.approx([0.6, 0.8, 0, 0])


def test_a_note_without_a_vector_is_told_from_one_with_several():
    assert explain_missing(MISSING).reason == MISSING
    assert explain_missing(f"{REPEATED} a b").reason == REPEATED
    assert "changed while it was read" in explain_missing("0" * 32).message


def parquet(folder, vectors, name="v.parquet"):
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"note_id": range(len(vectors)), "vector": vectors}), folder / name)
    return VectorsConfig(table=str(folder), model="m")


def test_the_width_is_that_of_most_vectors_and_the_state_follows_the_files(tmp_path):
    settings = parquet(tmp_path / "p", [None, [1.0], [1.0, 2.0], [3.0, 4.0]])
    table = open_table(settings, S3)
    assert (table.find_width(), table.num_rows, table.is_delta) == (2, 4, False)
    assert open_table(settings, S3).state == table.state
    parquet(tmp_path / "p", [[1.0, 2.0]], "w.parquet")
    assert open_table(settings, S3).state != table.state
    read = make_file_rows(
        open_table(settings, S3).pieces,
        VectorColumns("note_id", "vector", pa.int64()),
        S3,
        pa.schema({"note_id": pa.int64(), "content_hash": pa.string()}),
    )
    numbers = pa.RecordBatch.from_arrays([pa.array([0, 1])], ["id"])
    assert sum(batch.num_rows for batch in read(iter([numbers]))) == 5


def test_a_delta_table_is_pinned_at_its_version(tmp_path):
    rows = pa.table({"note_id": [1], "vector": [[1.0, 2.0, 3.0]]})
    write_deltalake(str(tmp_path / "d"), rows)
    settings = VectorsConfig(table=str(tmp_path / "d"), model="m")
    first = open_table(settings, S3)
    write_deltalake(str(tmp_path / "d"), rows, mode="append")
    assert (first.version, first.find_width(), open_table(settings, S3).version) == (0, 3, 1)
    assert open_table(settings, S3).state != first.state


def test_wrong_tables_and_columns_are_one_sentence(tmp_path):
    settings = parquet(tmp_path / "p", [[1.0]])
    with pytest.raises(UninoteError, match="does not exist"):
        open_table(settings.model_copy(update={"table": str(tmp_path / "none")}), S3)
    with pytest.raises(ConfigError, match=r"embed\.vectors_from\.vector: .* has no column 'v'; it has note_id, vector"):
        open_table(settings.model_copy(update={"vector": "v"}), S3)
    with pytest.raises(ConfigError, match="is int64; it must be a list of numbers"):
        open_table(settings.model_copy(update={"vector": "note_id"}), S3)
    with pytest.raises(UninoteError, match="has no vector in its column"):
        open_table(parquet(tmp_path / "q", pa.nulls(2, pa.list_(pa.float32()))), S3).find_width()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UninoteError, match=r"holds no \*.parquet"):
        open_table(settings.model_copy(update={"table": str(tmp_path / "empty")}), S3)


def test_a_generation_is_the_models_name_and_its_column():
    one = VectorsConfig(table="/a", model="m")
    same = VectorsConfig(table="/b", model="m", key="id", widths=(2,))
    own = [identify(settings).generation(identify(settings).own) for settings in (one, same)]
    assert own[0] == own[1]
    for other in (VectorsConfig(table="/a", model="n"), VectorsConfig(table="/a", model="m", vector="w")):
        assert identify(other).generation(identify(other).own) != own[0]
    assert widths_of(same, 4) == (4, 2)
    with pytest.raises(ConfigError, match="wider than the vectors"):
        widths_of(same, 1)


def test_the_place_of_the_table_is_relative_to_the_configuration(config_file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    named = ["embed.vectors_from.table=v", "embed.vectors_from.model=m"]
    assert load_config(config_file, named).embed.vectors_from.table == str(tmp_path / "v")
    with pytest.raises(ConfigError, match="vectors of notes alone"):
        load_config(config_file, [*named, "embed.kinds=[note, image]"])
