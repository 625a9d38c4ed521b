"""The template trains at any size, is the same every time, and survives a save."""

from __future__ import annotations

import pickle

import faiss
import numpy as np
import pytest

from uninote.index.manifest import IndexDamagedError
from uninote.index.plan import plan_index
from uninote.index.template import load_template, train_template
from uninote.kmeans import ClusteringError


def make_vectors(rows, width=16, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("rows", [1, 2, 39, 255, 256, 257, 700])
def test_training_is_possible_and_silent_at_any_size(rows, capfd):
    vectors = make_vectors(rows)
    template = train_template(vectors, plan_index(rows, 16), seed=0)
    assert template.index.is_trained
    assert template.index.ntotal == 0
    assert "".join(capfd.readouterr()) == ""


def test_a_corpus_smaller_than_the_codebook_is_coded_without_loss():
    vectors = make_vectors(60)
    template = train_template(vectors, plan_index(60, 16), seed=0)
    residuals = vectors - template.centroids[template.assign(vectors)]
    coded = template.index.pq.decode(template.index.pq.compute_codes(residuals))
    np.testing.assert_allclose(coded, residuals, atol=1e-6)


def test_identical_vectors_can_be_trained_on():
    vectors = np.repeat(make_vectors(1), 500, axis=0)
    template = train_template(vectors, plan_index(500, 16), seed=0)
    assert np.isfinite(template.centroids).all()


def test_training_twice_gives_the_same_template_and_another_seed_another():
    vectors, plan = make_vectors(700), plan_index(700, 16)
    hashes = [train_template(vectors, plan, seed).content_hash() for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_vectors_go_to_their_nearest_list(corpus):
    vectors = corpus.vectors.astype(np.float64)
    squared = ((vectors[:200, None] - corpus.template.centroids[None]) ** 2).sum(axis=2)
    lists = corpus.template.assign(corpus.vectors[:200])
    assert lists.dtype == np.int32
    assert np.array_equal(lists, squared.argmin(axis=1))


def test_lists_are_shared_out_to_every_shard_by_cells(corpus):
    template, plan = corpus.template, corpus.plan
    assert np.array_equal(np.unique(template.list_cell), np.arange(plan.num_cells))
    assert np.array_equal(np.unique(template.shard_of_list), np.arange(plan.num_shards))
    rows = np.bincount(template.shard_of_list[template.assign(corpus.vectors)])
    assert rows.max() < 1.5 * rows.mean()


def test_a_template_is_loaded_as_it_was_saved(corpus, tmp_path):
    name = corpus.template.save(tmp_path)
    loaded = load_template(tmp_path, name)
    assert loaded.content_hash() == name
    assert np.array_equal(loaded.centroids, corpus.template.centroids)
    assert np.array_equal(loaded.shard_of_list, corpus.template.shard_of_list)


def test_a_template_can_be_sent_to_another_process(corpus):
    assert pickle.loads(pickle.dumps(corpus.template)).content_hash() == corpus.template.content_hash()


def test_training_leaves_the_settings_of_faiss_as_they_were():
    before = faiss.cvar.distance_compute_blas_threshold
    train_template(make_vectors(300), plan_index(300, 16), seed=0)
    assert faiss.cvar.distance_compute_blas_threshold == before


def test_a_changed_template_is_refused(corpus, tmp_path):
    name = corpus.template.save(tmp_path)
    layout = tmp_path / f"template-{name}.json"
    layout.write_text(layout.read_text().replace('"cell_shard": [0', '"cell_shard": [1'))
    with pytest.raises(IndexDamagedError, match="was changed after it was written"):
        load_template(tmp_path, name)


@pytest.mark.parametrize("suffix", ["faiss", "json"])
def test_a_cut_or_missing_template_is_refused(corpus, tmp_path, suffix):
    name = corpus.template.save(tmp_path)
    path = tmp_path / f"template-{name}.{suffix}"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(IndexDamagedError, match=f"template {name} in .* cannot be read"):
        load_template(tmp_path, name)
    path.unlink()
    with pytest.raises(IndexDamagedError, match="cannot be read"):
        load_template(tmp_path, name)


def test_a_sample_of_another_width_or_too_few_rows_is_refused():
    plan = plan_index(1000, 16)
    with pytest.raises(ClusteringError, match=r"must be float32 \(rows, 16\)"):
        train_template(make_vectors(1000, 8), plan, seed=0)
    with pytest.raises(ClusteringError, match="25 centroids of 10 rows"):
        train_template(make_vectors(10), plan, seed=0)
