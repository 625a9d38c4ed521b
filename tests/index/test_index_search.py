"""Search over shards equals search over one FAISS index, and damage is never a shorter answer."""

from __future__ import annotations

import shutil
from dataclasses import replace

import faiss
import numpy as np
import pytest
from segments import publish_base

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import publish_manifest
from uninote.index.files.stored_file import IndexDamagedError
from uninote.index.planning.choose import plan_index
from uninote.index.planning.plan import IndexOverrides
from uninote.index.search import Index, SearchError
from uninote.index.template.training import train_template
from uninote.vectors.kmeans import ClusteringError


@pytest.fixture(scope="module")
def one_index(codes_alone):
    """All rows in one unsharded FAISS index with the same centroids and codebooks."""
    index = faiss.clone_index(codes_alone.template.index)
    index.use_precomputed_table = -1
    index.add_with_ids(codes_alone.vectors, codes_alone.keys)
    return index


@pytest.mark.parametrize("nprobe", [1, 3, 8, 48])
@pytest.mark.parametrize("k", [1, 20, 300])
def test_shards_answer_as_one_index_does(codes_alone, folder, one_index, nprobe, k):
    publish_base(folder, codes_alone.template, codes_alone.plan, (codes_alone.keys, codes_alone.vectors))
    queries = codes_alone.vectors[::37]
    keys, scores = Index.open(folder).search(queries, k, nprobe)
    assert (keys >= 0).all()
    one_index.nprobe = nprobe
    squared, expected = one_index.search(queries, k)
    whole = (expected >= 0).all(axis=1)  # the others look into more lists here, until they have k
    np.testing.assert_allclose(scores[whole], 1 - squared[whole] / 2, atol=1e-7)
    # The last of equals is anyone's: rows with the very same code may be cut off in any order.
    above = squared < squared.max(axis=1, keepdims=True)
    for row in np.flatnonzero(whole):
        assert set(expected[row, above[row]]) <= set(keys[row])


@pytest.mark.parametrize("nprobe", [1, 48])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_what_the_codes_find_is_ranked_by_the_vectors_themselves(corpus, published, nprobe, k):
    queries = corpus.vectors[::37]
    index = Index.open(published.folder)
    keys, scores = index.search(queries, k, nprobe)
    vector_of = dict(zip(corpus.keys.tolist(), corpus.vectors, strict=True))
    for query, found, score in zip(queries, keys, scores, strict=True):
        np.testing.assert_allclose(score, [query @ vector_of[key] for key in found.tolist()], atol=5e-4)
    assert (np.diff(scores) <= 0).all()
    alone, _ = index.search(queries, k, nprobe, rerank=False)
    if nprobe == 48:
        exact = queries @ corpus.vectors.T
        best = corpus.keys[np.argsort(-exact, axis=1)[:, :k]]
        shares = [np.mean([np.isin(a, b).mean() for a, b in zip(best, one, strict=True)]) for one in (keys, alone)]
        assert shares[0] > 0.96
        assert shares[0] >= shares[1]


def test_shards_change_nothing_where_candidates_are_ranked_again(corpus, published, tmp_path):
    one = IndexFolder(str(tmp_path / "one"))
    publish_base(one, corpus.template, replace(corpus.plan, num_shards=1), (corpus.keys, corpus.vectors))
    cut, whole = Index.open(published.folder), Index.open(one)
    found, expected = (index.search(corpus.vectors[::11], 10, 8) for index in (cut, whole))
    # FAISS rounds its tables of distances once a call: a candidate in a hundred may differ.
    assert np.mean(found[0] == expected[0]) > 0.99
    np.testing.assert_allclose(found[1], expected[1], atol=2e-3)


def test_equal_scores_are_in_order_of_key_and_others_in_order_of_score(corpus, published):
    keys, scores = Index.open(published.folder).search(corpus.vectors[:300], 50, 48)
    falling = scores[:, :-1] > scores[:, 1:]
    assert (falling | ((scores[:, :-1] == scores[:, 1:]) & (keys[:, :-1] < keys[:, 1:]))).all()


def test_all_lists_probed_find_most_true_neighbours(corpus, published):
    queries = np.arange(0, 3000, 30)
    truth = np.argsort(-(corpus.vectors[queries].astype(np.float64) @ corpus.vectors.T), axis=1)[:, :10]
    keys, scores = Index.open(published.folder).search(corpus.vectors[queries], 10, nprobe=48)
    hits = [len(set(corpus.keys[best]) & set(found)) for best, found in zip(truth, keys, strict=True)]
    assert np.mean(hits) > 9.6
    true_scores = (corpus.vectors[queries] * corpus.vectors[queries]).sum(axis=1)
    np.testing.assert_allclose(scores[:, 0], true_scores, atol=5e-4)


