"""Telling what a source is from what lies there."""

from __future__ import annotations

import pytest

from uninote.notes.ingest.sources import Source, SourceError, find_source


@pytest.mark.parametrize("name", ["items.jsonl", "items.json", "items.csv", "items.parquet"])
def test_a_folder_with_an_items_file_is_that_file_with_its_images(tmp_path, name):
    (tmp_path / name).touch()
    assert find_source(str(tmp_path)) == Source(name.split(".")[1], str(tmp_path / name), str(tmp_path))


def test_a_delta_table_and_a_parquet_folder_are_told_apart(tmp_path):
    (tmp_path / "d" / "_delta_log").mkdir(parents=True)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "part-0.parquet").touch()
    assert find_source(str(tmp_path / "d")).kind == "delta"
    assert find_source(str(tmp_path / "p")).kind == "parquet"


def test_a_uri_is_a_table_unless_its_name_says_otherwise():
    assert find_source("s3a://lake/notes").kind == "delta"
    assert find_source("s3a://lake/notes.parquet").kind == "parquet"


def test_what_cannot_be_read_is_refused_with_what_is_there(tmp_path):
    (tmp_path / "readme.txt").touch()
    with pytest.raises(SourceError, match=r"no \*\.parquet and no _delta_log; it holds: readme\.txt"):
        find_source(str(tmp_path))
    with pytest.raises(SourceError, match=r"is a \.txt file; known are \.jsonl"):
        find_source(str(tmp_path / "readme.txt"))
    with pytest.raises(SourceError, match="does not exist"):
        find_source(str(tmp_path / "nowhere"))


def test_an_items_file_may_be_compressed_or_a_folder_and_two_are_refused(tmp_path):
    (tmp_path / "items.jsonl.gz").touch()
    assert find_source(str(tmp_path)) == Source("jsonl", str(tmp_path / "items.jsonl.gz"), str(tmp_path))
    (tmp_path / "items.csv").mkdir()
    with pytest.raises(SourceError, match=r"holds items\.csv and items\.jsonl\.gz; name the one that is meant"):
        find_source(str(tmp_path))


def test_folders_of_files_are_one_source_of_their_format(tmp_path):
    (tmp_path / "dt=1").mkdir()
    (tmp_path / "dt=1" / "a.csv").touch()
    assert find_source(str(tmp_path)).kind == "csv"
    (tmp_path / "b.jsonl").touch()
    with pytest.raises(SourceError, match=r"several formats: a\.csv, b\.jsonl"):
        find_source(str(tmp_path))
    (tmp_path / "c.parquet").touch()
    assert find_source(str(tmp_path)).kind == "parquet"


def test_hidden_files_are_told_where_there_are_no_others(tmp_path):
    (tmp_path / "_export.parquet").touch()
    with pytest.raises(SourceError, match=r"only hidden files, .* --set ingest\.source=.*_export\.parquet"):
        find_source(str(tmp_path))
    assert find_source(str(tmp_path / "_export.parquet")).kind == "parquet"


def test_a_delta_table_at_a_path_that_its_library_cannot_open_is_refused(tmp_path):
    (tmp_path / "a[1]" / "_delta_log").mkdir(parents=True)
    with pytest.raises(SourceError, match=r"path with '\['"):
        find_source(str(tmp_path / "a[1]"))
