"""Scores of int8 codes, tile by tile: the vector primitive that a join spends its time in.

This, `rows` and `lists` are all of the kernel that is written in instructions; each of their functions has a
plain numpy reference beside it.

On a CPU with AVX-512 VNNI one instruction multiplies 64 pairs of bytes, unsigned by signed, and adds fours of them into
16 int32 lanes. `pack_rows` therefore interleaves 32 rows by fours of bytes, so that a lane is a row and no sum ever runs
across lanes, and stores them unsigned as code + 128; the surplus 128 * sum(other row) comes off through `sums`.
Everything but that one instruction compiles on any CPU, and `score_tile_portable` computes the same bits without it.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import codegen as untyped_codegen

from uninote.neighbours.kernel.simd.vector_ir import (
    BITS32,
    BYTES64,
    FLOAT,
    FLOATS16,
    INT16,
    INT32,
    INT64,
    INTS16,
    SHORTS32,
    Emitter,
    borrowing,
    emitted,
)

TILE_ROWS = 12  # 12 x 2 accumulators, 2 packed vectors and a few temporaries fill the 32 registers
TILE_COLUMNS = 32
TILE_PLACES = 512  # a hit is its place in the 12 x 32 tile, plus this where it is the column's
HIT_SLOTS = 2 * TILE_ROWS * TILE_COLUMNS + TILE_COLUMNS  # a row's hits are stored as a whole vector, past the count
_codegen: Any = untyped_codegen
_CHOSEN: str | None = vars(config)["CPU_FEATURES"]  # NUMBA_CPU_FEATURES, where it is set
_FEATURES = set((_codegen.get_host_cpu_features() if _CHOSEN is None else _CHOSEN).split(","))
HAS_VNNI = {"+avx512vnni", "+avx512bw"} <= _FEATURES  # of the CPU that numba compiles for
HAS_HALF = "+f16c" in _FEATURES  # without it LLVM would call a function that numba does not bring
_UNROLL = 4
_COMPRESS = "llvm.experimental.vector.compress.v32i16"
_MULTIPLY_ADD = "llvm.x86.avx512.vpdpbusd.512"
_BYTE_OPERANDS = llvm.llvm_version_info[0] >= 22  # the instruction's operands were <16 x i32> before


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an uninitialised array that starts on a cache line, as the primitives expect of what they load."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    aligned: np.ndarray = memory[start : start + size].view(dtype).reshape(shape)
    return aligned


@emitted
def score_tile_vnni(
    typing: Any,
    codes: Any,
    row: Any,
    sums: Any,
    meta: Any,
    packed: Any,
    group: Any,
    columns: Any,
    scores: Any,
    hits: Any,
) -> Any:
    """Score 12 rows against 32 packed ones and list the pairs worth a look; see `score_tile_reference`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        products = _emit_products(emit)
        return _emit_hits(emit, _emit_scores(emit, products))

    return types.int64(codes, types.intp, sums, meta, packed, types.intp, columns, scores, hits), codegen


def _emit_products(emit: Emitter) -> list[Any]:
    """Emit the loop over the width; returns 2 accumulators of 16 int32 for each of the 12 rows."""
    builder, (codes, (_, width)), (packed, _) = emit.builder, emit.array(0), emit.array(4)
    first = emit.move(codes, emit.times(emit.arguments[1], width))
    rows = [emit.move(first, emit.times(width, row)) for row in range(TILE_ROWS)]
    panel = emit.move(packed, emit.times(emit.arguments[5], width, TILE_COLUMNS))
    sums = emit.move(emit.array(2)[0], emit.times(emit.arguments[1], 4))
    starts = [emit.splat(emit.load(sums, 4 * row, INT32, 4), INTS16) for row in range(TILE_ROWS) for _ in range(2)]
    before, loop, after = builder.block, builder.append_basic_block("width"), builder.append_basic_block("scored")
    builder.branch(loop)
    builder.position_at_end(loop)
    offset, totals = builder.phi(INT64), [builder.phi(INTS16) for _ in starts]
    sums_now: list[Any] = list(totals)
    kind = BYTES64 if _BYTE_OPERANDS else INTS16
    for step in range(0, 4 * _UNROLL, 4):
        place = emit.times(emit.add(offset, step), TILE_COLUMNS)
        halves = [emit.load(panel, emit.add(place, 64 * half), kind, 64) for half in range(2)]
        for row in range(TILE_ROWS):
            four = emit.splat(emit.load(rows[row], emit.add(offset, step), INT32, 4), INTS16)
            for half in range(2):
                slot, other = 2 * row + half, builder.bitcast(four, kind)
                sums_now[slot] = emit.call(_MULTIPLY_ADD, INTS16, sums_now[slot], halves[half], other)
    following = emit.add(offset, 4 * _UNROLL)
    for phi, start, end in zip(
        [offset, *totals], [ir.Constant(INT64, 0), *starts], [following, *sums_now], strict=True
    ):
        phi.add_incoming(start, before)
        phi.add_incoming(end, loop)
    builder.cbranch(builder.icmp_signed("<", following, width), loop, after)
    builder.position_at_end(after)
    return sums_now