def test_fewer_neighbours_are_found_as_surely_as_more(tmp_path):
    # Noise of 64 dimensions: codes of 16 bytes tell near rows apart poorly, so it matters how many are ranked again.
    vectors = np.random.default_rng(0).standard_normal((6000, 64), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = np.arange(len(vectors))
    plan = plan_index(len(vectors), 64, IndexOverrides(nlist=20))
    template = train_template(vectors, plan, seed=3)
    folder = IndexFolder(str(tmp_path / "w64"))
    publish_base(folder, template, plan, (keys, vectors))
    queries = vectors[::20]
    best = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")
    index = Index.open(folder)
    recalls = {}
    for k in (1, 5, 10, 20):
        found, _ = index.search(queries, k, 20)
        hits = 0
        for one, true in zip(found, best, strict=True):
            hits += len(np.intersect1d(one, true[:k]))
        recalls[k] = hits / (k * len(queries))
    assert min(recalls.values()) >= recalls[20] - 0.005


def test_no_queries_and_more_neighbours_than_rows_are_legal(corpus, published):
    index = Index.open(published.folder)
    assert index.search(corpus.vectors[:0], 5)[0].shape == (0, 5)
    keys, scores = index.search(corpus.vectors[:2], 4000, nprobe=1000)
    assert [sorted(row[:3000]) for row in keys] == [sorted(corpus.keys)] * 2
    assert (keys[:, 3000:] == -1).all()
    assert np.isneginf(scores[:, 3000:]).all()


def test_a_moved_index_still_answers(corpus, published, tmp_path):
    before = Index.open(published.path).search(corpus.vectors[:5], 5)
    shutil.move(published.path, tmp_path / "elsewhere")
    after = Index.open(tmp_path / "elsewhere").search(corpus.vectors[:5], 5)
    assert np.array_equal(before[0], after[0])


@pytest.mark.parametrize("part", ["index", "keys", "vectors"])
def test_a_missing_or_cut_file_is_noticed_on_opening(published, part):
    path = published.path / getattr(published.manifest.shards[3], part).name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IndexDamagedError, match=r"00003.* is \d+ bytes long, the manifest says"):
        Index.open(published.folder)
    path.unlink()
    with pytest.raises(IndexDamagedError, match="is missing"):
        Index.open(published.folder)


@pytest.mark.parametrize("part", ["index", "keys", "vectors"])
def test_a_changed_byte_is_noticed_when_the_shard_is_first_touched_and_by_verify(corpus, published, part):
    position = 3
    path = published.path / getattr(published.manifest.shards[position], part).name
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    index = Index.open(published.folder)
    cell_shard = corpus.template.pack(corpus.plan.num_shards)
    shards = cell_shard[corpus.template.list_cell[corpus.template.assign(corpus.vectors)]]
    index.search(corpus.vectors[shards != position], 1, nprobe=1)
    with pytest.raises(IndexDamagedError, match="has SHA-256"):
        index.search(corpus.vectors[shards == position], 1, nprobe=1)
    with pytest.raises(IndexDamagedError, match="has SHA-256"):
        Index.open(published.folder).verify()


def test_a_shard_is_hashed_once(corpus, published, monkeypatch):
    hashed = []
    monkeypatch.setattr("uninote.index.files.folder.sha256_of", lambda path: hashed.append(path) or sums[path.name])
    sums = {file.name: file.sha256 for file in published.manifest.files}
    index = Index.open(published.folder)
    assert hashed == []
    for _ in range(2):
        index.search(corpus.vectors[:50], 5, nprobe=48)
    assert len(hashed) == 3 * corpus.plan.num_shards


def test_a_shard_that_went_missing_after_opening_is_an_error(corpus, published):
    index = Index.open(published.folder)
    (published.path / published.manifest.shards[0].index.name).unlink()
    with pytest.raises(IndexDamagedError, match="is missing"):
        index.search(corpus.vectors, 5, nprobe=48)


def test_a_manifest_without_one_of_the_shards_is_refused(published):
    base = published.manifest.base
    publish_manifest(published.folder, replace(published.manifest, segments=(replace(base, shards=base.shards[1:]),)))
    with pytest.raises(IndexDamagedError, match="a shard is missing"):
        Index.open(published.folder)


def test_queries_of_another_width_and_impossible_numbers_are_refused(corpus, published):
    index = Index.open(published.folder)
    with pytest.raises(ClusteringError, match=r"must be float32 \(rows, 32\)"):
        index.search(corpus.vectors[:, :16], 5)
    with pytest.raises(SearchError, match="k is 0 and nprobe 16"):
        index.search(corpus.vectors, 0)
