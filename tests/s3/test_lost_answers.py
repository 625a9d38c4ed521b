"""Requests that a store has done while its answer was lost: tried again, they find their own work, and do not do it twice."""

from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from rough import rough_store

from uninote.lake.delta_files import append_rows, replace_rows, restore, set_property
from uninote.lake.row_changes import DELETED, RowChanges
from uninote.storage import lake_files, objects

pytestmark = [pytest.mark.s3, pytest.mark.short]
ROWS = pa.table({"note_id": ["a", "b"], "value": [1, 2]})


@pytest.fixture
def store(bucket, s3, monkeypatch):
    """A store that loses answers when it is asked to."""
    with rough_store(s3.endpoint, 0, 0) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.endpoint)
        objects.forget()
        yield found
    objects.forget()
    assert found.done["lose"] > 0


def change(uri: str) -> None:
    RowChanges(uri, ROWS.slice(0, 1).append_column(DELETED, pa.array([True])), ["note_id"]).apply()


COMMITS = {
    "append": (lambda uri: append_rows(uri, ROWS), 6),
    "replace": (lambda uri: replace_rows(uri, ROWS), 2),
    "restore": (lambda uri: restore(uri, 1), 2),
    "property": (lambda uri: set_property(uri, "uninote.test", "x"), 4),
    "change": (change, 2),
}


@pytest.mark.parametrize("name", COMMITS)
def test_a_commit_whose_answer_is_lost_is_made_once(bucket, store, name):
    uri = f"{bucket}/{name}"
    for _ in range(2):
        append_rows(uri, ROWS)
    assert DeltaTable(uri).version() == 2
    store.lose(f"_delta_log/{3:020d}.json")
    make, rows = COMMITS[name]
    make(uri)
    assert DeltaTable(uri).version() == 3
    assert len(DeltaTable(uri).to_pyarrow_table()) == rows


def test_a_table_and_a_file_that_are_made_while_the_answer_is_lost_are_there(bucket, store):
    store.lose(f"_delta_log/{0:020d}.json")
    store.lose("/file")
    append_rows(f"{bucket}/new", ROWS)
    lake_files.create(f"{bucket}/file", b"content")
    assert len(DeltaTable(f"{bucket}/new").to_pyarrow_table()) == 2
    with pytest.raises(FileExistsError):
        lake_files.create(f"{bucket}/file", b"other")