def _emit_scores(emit: Emitter, products: list[Any]) -> list[Any]:
    """Emit scaling, storing and comparing; returns a mask of 32 bits for each of the 12 rows."""
    builder, (meta, (_, rows)), (columns, (_, width)) = emit.builder, emit.array(3), emit.array(6)
    scores = emit.array(7)[0]

    def own(field: int, row: int) -> Any:
        return emit.splat(
            emit.load(meta, emit.times(4, emit.add(emit.times(rows, field), emit.arguments[1], row)), FLOAT, 4),
            FLOATS16,
        )

    def other(field: int, half: int) -> Any:
        place = emit.add(emit.times(width, field), emit.times(emit.arguments[5], TILE_COLUMNS), 16 * half)
        return emit.load(columns, emit.times(4, place), FLOATS16, 4)

    scales, biases, limits = ([other(field, half) for half in range(2)] for field in range(3))
    masks = []
    for row in range(TILE_ROWS):
        scale, bias, limit = (own(field, row) for field in range(3))
        better: list[list[Any]] = [[], []]
        for half in range(2):
            product = builder.sitofp(products[2 * row + half], FLOATS16)
            scaled = builder.fmul(product, builder.fmul(scale, scales[half]))
            score = builder.fadd(scaled, builder.fadd(bias, biases[half]))
            emit.store(score, scores, 4 * (TILE_COLUMNS * row + 16 * half), 64)
            for side, least in enumerate((limit, limits[half])):
                bits = builder.bitcast(builder.fcmp_ordered(">", score, least), INT16)
                better[side].append(builder.zext(bits, INT32))
        masks += [builder.or_(low, builder.shl(high, ir.Constant(INT32, 16))) for low, high in better]
    return masks


