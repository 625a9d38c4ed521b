"""Scores of int8 codes, tile by tile: the vector primitive that a join spends its time in.

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
from numba import types

from uninote.neighbours.kernel.simd.tiles import HAS_VNNI, TILE_COLUMNS, TILE_PLACES, TILE_ROWS
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

_UNROLL = 4  # steps of four bytes in each turn of the loop over the width
_COMPRESS = "llvm.experimental.vector.compress.v32i16"
_MULTIPLY_ADD = "llvm.x86.avx512.vpdpbusd.512"
# The instruction's operands were <16 x i32> in earlier versions of LLVM.
_BYTE_OPERANDS = llvm.llvm_version_info[0] >= 22


# Ten arguments, against the habit of this project: what emits instructions takes arrays apart by their place among its
# arguments (`Emitter.array`). Out of a named tuple each array would have to be taken in IR first, once a tile of 384 scores.
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
    """Emit the loop over the width; returns 2 accumulators of 16 int32 for each of the 12 rows.

    All 24 stay in registers from the first byte to the last: nothing but codes is loaded in the loop.
    """
    builder = emit.builder
    codes, (_, width) = emit.array(0)
    packed, _ = emit.array(4)
    first = emit.move(codes, emit.times(emit.arguments[1], width))
    rows = [emit.move(first, emit.times(width, row)) for row in range(TILE_ROWS)]
    panel = emit.move(packed, emit.times(emit.arguments[5], width, TILE_COLUMNS))
    starts = _first_sums(emit)
    before = builder.block
    loop = builder.append_basic_block("width")
    after = builder.append_basic_block("scored")
    builder.branch(loop)
    builder.position_at_end(loop)
    offset = builder.phi(INT64)
    totals = [builder.phi(INTS16) for _ in starts]
    sums = totals
    for step in range(0, 4 * _UNROLL, 4):
        sums = _emit_step(emit, sums, rows, panel, emit.add(offset, step))
    following = emit.add(offset, 4 * _UNROLL)
    offset.add_incoming(ir.Constant(INT64, 0), before)
    offset.add_incoming(following, loop)
    for total, start, end in zip(totals, starts, sums, strict=True):
        total.add_incoming(start, before)
        total.add_incoming(end, loop)
    builder.cbranch(builder.icmp_signed("<", following, width), loop, after)
    builder.position_at_end(after)
    return sums


def _first_sums(emit: Emitter) -> list[Any]:
    """Emit what the accumulators start from: each row's share of the 128 that packing adds, taken off."""
    place = emit.move(emit.array(2)[0], emit.times(emit.arguments[1], 4))
    starts = []
    for row in range(TILE_ROWS):
        start = emit.splat(emit.load(place, 4 * row, INT32, 4), INTS16)
        starts += [start, start]
    return starts


def _emit_step(emit: Emitter, sums: list[Any], rows: list[Any], panel: Any, offset: Any) -> list[Any]:
    """Emit the products of four bytes of each row with the same four of each column; returns the new accumulators."""
    kind = BYTES64 if _BYTE_OPERANDS else INTS16
    place = emit.times(offset, TILE_COLUMNS)
    halves = [emit.load(panel, emit.add(place, 64 * half), kind, 64) for half in range(2)]
    added = []
    for row in range(TILE_ROWS):
        four = emit.splat(emit.load(rows[row], offset, INT32, 4), INTS16)
        other = emit.builder.bitcast(four, kind)
        for half in range(2):
            added.append(emit.call(_MULTIPLY_ADD, INTS16, sums[2 * row + half], halves[half], other))
    return added


def _emit_scores(emit: Emitter, products: list[Any]) -> list[Any]:
    """Emit scaling, storing and comparing; returns a mask of 32 bits for each side of each of the 12 rows."""
    builder = emit.builder
    scores = emit.array(7)[0]
    scales = [_of_columns(emit, 0, half) for half in range(2)]
    biases = [_of_columns(emit, 1, half) for half in range(2)]
    limits = [_of_columns(emit, 2, half) for half in range(2)]
    masks = []
    for row in range(TILE_ROWS):
        scale = _of_row(emit, 0, row)
        bias = _of_row(emit, 1, row)
        limit = _of_row(emit, 2, row)
        better: list[list[Any]] = [[], []]
        for half in range(2):
            product = builder.sitofp(products[2 * row + half], FLOATS16)
            scaled = builder.fmul(product, builder.fmul(scale, scales[half]))
            score = builder.fadd(scaled, builder.fadd(bias, biases[half]))
            emit.store(score, scores, 4 * (TILE_COLUMNS * row + 16 * half), 64)
            for side, least in enumerate((limit, limits[half])):
                bits = builder.bitcast(builder.fcmp_ordered(">", score, least), INT16)
                better[side].append(builder.zext(bits, INT32))
        for low, high in better:
            masks.append(builder.or_(low, builder.shl(high, ir.Constant(INT32, 16))))
    return masks


def _of_row(emit: Emitter, field: int, row: int) -> Any:
    """Emit one field of a row's meta, in each of 16 lanes."""
    meta, (_, rows) = emit.array(3)
    place = emit.times(4, emit.add(emit.times(rows, field), emit.arguments[1], row))
    return emit.splat(emit.load(meta, place, FLOAT, 4), FLOATS16)


def _of_columns(emit: Emitter, field: int, half: int) -> Any:
    """Emit one field of the meta of 16 of the group's columns."""
    columns, (_, width) = emit.array(6)
    place = emit.add(emit.times(width, field), emit.times(emit.arguments[5], TILE_COLUMNS), 16 * half)
    return emit.load(columns, emit.times(4, place), FLOATS16, 4)


def _emit_hits(emit: Emitter, masks: list[Any]) -> Any:
    """Emit the listing of the set bits, mask by mask, without a branch a bit; returns their number.

    One branch passes over all of it where no bit is set, as is so for most tiles once lists are full.
    """
    builder = emit.builder
    hits, _ = emit.array(8)
    some = masks[0]
    for mask in masks[1:]:
        some = builder.or_(some, mask)
    found = emit.variable(ir.Constant(INT64, 0))
    with builder.if_then(builder.icmp_unsigned("!=", some, ir.Constant(INT32, 0))):
        count: Any = ir.Constant(INT64, 0)
        for number, mask in enumerate(masks):
            first = TILE_COLUMNS * (number // 2) + TILE_PLACES * (number % 2)
            places = ir.Constant(SHORTS32, list(range(first, first + TILE_COLUMNS)))
            unused = ir.Constant(SHORTS32, ir.Undefined)
            # The places of the set bits move to the front; all 32 are stored, and the next mask's overwrite the rest.
            chosen = emit.call(_COMPRESS, SHORTS32, places, builder.bitcast(mask, BITS32), unused)
            emit.store(chosen, hits, emit.times(count, 2), 2)
            count = emit.add(count, builder.zext(emit.call("llvm.ctpop.i32", INT32, mask), INT64))
        builder.store(count, found)
    return builder.load(found, typ=INT64)


# As many arguments as the other has: `score_rows` chooses between the two by one branch.
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
    count = 0
    first = group * TILE_COLUMNS
    # The room for scores holds the products until they are scaled.
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


# The other may not even compile here.
score_tile_fast = score_tile_vnni if HAS_VNNI else score_tile_portable
