"""A codebook codes vectors as a plain computation would, is balanced, survives a file, and says what it cannot do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from uninote.codes.codebook import Codebook, CodebookError
from uninote.codes.files import FILE, from_bytes, open_codebook, save_codebook, to_bytes
from uninote.codes.fitting import FitSettings, fit_codebook
from uninote.codes.printing import CodesTextError, parse_codes, print_codes
from uninote.vectors.kmeans import ClusteringError
from uninote.vectors.widths import truncate

SETTINGS = FitSettings(levels=3, size=16, rounds=16)


def make_vectors(rows=3000, width=24, clusters=12, seed=0):
    """Unit vectors in clusters, of which the first has a third."""
    random = np.random.default_rng(seed)
    kinds = np.where(random.random(rows) < 1 / 3, 0, random.integers(clusters, size=rows))
    drawn = random.normal(size=(clusters, width))[kinds] + random.normal(scale=0.3, size=(rows, width))
    return truncate(drawn.astype(np.float32), width)


@pytest.fixture(scope="module")
def vectors():
    return make_vectors()


@pytest.fixture(scope="module")
def codebook(vectors):
    return fit_codebook(vectors, SETTINGS, "gen")


def plain_codes(codebook: Codebook, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Code each vector by itself, in float64."""
    codes, errors = [], []
    for vector in vectors:
        left = vector - codebook.centre
        for centroids, prices in zip(codebook.centroids, codebook.prices, strict=True):
            code = int((((left - centroids.astype(np.float64)) ** 2).sum(axis=1) + prices).argmin())
            left = left - centroids[code]
            codes.append(code)
            errors.append(float(left @ left))
    return np.array(codes).reshape(-1, codebook.levels), np.array(errors).reshape(-1, codebook.levels)


def test_codes_are_those_of_a_plain_computation(codebook, vectors):
    found = codebook.encode_with_errors(vectors)
    codes, errors = plain_codes(codebook, vectors)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_allclose(found.errors, errors, rtol=1e-4, atol=1e-9)
    left = vectors - codebook.decode(found.codes)
    np.testing.assert_allclose(np.square(left).sum(axis=1), errors[:, -1], rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(errors.mean(axis=0), codebook.errors, rtol=1e-3)
    assert np.all(np.diff(errors.mean(axis=0)) < 0)


def test_codes_do_not_depend_on_the_vectors_beside(codebook, vectors):
    # Half-way between two centroids, where the rounding of a block would decide.
    level = codebook.centroids[0].astype(np.float64)
    middles = ((level[:-1] + level[1:]) / 2 + codebook.centre).astype(np.float32)
    rows = np.concatenate([middles, vectors[:1000], middles])
    codes = codebook.encode(rows)
    np.testing.assert_array_equal(codes, plain_codes(codebook, rows)[0])
    one_by_one = np.concatenate([codebook.encode(rows[row : row + 1]) for row in range(len(rows))])
    np.testing.assert_array_equal(codes, one_by_one)
    by_sevens = np.concatenate([codebook.encode(rows[row : row + 7]) for row in range(0, len(rows), 7)])
    np.testing.assert_array_equal(codes, by_sevens)


@pytest.mark.parametrize("most", [3.0, 1.5])
def test_no_code_is_taken_too_often_and_none_is_dead(most):
    all_vectors = make_vectors(rows=6000)
    codebook = fit_codebook(all_vectors[:3000], dataclasses.replace(SETTINGS, most=most), "gen")
    for level in codebook.encode(all_vectors).T:
        shares = np.bincount(level, minlength=16) / len(level) * 16
        assert shares.max() <= most
        assert shares.min() > 0


def test_copies_share_a_code_however_many_they_are(vectors):
    many = np.concatenate([vectors, np.repeat(vectors[:1], 1000, axis=0)])
    codes = fit_codebook(many, SETTINGS, "gen").encode(many)
    assert len(np.unique(codes[3000:], axis=0)) == 1
    counts = np.bincount(codes[:, 0], minlength=16)
    limit = 3 * len(many) / 16
    assert np.sort(counts)[-2] <= limit
    assert counts.max() <= 1001 + 3000 / 16


def test_a_fit_is_repeatable_and_its_fingerprint_tells_codebooks_apart(codebook, vectors):
    again = fit_codebook(vectors, SETTINGS, "gen")
    assert again.fingerprint == codebook.fingerprint
    prints = {codebook.fingerprint}
    for change in ({"generation": "other"}, {"version": 2}, {"prices": codebook.prices + np.float32(1)}):
        prints.add(dataclasses.replace(codebook, **change).fingerprint)
    assert len(prints) == 4


def test_a_codebook_comes_back_from_its_file(codebook, vectors, tmp_path):
    save_codebook(codebook, tmp_path / "book")
    opened = open_codebook(tmp_path / "book")
    assert (opened.fingerprint, opened.version, opened.generation) == (codebook.fingerprint, 1, "gen")
    assert opened.errors == codebook.errors
    np.testing.assert_array_equal(opened.encode(vectors), codebook.encode(vectors))


def test_a_damaged_file_is_refused(codebook, tmp_path):
    with pytest.raises(CodebookError, match=f"has no {FILE}"):
        open_codebook(tmp_path)
    content = to_bytes(codebook)
    changed = bytearray(content)
    changed[-3] ^= 64
    for damaged in (bytes(changed), content[:-8], b"", b"PAR1" * 8, content.replace(b'"format":"1"', b'"format":"7"')):
        with pytest.raises(CodebookError, match="somewhere"):
            from_bytes(damaged, "somewhere")


def test_what_cannot_be_coded_is_said_in_a_sentence(codebook, vectors):
    with pytest.raises(CodebookError, match="15 notes with a vector are fewer than the 16 codes of a level"):
        fit_codebook(vectors[:15], SETTINGS, "gen")
    with pytest.raises(CodebookError, match="all 40 vectors are equal"):
        fit_codebook(np.repeat(vectors[:1], 40, axis=0), SETTINGS, "gen")
    with pytest.raises(CodebookError, match="20 notes have 2 different vectors"):
        fit_codebook(np.repeat(vectors[:2], 10, axis=0), SETTINGS, "gen")
    with pytest.raises(CodebookError, match="codebook 1 is for vectors of generation gen and width 24"):
        codebook.check_generation("another", 24)
    with pytest.raises(ClusteringError, match="must be float32"):
        codebook.encode(vectors[:, :12])
    for wrong in (16, -1):
        with pytest.raises(CodebookError, match=f"{wrong} is no code of codebook 1, which has 0 to 15"):
            codebook.decode(np.array([[0, wrong]]))
    for wrong in (np.array([1, 2]), np.array([[1.0, 2.0]])):
        with pytest.raises(CodebookError, match=r"must be integers \(rows, levels\)"):
            codebook.decode(wrong)
    codebook.check_generation("gen", 24)


def test_codes_print_and_parse():
    assert print_codes((12, 7, 201, 0)) == "<a_12><b_7><c_201><d_0>"
    assert parse_codes("<a_12><b_7><c_201><d_0>") == (12, 7, 201, 0)
    for wrong in ("", "<a_1><c_2>", "<a_01>", "<a_1> <b_2>", "a_1"):
        with pytest.raises(CodesTextError):
            parse_codes(wrong)
