"""Vector primitives on sorted lists, each with a plain numpy reference beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from uninote.neighbours.kernel.simd.tiles import TILE_COLUMNS
from uninote.neighbours.kernel.simd.vector_ir import BITS8, BYTE, INT32, INT64, INTS16, LONGS8, Emitter, emitted


@emitted
def prefetch_row(typing: Any, lists: Any, row: Any) -> Any:
    """Ask for a row of int64 to be brought near: rows of a leaf come from anywhere, and soon."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        lists, (_, length) = emit.array(0)
        keys = emit.move(lists, emit.times(arguments[1], length, 8))
        with emit.loop(builder.udiv(length, ir.Constant(INT64, 8))) as step:
            # Eight keys are one cache line.
            place = emit.move(keys, emit.times(step.index, 64))
            read = ir.Constant(INT32, 0)
            near = ir.Constant(INT32, 2)
            data = ir.Constant(INT32, 1)
            emit.call("llvm.prefetch.p0", ir.VoidType(), place, read, near, data)
        return context.get_dummy_value()

    return types.void(lists, types.intp), codegen


@emitted
def insert_key(typing: Any, lists: Any, row: Any, key: Any) -> Any:
    """Insert into a sorted row of keys and return the row's last key; see `insert_key_reference`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        lists, (_, length) = emit.array(0)
        keys = emit.move(lists, emit.times(arguments[1], length, 8))
        vectors = builder.udiv(length, ir.Constant(INT64, 8))
        wanted = emit.splat(arguments[2], LONGS8)
        # A pair is found again and again, in several leaves: most keys that come are there already.
        same = emit.variable(ir.Constant(BITS8, [0] * 8))
        with emit.loop(vectors) as step:
            held = emit.load(keys, emit.times(step.index, 64), LONGS8, 64)
            differs = builder.and_(builder.xor(held, wanted), ir.Constant(LONGS8, [-2] * 8))
            equal = builder.icmp_signed("==", differs, ir.Constant(LONGS8, [0] * 8))
            builder.store(builder.or_(builder.load(same, typ=equal.type), equal), same)
        present = builder.bitcast(builder.load(same, typ=BITS8), BYTE)
        with builder.if_then(builder.icmp_unsigned("==", present, ir.Constant(BYTE, 0))):
            # No search for the place, no branch: each entry becomes the middle one of itself, the one before it and the
            # new key, eight entries at a time.
            before = emit.variable(ir.Constant(LONGS8, [2**63 - 1] * 8))
            with emit.loop(vectors) as step:
                held = emit.load(keys, emit.times(step.index, 64), LONGS8, 64)
                shifted = emit.shuffle(builder.load(before, typ=LONGS8), held, range(7, 15))
                lower = emit.call("llvm.smin.v8i64", LONGS8, shifted, wanted)
                emit.store(emit.call("llvm.smax.v8i64", LONGS8, held, lower), keys, emit.times(step.index, 64), 64)
                builder.store(held, before)
        return emit.load(keys, emit.times(emit.add(length, -1), 8), INT64, 8)

    return types.int64(lists, types.intp, types.int64), codegen


def insert_key_reference(held: np.ndarray, key: int) -> np.ndarray:
    """Return `held`, descending int64 keys, with `key` in place and the last one dropped.

    Unchanged where a key that differs at most in its lowest bit, a flag, is there already. The length is a multiple
    of 8.
    """
    if ((held ^ key) & ~1 == 0).any():
        return held
    return np.sort(np.append(held, key))[::-1][:-1]


@emitted
def push_best(typing: Any, scores: Any, best: Any, first: Any, low: Any) -> Any:
    """Push a tile of scores into each lane's best few; see `push_best_reference`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        scores, _ = emit.array(0)
        best, (rows, fan, _) = emit.array(1)
        place = builder.trunc(arguments[2], INT32)
        low = builder.trunc(arguments[3], INT32)
        high = emit.splat(builder.not_(low), INTS16)
        with emit.loop(rows) as row:
            for half in range(2):
                bits = emit.load(scores, emit.add(emit.times(row.index, 4 * TILE_COLUMNS), 64 * half), INTS16, 64)
                negative = builder.ashr(bits, ir.Constant(INTS16, [31] * 16))
                ordered = builder.xor(bits, builder.and_(negative, ir.Constant(INTS16, [2**31 - 1] * 16)))
                lanes = ir.Constant(INTS16, list(range(16 * half, 16 * half + 16)))
                named = builder.or_(builder.and_(ordered, high), builder.add(emit.splat(place, INTS16), lanes))
                offered = emit.variable(named)
                with emit.loop(fan) as slot:
                    place_held = emit.times(emit.add(emit.times(row.index, fan), slot.index), 4 * TILE_COLUMNS)
                    held = emit.load(best, emit.add(place_held, 64 * half), INTS16, 64)
                    new = builder.load(offered, typ=INTS16)
                    # The greater one stays in the slot, the lesser one is offered to the next: an insertion without a branch.
                    greater = emit.call("llvm.smax.v16i32", INTS16, held, new)
                    emit.store(greater, best, emit.add(place_held, 64 * half), 64)
                    builder.store(emit.call("llvm.smin.v16i32", INTS16, held, new), offered)
        return context.get_dummy_value()

    return types.void(scores, best, types.intp, types.intp), codegen


def push_best_reference(scores: np.ndarray, best: np.ndarray, first: int, low: int) -> np.ndarray:
    """Return `best`, int32 (rows, fan, 32), after `scores`, float32 (rows, 32), are pushed into it, best first.

    What is held is a score's bits made sortable, its lowest bits, those of `low`, giving way to the place first + lane.
    """
    bits = scores.view(np.int32)
    named = (np.where(bits < 0, bits ^ (2**31 - 1), bits) & ~low) | (first + np.arange(TILE_COLUMNS))
    return -np.sort(-np.concatenate([best, named[:, None]], axis=1).astype(np.int64), axis=1)[:, :-1].astype(np.int32)


@emitted
def take_best(typing: Any, best: Any, row: Any) -> Any:
    """Return the greatest of best[row], int32 (fan, 32), and put the least int32 in its place."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        best, (_, fan, _) = emit.array(0)
        held = emit.move(best, emit.times(arguments[1], fan, 4 * TILE_COLUMNS))
        least = ir.Constant(INTS16, [-(2**31)] * 16)
        most = emit.variable(least)
        with emit.loop(emit.times(fan, 2)) as step:
            here = emit.load(held, emit.times(step.index, 64), INTS16, 64)
            builder.store(emit.call("llvm.smax.v16i32", INTS16, builder.load(most, typ=INTS16), here), most)
        greatest = emit.call("llvm.vector.reduce.smax.v16i32", INT32, builder.load(most, typ=INTS16))
        with emit.loop(emit.times(fan, 2)) as step:
            here = emit.load(held, emit.times(step.index, 64), INTS16, 64)
            taken = builder.icmp_signed("==", here, emit.splat(greatest, INTS16))
            emit.store(builder.select(taken, least, here), held, emit.times(step.index, 64), 64)
        return greatest

    return types.int32(best, types.intp), codegen
