"""What holds for any input: merged rankings, narrowed vectors, and manifests that are read as they were or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import ManifestError, publish_manifest, read_manifest
from uninote.index.files.published import newest
from uninote.index.files.records import Manifest, Segment
from uninote.index.planning.plan import IndexPlan
from uninote.vectors.top_k import merge_topk
from uninote.vectors.widths import truncate

SCORES = st.floats(-1, 1, width=32, allow_nan=False).map(np.float32)
ENTRIES = st.lists(st.tuples(st.integers(-1, 12), SCORES), max_size=24)
PLAN = IndexPlan(rows=10, width=64, nlist=4, num_cells=2, num_shards=1, pq_m=8, pq_nbits=8, train_rows=10)
UNCHANGING = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


@pytest.fixture(scope="module")
def published_manifest(tmp_path_factory) -> tuple[IndexFolder, str]:
    """A manifest in a folder of its own, and its text."""
    path = Path(tmp_path_factory.mktemp("index"))
    folder = IndexFolder(str(path))
    manifest = Manifest(
        generation="abc",
        width=64,
        kinds=("note",),
        fingerprint="f",
        plan=PLAN,
        template="t",
        nprobe=8,
        live=10,
        segments=(Segment("s", 10, (), 0, None, {"items": 3}),),
        created_at="2026-11-01T00:00:00",
    )
    publish_manifest(folder, manifest)
    return folder, (path / newest(folder)).read_text()


@given(st.lists(ENTRIES, min_size=1, max_size=5), st.integers(1, 8))
@UNCHANGING
def test_a_merged_ranking_holds_the_best_score_of_each_key(rows, k):
    longest = max(map(len, rows))
    padded = [[*row, *[(-1, np.float32(0))] * (longest - len(row))] for row in rows]
    keys = np.array([[key for key, _ in row] for row in padded], np.int64).reshape(len(rows), longest)
    scores = np.array([[score for _, score in row] for row in padded], np.float32).reshape(len(rows), longest)
    merged_keys, merged_scores = merge_topk(keys, scores, k)
    assert merged_keys.shape == merged_scores.shape == (len(rows), k)
    for row, found, at in zip(rows, merged_keys, merged_scores, strict=True):
        best: dict[int, float] = {}
        for key, score in row:
            if key >= 0:
                best[key] = max(score, best.get(key, -2))
        expected = sorted(best.items(), key=lambda entry: (-entry[1], entry[0]))[:k]
        assert [(key, score) for key, score in zip(found, at, strict=True) if key >= 0] == expected
        assert np.isneginf(at[len(expected) :]).all()


@given(arrays.arrays(np.float32, (3, 16), elements=st.floats(-1, 1, width=32)), st.integers(1, 16))
@UNCHANGING
def test_a_narrowed_vector_is_the_first_dimensions_at_length_1(vectors, width):
    vectors[:, 0] += 2  # no first part without a direction
    narrowed = truncate(vectors, width)
    np.testing.assert_allclose(np.linalg.norm(narrowed, axis=1), 1, atol=1e-5)
    lengths = np.linalg.norm(vectors[:, :width], axis=1, keepdims=True)
    np.testing.assert_allclose(narrowed * lengths, vectors[:, :width], atol=1e-5)


@given(st.data())
@UNCHANGING
def test_a_manifest_with_any_change_is_refused_or_the_same(published_manifest, tmp_path, data):
    folder, text = published_manifest
    place = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    changed = text[:place] + put + text[place + 1 :]
    (tmp_path / "manifest.json").write_text(changed)
    copy = IndexFolder(str(tmp_path))
    try:
        found = read_manifest(copy)
    except ManifestError:
        assert changed != text
    else:
        assert found == read_manifest(folder)
        assert json.loads(changed) == json.loads(text)
