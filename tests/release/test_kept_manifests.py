"""Which manifests of an index releases keep, however its folder is spelled."""

from __future__ import annotations

import pytest

from uninote.index.files.folder import IndexFolder
from uninote.lake.releases.record import IndexPin, Release
from uninote.upkeep.index_files import manifests_of


@pytest.mark.parametrize(
    ("pinned", "folder", "kept"),
    [
        ("g/index/w64", "/data/lake/g/index/w64", True),
        ("/data/elsewhere/g/index/w64", "/data/elsewhere/g/index/w64", True),
        ("file:///data/elsewhere/g/index/w64", "/data/elsewhere/g/index/w64", True),
        ("s3://bucket/g/index/w64", "s3://bucket/g/index/w64", True),
        ("g/index/w64", "/data/other/g/index/w64", False),
    ],
)
def test_a_manifest_is_kept_in_the_folder_that_is_pinned(pinned, folder, kept):
    release = Release(1, "", "", "", "g", {}, {"w64": IndexPin(pinned, "manifest-1.json")}, {})
    assert manifests_of([release], "/data/lake", IndexFolder(folder)) == ({"manifest-1.json"} if kept else set())
