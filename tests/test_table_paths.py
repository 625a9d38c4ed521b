"""Paths of Delta tables: what the library cannot open is known beforehand, and nothing else is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.lake.delta_files import set_property
from uninote.lake.table_paths import unusable_part
from uninote.pipelines.lake.tables import table_property


@pytest.mark.parametrize("name", ["a {b}*?#;&=+ü%", "a`b'c\"d", "~$@!,:<>()"])
def test_a_usable_path_holds_a_table_and_its_properties(tmp_path, name):
    uri = str(tmp_path / name / "notes")
    assert unusable_part(uri) is None
    write_deltalake(uri, pa.table({"a": [1]}))
    set_property(uri, "uninote.mediaRoot", uri)
    assert (tmp_path / name / "notes" / "_delta_log").is_dir()
    assert table_property(uri, "uninote.mediaRoot") == uri
    assert DeltaTable(uri).to_pyarrow_table().num_rows == 1


@pytest.mark.parametrize(
    ("path", "part"),
    [("/a[1]", "["), ("/a|b", "|"), ("/a^b", "^"), ("/a\\b", "\\"), ("/a%20b", "%20"), ("/a\nb", "\n")],
)
def test_an_unusable_path_is_told(path, part):
    assert unusable_part(path) == part
