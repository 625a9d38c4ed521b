"""The template trains at any size, is the same every time, and survives a save."""

from __future__ import annotations

import pickle
from dataclasses import replace

import faiss
import numpy as np
import pytest

from uninote.index.files.stored_file import IndexDamagedError
from uninote.index.planning.choose import plan_index
from uninote.index.planning.plan import IndexOverrides
from uninote.index.template.centroids import Centroids
from uninote.index.template.template import load_template
from uninote.index.template.training import train_template
from uninote.vectors.kmeans import ClusteringError, fit_kmeans


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
    template = train_template(vectors, plan_index(60, 16, IndexOverrides(rerank=False)), seed=0)
    residuals = vectors - template.centroids.centres[template.assign(vectors)]
    coded = template.index.pq.decode(template.index.pq.compute_codes(residuals))
    np.testing.assert_allclose(coded, residuals, atol=1e-6)


def test_identical_vectors_can_be_trained_on():
    vectors = np.repeat(make_vectors(1), 500, axis=0)
    template = train_template(vectors, plan_index(500, 16), seed=0)
    assert np.isfinite(template.centroids.centres).all()


def test_training_twice_gives_the_same_template_and_another_seed_another():
    vectors, plan = make_vectors(700), plan_index(700, 16)
    hashes = [train_template(vectors, plan, seed).content_hash() for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_vectors_go_to_their_nearest_list(corpus):
    vectors = corpus.vectors.astype(np.float64)
    squared = ((vectors[:200, None] - corpus.template.centroids.centres[None]) ** 2).sum(axis=2)
    lists = corpus.template.assign(corpus.vectors[:200])
    assert lists.dtype == np.int32
    assert np.array_equal(lists, squared.argmin(axis=1))


def test_lists_are_shared_out_to_every_shard_by_cells(corpus):
    template, plan = corpus.template, corpus.plan
    assert np.array_equal(np.unique(template.list_cell), np.arange(plan.num_cells))
    cell_shard = template.pack(plan.num_shards)
    assert np.array_equal(np.unique(cell_shard), np.arange(plan.num_shards))
    rows = np.bincount(cell_shard[template.list_cell[template.assign(corpus.vectors)]])
    assert rows.max() < 1.5 * rows.mean()


@pytest.mark.parametrize("opq", [False, True])
def test_a_template_is_loaded_as_it_was_saved(corpus, folder, opq):
    template = train_template(corpus.vectors, replace(corpus.plan, opq=opq), 3)
    name = template.save(folder)
    loaded = load_template(folder, name)
    assert loaded.content_hash() == name
    assert np.array_equal(loaded.centroids.centres, template.centroids.centres)
    assert np.array_equal(loaded.list_cell, template.list_cell)
    assert np.array_equal(loaded.rotate(corpus.vectors), template.rotate(corpus.vectors))


def test_a_rotation_keeps_distances_and_makes_codes_no_worse(corpus):
    # Most of the variance in a few neighbouring dimensions: what a rotation spreads over the parts of a code.
    vectors = corpus.vectors * np.where(np.arange(32) < 8, 1, 0.05).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    plain, rotated = (train_template(vectors, replace(corpus.plan, opq=opq), 3) for opq in (False, True))
    turned = rotated.rotate(vectors[:50])
    np.testing.assert_allclose(turned @ turned.T, vectors[:50] @ vectors[:50].T, atol=1e-5)
    assert rotated.error < 0.9 * plain.error


def test_the_error_is_that_of_rows_that_were_held_out(corpus):
    vectors = make_vectors(6000)
    template = train_template(vectors, plan_index(6000, 16), seed=0)
    fresh = template.code_error(make_vectors(6000, seed=9))
    assert 0.85 < template.error / fresh < 1.1  # the centroids have seen those rows all the same
    assert template.code_error(vectors) < fresh


def test_lists_in_groups_are_nearly_always_the_nearest(corpus):
    centres = make_vectors(900)
    exact = Centroids(centres)
    grouped = Centroids(centres, fit_kmeans(centres, 30, 0))
    vectors = make_vectors(500, seed=4)
    for count in (1, 8, 900, 2000):
        wanted, found = exact.nearest(vectors, count), grouped.nearest(vectors, count)
        assert wanted.shape == found.shape == (500, min(count, 900))
        shared = [len(set(a) & set(b)) for a, b in zip(wanted, found, strict=True)]
        assert np.mean(shared) > 0.96 * wanted.shape[1]


def test_a_template_can_be_sent_to_another_process(corpus):
    assert pickle.loads(pickle.dumps(corpus.template)).content_hash() == corpus.template.content_hash()


def test_training_leaves_the_settings_of_faiss_as_they_were():
    before = faiss.cvar.distance_compute_blas_threshold
    train_template(make_vectors(300), plan_index(300, 16), seed=0)
    assert faiss.cvar.distance_compute_blas_threshold == before


def test_a_changed_template_is_refused(corpus, folder, tmp_path):
    name = corpus.template.save(folder)
    other = replace(corpus.template, list_cell=corpus.template.list_cell[::-1].copy())
    other.save(folder)
    (tmp_path / "w32" / f"template-{other.content_hash()}.npz").replace(tmp_path / "w32" / f"template-{name}.npz")
    with pytest.raises(IndexDamagedError, match="was changed after it was written"):
        load_template(folder, name)


@pytest.mark.parametrize("suffix", ["faiss", "npz"])
def test_a_cut_or_missing_template_is_refused(corpus, folder, tmp_path, suffix):
    name = corpus.template.save(folder)
    path = tmp_path / "w32" / f"template-{name}.{suffix}"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(IndexDamagedError, match=f"template {name} in .* cannot be read"):
        load_template(folder, name)
    path.unlink()
    with pytest.raises(IndexDamagedError, match="cannot be read"):
        load_template(folder, name)


def test_a_sample_of_another_width_or_too_few_rows_is_refused():
    plan = plan_index(1000, 16)
    with pytest.raises(ClusteringError, match=r"must be float32 \(rows, 16\)"):
        train_template(make_vectors(1000, 8), plan, seed=0)
    with pytest.raises(ClusteringError, match="25 centroids of 10 rows"):
        train_template(make_vectors(10), plan, seed=0)
