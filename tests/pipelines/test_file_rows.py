"""Rows of tables' files, read in this process where they are few: the same that tasks read."""

from __future__ import annotations

from types import SimpleNamespace

import faiss
import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import LongType, StructField, StructType

from udfs.table_files import as_read, make_reader
from uninote.lake.parquet_files import write_file
from uninote.pipelines.lake.reading import file_rows
from uninote.pipelines.lake.reading.file_rows import FileRows, shared
from uninote.vectors.kmeans import compute_in_one_thread

SCHEMA = StructType([StructField("item_key", LongType())])


@pytest.fixture
def files(tmp_path):
    """Two files of keys, and one value more in the second."""
    parts = (pa.table({"item_key": [1, 2, 3], "kind": list("aab")}), pa.table({"item_key": [7], "kind": ["b"]}))
    return [write_file(part, str(tmp_path)) for part in parts]


def keys_of(run, files, wanted):
    with shared(run, files, np.array(wanted)) as among:
        rows = FileRows(run, files, make_reader(["item_key"], among)).collect(as_read, SCHEMA)
    return sorted(rows["item_key"].to_pylist())


def test_few_rows_are_read_without_a_job(files):
    assert keys_of(None, files, [2, 7, 9]) == [2, 7]
    empty = FileRows(None, files, make_reader(["item_key"], lambda: np.array([5]))).collect(as_read, SCHEMA)
    assert (empty.num_rows, empty.column_names) == (0, ["item_key"])


def test_code_of_tasks_leaves_this_process_its_threads(files):
    before = faiss.omp_get_max_threads()

    def alone(batches):
        compute_in_one_thread()
        yield from batches

    faiss.omp_set_num_threads(3)
    FileRows(None, files, make_reader(["item_key"])).collect(alone, SCHEMA)
    assert faiss.omp_get_max_threads() == 3
    faiss.omp_set_num_threads(before)


@pytest.mark.spark
def test_tasks_read_the_same(spark, files, monkeypatch):
    monkeypatch.setattr(file_rows, "_SMALL_BYTES", 0)
    assert keys_of(SimpleNamespace(spark=spark), files, [2, 7, 9]) == [2, 7]
