"""What Python workers share by being forks of one process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from udfs.daemon import preload


@pytest.mark.spark
def test_workers_have_imported_what_they_need_before_their_first_task(spark):
    def look(batches):
        command = Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\0")
        loaded = [name for name in ("pandas", "numba", "udfs.neighbours.update") if name in sys.modules]
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"parent": [" ".join(command)], "loaded": [",".join(loaded)]})

    row = spark.range(0, 1, 1, 1).mapInArrow(look, "parent string, loaded string").collect()[0]
    assert "-m udfs.daemon" in row["parent"]
    assert row["loaded"] == "pandas,numba,udfs.neighbours.update"


def test_a_module_that_prints_or_fails_does_not_disturb_spark(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "loud_to_import.py").write_text("print('hello')\n")
    (tmp_path / "failing_to_import.py").write_text("raise RuntimeError\n")
    preload(["failing_to_import", "", "loud_to_import"])
    assert "loud_to_import" in sys.modules
    assert capsys.readouterr().out == ""
