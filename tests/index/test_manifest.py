"""The manifest comes back as it was published, or not at all."""

from __future__ import annotations

import json

import pytest

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import MANIFEST, ManifestError, checksum_of, publish_manifest, read_manifest


def edit(folder, change):
    path = folder / MANIFEST
    values = json.loads(path.read_text())
    del values["sha256"]
    change(values)
    path.write_text(json.dumps(values | {"sha256": checksum_of(values)}))


def test_a_manifest_is_read_as_it_was_published(published, corpus):
    assert read_manifest(published.folder) == published.manifest
    assert published.manifest.live == published.manifest.base.rows == len(corpus.keys)


def test_a_manifest_names_no_place_outside_its_folder(published):
    assert str(published.path.parent) not in (published.path / MANIFEST).read_text()


def test_publishing_replaces_the_manifest_and_leaves_no_other_file(published):
    before = sorted(published.path.iterdir())
    publish_manifest(published.folder, published.manifest)
    assert sorted(published.path.iterdir()) == before


def test_a_missing_manifest_says_that_nothing_was_published(tmp_path):
    with pytest.raises(ManifestError, match="no index was published there"):
        read_manifest(IndexFolder(str(tmp_path)))


@pytest.mark.parametrize("text", ["", "{", "[1]", '"text"', "{}", '{"format_version": 99}'])
def test_a_cut_or_foreign_manifest_is_refused(published, text):
    (published.path / MANIFEST).write_text(text)
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
    edit(published.path, change)
    with pytest.raises(ManifestError, match=message):
        read_manifest(published.folder)


def test_a_digit_that_flipped_is_noticed(published):
    path = published.path / MANIFEST
    path.write_text(path.read_text().replace(f'"live": {published.manifest.live}', '"live": 1'))
    with pytest.raises(ManifestError, match="it was changed after it was written"):
        read_manifest(published.folder)