def _emit_hits(emit: Emitter, masks: list[Any]) -> Any:
    """Emit the listing of the set bits, mask by mask, without a branch a bit; returns their number."""
    builder, (hits, _) = emit.builder, emit.array(8)
    some = masks[0]
    for mask in masks[1:]:
        some = builder.or_(some, mask)
    found = emit.variable(ir.Constant(INT64, 0))
    with builder.if_then(builder.icmp_unsigned("!=", some, ir.Constant(INT32, 0))):
        count: Any = ir.Constant(INT64, 0)
        for number, mask in enumerate(masks):
            first = TILE_COLUMNS * (number // 2) + TILE_PLACES * (number % 2)
            places = ir.Constant(SHORTS32, [first + column for column in range(TILE_COLUMNS)])
            unused = ir.Constant(SHORTS32, ir.Undefined)
            chosen = emit.call(_COMPRESS, SHORTS32, places, builder.bitcast(mask, BITS32), unused)
            emit.store(chosen, hits, emit.times(count, 2), 2)
            count = emit.add(count, builder.zext(emit.call("llvm.ctpop.i32", INT32, mask), INT64))
        builder.store(count, found)
    return builder.load(found, typ=INT64)


@borrowing
def score_tile_portable(
    codes: np.ndarray,
    row: int,
    sums: np.ndarray,
    meta: np.ndarray,
    packed: np.ndarray,
    group: int,
    columns: np.ndarray,
    scores: np.ndarray,
    hits: np.ndarray,
) -> int:
    """As `score_tile_vnni`, bit for bit, on any CPU."""
    count, first = 0, group * TILE_COLUMNS
    products = scores.view(np.int32)
    for i in range(TILE_ROWS):
        products[i] = sums[row + i]
        for four in range(packed.shape[1]):
            for byte in range(4):
                code = np.int32(codes[row + i, 4 * four + byte])
                for j in range(TILE_COLUMNS):
                    products[i, j] += code * np.int32(packed[group, four, j, byte])
        for j in range(TILE_COLUMNS):
            scaled = np.float32(products[i, j]) * (meta[0, row + i] * columns[0, first + j])
            scores[i, j] = scaled + (meta[1, row + i] + columns[1, first + j])
        for j in range(TILE_COLUMNS):
            if scores[i, j] > meta[2, row + i]:
                hits[count] = i * TILE_COLUMNS + j
                count += 1
        for j in range(TILE_COLUMNS):
            if scores[i, j] > columns[2, first + j]:
                hits[count] = i * TILE_COLUMNS + j + TILE_PLACES
                count += 1
    return count


def score_tile_reference(
    codes: np.ndarray, meta: np.ndarray, others: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (scores float32 (12, 32), hits).

    `codes` int8 (12, width) with `meta` float32 (3, 12): scale, bias, limit; `others` and `columns` likewise for 32
    rows. score = product * (scale * scale') + (bias + bias'). A hit is a place in the tile whose score beats the
    row's limit, or, plus TILE_PLACES, the column's; row by row, a row's own hits first.
    """
    products = codes.astype(np.int32) @ others.astype(np.int32).T
    scores = products.astype(np.float32) * np.multiply.outer(meta[0], columns[0]) + np.add.outer(meta[1], columns[1])
    better = np.stack([scores > meta[2][:, None], scores > columns[2]], axis=1)
    row, side, column = np.nonzero(better)
    return scores, row * TILE_COLUMNS + side * TILE_PLACES + column


score_tile_fast = score_tile_vnni if HAS_VNNI else score_tile_portable  # the other may not even compile here


@emitted
def pack_rows(typing: Any, codes: Any, row: Any, packed: Any, group: Any) -> Any:
    """Interleave codes[row : row + 32] into packed[group]; see `pack_rows_reference`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        (codes, (_, width)), (packed, _) = emit.array(0), emit.array(2)
        source = emit.move(codes, emit.times(arguments[1], width))
        target = emit.move(packed, emit.times(arguments[3], width, TILE_COLUMNS))
        unsigned = ir.Constant(INTS16, [-0x7F7F7F80] * 16)  # 0x80808080: adds 128 to each of four bytes
        with emit.loop(builder.udiv(width, ir.Constant(INT64, 64))) as step:
            offset = emit.times(step.index, 64)
            for half in range(2):
                places = [emit.add(offset, emit.times(width, 16 * half + row)) for row in range(16)]
                vectors = [builder.xor(emit.load(source, place, INTS16), unsigned) for place in places]
                for four, vector in enumerate(_transposed(emit, vectors)):
                    emit.store(vector, target, emit.add(emit.times(offset, TILE_COLUMNS), 128 * four + 64 * half), 64)
        return context.get_dummy_value()

    return types.void(codes, types.intp, packed, types.intp), codegen


def _transposed(emit: Emitter, vectors: list[Any]) -> list[Any]:
    """Emit the transpose of 16 vectors of 16: four rounds, each interleaving the first eight with the last."""
    low = [lane for pair in range(8) for lane in (pair, pair + 16)]
    high = [lane + 8 for lane in low]
    for _ in range(4):
        vectors = [emit.shuffle(vectors[i], vectors[i + 8], lanes) for i in range(8) for lanes in (low, high)]
    return vectors


def pack_rows_reference(codes: np.ndarray) -> np.ndarray:
    """Return uint8 (width / 4, 32, 4) of codes int8 (32, width): fours of bytes side by side, plus 128."""
    fours = codes.reshape(TILE_COLUMNS, -1, 4).transpose(1, 0, 2)
    return (fours.astype(np.int16) + 128).astype(np.uint8)
