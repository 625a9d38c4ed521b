"""Each vector primitive against its plain numpy reference, at every shape that its loops distinguish."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit, types

from uninote.neighbours.kernel.simd import lists as simd_lists
from uninote.neighbours.kernel.simd import rows as simd_rows
from uninote.neighbours.kernel.simd import scores as simd_scores
from uninote.neighbours.kernel.simd import tiles as simd
from uninote.neighbours.kernel.simd.vector_ir import FLOATS16, HALVES16, Emitter, compiled, emitted


@compiled
def run_vnni(codes, row, sums, meta, packed, group, columns, scores, hits):
    return simd_scores.score_tile_vnni(codes, row, sums, meta, packed, group, columns, scores, hits)


@compiled
def run_pack(codes, row, packed, group):
    simd.pack_rows(codes, row, packed, group)


@compiled
def run_copy(target, to, source, origin):
    simd_rows.copy_row(target, to, source, origin)


@compiled
def run_insert(lists, row, key):
    simd_lists.prefetch_row(lists, row)
    return simd_lists.insert_key(lists, row, key)


@compiled
def run_dot(vectors, left, right):
    return simd_rows.dot_rows(vectors, left, right)


@compiled
def run_widen(vectors, row, out):
    simd_rows.widen_row(vectors, row, out)


@compiled
def run_push(scores, best, first, low):
    simd_lists.push_best(scores, best, first, low)


@compiled
def run_take(best, row):
    return simd_lists.take_best(best, row)


TILES = [simd_scores.score_tile_portable, *([run_vnni] if simd.HAS_VNNI else [])]


def aligned(array):
    copy = simd.aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def make_meta(generator, rows):
    meta = generator.standard_normal((3, rows)).astype(np.float32)
    meta[0] = np.abs(meta[0]) / 1e4
    return meta


@pytest.mark.parametrize("run", TILES)
@pytest.mark.parametrize("width", [64, 128, 832])
def test_score_tile_equals_its_reference_bit_for_bit(run, width):
    generator = np.random.default_rng(width)
    codes = aligned(generator.integers(-127, 128, (30, width)).astype(np.int8))
    codes[:2] = [[127], [-127]]  # the extremes, where a saturating instruction would be found out
    others = aligned(generator.integers(-127, 128, (96, width)).astype(np.int8))
    others[32:34] = [[127], [-127]]
    meta, columns = make_meta(generator, 30), make_meta(generator, 96)
    columns[2, 40], meta[2, 3], columns[1, 63] = np.inf, -np.inf, -np.inf
    packed = aligned(np.stack([simd.pack_rows_reference(others[start : start + 32]) for start in (0, 32, 64)]))
    sums = (-128 * codes.sum(axis=1, dtype=np.int64)).astype(np.int32)
    for row, group in ((0, 1), (18, 0), (5, 2)):
        scores, hits = aligned(np.zeros((12, 32), np.float32)), np.zeros(simd.HIT_SLOTS, np.uint16)
        found = run(codes, row, sums, meta, packed, group, columns, scores, hits)
        rows, beside = slice(row, row + 12), slice(32 * group, 32 * group + 32)
        expected = simd_scores.score_tile_reference(codes[rows], meta[:, rows], others[beside], columns[:, beside])
        np.testing.assert_array_equal(scores, expected[0])
        np.testing.assert_array_equal(hits[:found], expected[1])
        assert 0 < found < 700


def test_a_tile_may_be_all_hits_or_none():
    codes, packed = aligned(np.ones((12, 64), np.int8)), aligned(np.full((1, 16, 32, 4), 129, np.uint8))
    sums, meta = np.full(12, -128 * 64, np.int32), np.ones((3, 12), np.float32)
    scores, hits = aligned(np.zeros((12, 32), np.float32)), np.zeros(simd.HIT_SLOTS, np.uint16)
    for tile in TILES:
        for limit, count in ((0, 768), (66, 0), (65.5, 768)):
            columns = np.ones((3, 32), np.float32)
            meta[2], columns[2] = limit, limit
            assert tile(codes, 0, sums, meta, packed, 0, columns, scores, hits) == count
    assert (scores == 66).all()


@pytest.mark.parametrize("width", [64, 192, 448])
def test_pack_rows_equals_its_reference(width):
    codes = aligned(np.random.default_rng(0).integers(-128, 128, (70, width)).astype(np.int8))
    packed = aligned(np.zeros((2, width // 4, 32, 4), np.uint8))
    run_pack(codes, 7, packed, 1)
    np.testing.assert_array_equal(packed[1], simd.pack_rows_reference(codes[7:39]))
    assert not packed[0].any()


def test_copy_row_copies_one_row():
    source = aligned(np.random.default_rng(0).integers(-128, 128, (3, 192)).astype(np.int8))
    target = aligned(np.zeros((4, 192), np.int8))
    run_copy(target, 2, source, 1)
    np.testing.assert_array_equal(target[2], source[1])
    assert not np.delete(target, 2, axis=0).any()


@pytest.mark.parametrize("length", [8, 24])
def test_insert_key_equals_its_reference(length):
    generator = np.random.default_rng(length)
    lists = aligned(np.full((3, length), -(2**62), np.int64))
    held = lists[1].copy()
    for key in generator.integers(-100, 100, 400):
        held = simd_lists.insert_key_reference(held, key)
        assert run_insert(lists, 1, key) == held[-1]
        np.testing.assert_array_equal(lists[1], held)
    assert (lists[[0, 2]] == -(2**62)).all()
    assert len(set(held >> 1)) == length


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("width", [1, 15, 16, 37, 384])
def test_dot_rows_equals_its_reference(dtype, width):
    vectors = np.random.default_rng(width).standard_normal((4, width)).astype(dtype)
    plain = vectors.view(np.uint16) if dtype == np.float16 else vectors
    assert run_dot(plain, 1, 3) == pytest.approx(simd_rows.dot_rows_reference(vectors, 1, 3), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("width", [1, 16, 37])
def test_widen_row_gives_the_float32_row(dtype, width):
    vectors = np.random.default_rng(width).standard_normal((3, width)).astype(dtype)
    out = np.zeros(width, np.float32)
    run_widen(vectors.view(np.uint16) if dtype == np.float16 else vectors, 1, out)
    np.testing.assert_array_equal(out, vectors[1].astype(np.float32))


def widening(native):
    """Return a compiled function that writes 16 float16, viewed as uint16, as float32."""

    @emitted
    def widen(typing, halves, out):
        def codegen(context, builder, signature, arguments):
            emit = Emitter(context, builder, signature, arguments)
            halves = emit.load(emit.array(0)[0], 0, HALVES16, 2)
            emit.store(simd_rows.as_float(emit, halves, FLOATS16, native), emit.array(1)[0], 0, 4)
            return context.get_dummy_value()

        return types.void(halves, out), codegen

    return njit(lambda halves, out: widen(halves, out))


@pytest.mark.parametrize("native", [False, *([True] if simd.HAS_HALF else [])])
def test_every_float16_becomes_the_same_float32(native):
    run, every = widening(native), np.arange(2**16, dtype=np.uint16)
    out = np.zeros(2**16, np.float32)
    for start in range(0, 2**16, 16):
        run(every[start : start + 16], out[start : start + 16])
    expected = every.view(np.float16).astype(np.float32)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(expected))
    np.testing.assert_array_equal(out[~np.isnan(out)].view(np.uint32), expected[~np.isnan(out)].view(np.uint32))


def test_arrays_with_gaps_do_not_compile():
    with pytest.raises(TypeError, match="C-contiguous"):
        run_dot(np.zeros((4, 8), np.float32)[:, ::2], 0, 1)


@pytest.mark.parametrize("fan", [1, 2, 5])
def test_the_best_few_of_each_lane_and_then_of_all(fan):
    generator = np.random.default_rng(fan)
    best = aligned(np.full((12, fan, 32), -(2**31), np.int32))
    expected = best.copy()
    tiles = [generator.standard_normal((12, 32)).astype(np.float32) for _ in range(4)]
    tiles[1][:, 3] = -np.inf
    for number, scores in enumerate(tiles):
        run_push(aligned(scores), best, 32 * number, 127)
        expected = simd_lists.push_best_reference(scores, expected, 32 * number, 127)
        np.testing.assert_array_equal(best, expected)
    everything = np.concatenate(tiles, axis=1)
    for row in (0, 11):
        held = best[row].copy()
        taken = [run_take(best, row) for _ in range(fan)]
        assert taken == sorted(held.ravel(), reverse=True)[:fan]
        places = [most & 127 for most in taken]
        np.testing.assert_allclose(everything[row, places], np.sort(everything[row])[::-1][:fan], rtol=1e-4)
