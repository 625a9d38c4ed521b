"""The manifest comes back as it was published, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import ManifestError, checksum_of, publish_manifest, read_manifest
from uninote.index.files.published import PublishedSinceError, fence, newest, places
from uninote.lake.paths import Lake
from uninote.lake.record import lake_id
from uninote.storage.types import S3Options
from uninote.upkeep.fencing import fence_indexes, highest_number


def path_of(published):
    return published.path / newest(published.folder)


def edit(path, change):
    values = json.loads(path.read_text())
    del values["sha256"]
    change(values)
    path.write_text(json.dumps(values | {"sha256": checksum_of(values)}))


def test_a_manifest_is_read_as_it_was_published(published, corpus):
    assert read_manifest(published.folder) == published.manifest
    assert published.manifest.live == published.manifest.base.rows == len(corpus.keys)


def test_a_manifest_names_no_place_outside_its_folder(published):
    assert str(published.path.parent) not in path_of(published).read_text()


def test_publishing_adds_a_manifest_and_leaves_the_one_before(published):
    first = newest(published.folder)
    for live in (5, 6, 7):
        before = newest(published.folder)
        publish_manifest(published.folder, replace(published.manifest, live=live))
        assert read_manifest(published.folder).live == live
        assert sorted(published.folder.sizes("manifest")) == [before, newest(published.folder)]
    assert first not in published.folder.sizes()


def test_a_manifest_of_an_earlier_release_is_read_until_there_is_another(published):
    path_of(published).rename(published.path / "manifest.json")
    assert read_manifest(published.folder) == published.manifest
    publish_manifest(published.folder, replace(published.manifest, live=5), holder=3)
    assert read_manifest(published.folder).live == 5


def test_what_a_former_holder_publishes_is_refused_and_not_read(published):
    publish_manifest(published.folder, replace(published.manifest, live=5), holder=3)
    fence(published.folder, 8)
    assert read_manifest(published.folder).live == 5
    for _ in range(2):
        with pytest.raises(PublishedSinceError, match="its lease has the number 8"):
            publish_manifest(published.folder, replace(published.manifest, live=1), holder=3)
    with pytest.raises(PublishedSinceError, match="its lease has the number 8"):
        fence(published.folder, 3)
    # As one leaves it that was stopped after it had looked: the name of its own next manifest.
    (published.path / "manifest-000000000003-000002.json").write_bytes(path_of(published).read_bytes())
    assert newest(published.folder) == "manifest-000000000008-000000.json"
    publish_manifest(published.folder, replace(published.manifest, live=6), holder=8)
    assert read_manifest(published.folder).live == 6
    assert sorted(published.folder.sizes("manifest")) == [f"manifest-000000000008-00000{n}.json" for n in (0, 1)]


def test_an_index_outside_of_its_lake_is_fenced_and_another_lakes_is_not(published, tmp_path):
    lake = str(tmp_path / "lake")
    own = lake_id(Lake(lake))
    folders = {name: IndexFolder(str(tmp_path / "shared" / name / "index" / "w32")) for name in (own, "f" * 32)}
    for name, folder in folders.items():
        publish_manifest(folder, replace(published.manifest, lake_id=name), holder=4)
    elsewhere = str(tmp_path / "shared")
    assert highest_number(lake, elsewhere, S3Options()) == 4
    fence_indexes(lake, f"file://{elsewhere}", S3Options(), 9)
    assert [place.holder for place in places(folders[own])] == [4, 9]
    assert [place.holder for place in places(folders["f" * 32])] == [4]
    assert read_manifest(folders[own]).lake_id == own
    assert highest_number(lake, None, S3Options()) == 0


def test_a_missing_manifest_says_that_nothing_was_published(tmp_path):
    with pytest.raises(ManifestError, match="no index was published there"):
        read_manifest(IndexFolder(str(tmp_path)))


@pytest.mark.parametrize("text", ["", "{", "[1]", '"text"', "{}", '{"format_version": 99}'])
def test_a_cut_or_foreign_manifest_is_refused(published, text):
    path_of(published).write_text(text)
    with pytest.raises(ManifestError, match=r"build the index again|restore it"):
        read_manifest(published.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("template"), "Manifest has keys"),
        (lambda values: values.update(extra=1), "Manifest has keys"),
        (lambda values: values["plan"].pop("nlist"), "IndexPlan has keys"),
        (lambda values: values["segments"][0]["shards"][0]["keys"].pop("sha256"), "StoredFile has keys"),
        (lambda values: values.update(segments=None), "is damaged"),
        (lambda values: values.update(segments=[]), "names no segment"),
        (
            lambda values: values["segments"][0]["shards"][0]["index"].update(name="../x.faiss"),
            "outside of the index folder",
        ),
    ],
)
def test_a_damaged_manifest_says_what_is_wrong(published, change, message):
    edit(path_of(published), change)
    with pytest.raises(ManifestError, match=message):
        read_manifest(published.folder)


def test_a_digit_that_flipped_is_noticed(published):
    path = path_of(published)
    path.write_text(path.read_text().replace(f'"live": {published.manifest.live}', '"live": 1'))
    with pytest.raises(ManifestError, match="it was changed after it was written"):
        read_manifest(published.folder)
