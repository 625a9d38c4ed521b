"""Vector primitives on single rows, each with a plain numpy reference beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from uninote.neighbours.kernel.simd.tiles import HAS_HALF
from uninote.neighbours.kernel.simd.vector_ir import (
    FLOAT,
    FLOATS16,
    HALVES16,
    INT16,
    INT32,
    INT64,
    INTS16,
    SHORTS16,
    Emitter,
    cgutils,
    emitted,
)

_HALF_MAGNITUDE = 0x7FFF
_HALF_INFINITY = 0x7C00
_INFINITY = 0x7F800000
# The exponents of float32 and float16 are counted from 127 and from 15.
_REBIAS = 2.0**112


@emitted
def copy_row(typing: Any, target: Any, to: Any, source: Any, origin: Any) -> Any:
    """target[to] = source[origin] of int8 rows of whole vectors: numba's own slice copy goes byte by byte."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        target, (_, width) = emit.array(0)
        source, _ = emit.array(2)
        to = emit.times(arguments[1], width)
        origin = emit.times(arguments[3], width)
        # Codes are padded to whole vectors, so there is no rest to copy byte by byte.
        with emit.loop(builder.udiv(width, ir.Constant(INT64, 64))) as step:
            offset = emit.times(step.index, 64)
            emit.store(emit.load(source, emit.add(origin, offset), INTS16, 64), target, emit.add(to, offset), 64)
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp), codegen


@emitted
def widen_row(typing: Any, vectors: Any, row: Any, out: Any) -> Any:
    """out[:] = vectors[row] as float32, from float32 or from float16 viewed as uint16, which numba cannot read."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        vectors, (_, width) = emit.array(0)
        out, _ = emit.array(2)
        size, kind = (2, HALVES16) if signature.args[0].dtype == types.uint16 else (4, FLOATS16)
        source = emit.move(vectors, emit.times(arguments[1], width, size))
        full = builder.udiv(width, ir.Constant(INT64, 16))
        rest = builder.urem(width, ir.Constant(INT64, 16))
        for count, first, lanes, held, wide in (
            (full, 0, 16, kind, FLOATS16),
            (rest, emit.times(full, 16), 1, kind.element, FLOAT),
        ):
            with emit.loop(count) as step:
                place = emit.add(first, emit.times(step.index, lanes))
                value = emit.load(source, emit.times(place, size), held, size)
                emit.store(as_float(emit, value, wide), out, emit.times(place, 4), 4)
        return context.get_dummy_value()

    return types.void(vectors, types.intp, out), codegen


@emitted
def dot_rows(typing: Any, vectors: Any, left: Any, right: Any) -> Any:
    """Inner product, float32, of two rows of float32, or of float16 viewed as uint16; see `dot_rows_reference`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        vectors, (_, width) = emit.array(0)
        size, kind = (2, HALVES16) if signature.args[0].dtype == types.uint16 else (4, FLOATS16)
        left = emit.move(vectors, emit.times(arguments[1], width, size))
        right = emit.move(vectors, emit.times(arguments[2], width, size))
        full = builder.udiv(width, ir.Constant(INT64, 16))
        rest = builder.urem(width, ir.Constant(INT64, 16))
        total = emit.variable(ir.Constant(FLOATS16, [0.0] * 16))
        with emit.loop(full) as step:
            place = emit.times(step.index, 16 * size)
            one = as_float(emit, emit.load(left, place, kind, size), FLOATS16)
            two = as_float(emit, emit.load(right, place, kind, size), FLOATS16)
            held = builder.load(total, typ=FLOATS16)
            builder.store(emit.call("llvm.fmuladd.v16f32", FLOATS16, one, two, held), total)
        lanes = [ir.Constant(FLOAT, 0.0), builder.load(total, typ=FLOATS16)]
        adder = ir.FunctionType(FLOAT, [FLOAT, FLOATS16])
        reduce = cgutils.get_or_insert_function(builder.module, adder, "llvm.vector.reduce.fadd.v16f32")
        # In any order: four additions of halves instead of sixteen, each waiting for the one before.
        result = emit.variable(builder.call(reduce, lanes, fastmath=("reassoc",)))
        with emit.loop(rest) as step:
            place = emit.times(emit.add(emit.times(full, 16), step.index), size)
            one = as_float(emit, emit.load(left, place, kind.element, size), FLOAT)
            two = as_float(emit, emit.load(right, place, kind.element, size), FLOAT)
            builder.store(builder.fadd(builder.load(result, typ=FLOAT), builder.fmul(one, two)), result)
        return builder.load(result, typ=FLOAT)

    return types.float32(vectors, types.intp, types.intp), codegen


def as_float(emit: Emitter, value: Any, wide: Any, native: bool = HAS_HALF) -> Any:
    """Emit a float32, or 16 of them, from the like, or from float16: by integers where no instruction does that."""
    builder = emit.builder
    if value.type == wide:
        return value
    if native:
        return builder.fpext(value, wide)
    shorts, longs = (SHORTS16, INTS16) if wide == FLOATS16 else (INT16, INT32)

    def constant(number: int) -> Any:
        return ir.Constant(longs, [number] * 16 if wide == FLOATS16 else number)

    bits = builder.zext(builder.bitcast(value, shorts), longs)
    magnitude = builder.and_(bits, constant(_HALF_MAGNITUDE))
    sign = builder.shl(builder.xor(bits, magnitude), constant(16))
    # The bits of a float16 moved up to where a float32 has them: right but for the bias of the exponent, which one product
    # puts right, subnormal numbers included.
    small = builder.bitcast(builder.shl(magnitude, constant(13)), wide)
    scaled = builder.fmul(small, ir.Constant(wide, [_REBIAS] * 16 if wide == FLOATS16 else _REBIAS))
    finite = builder.bitcast(scaled, longs)
    special = builder.icmp_unsigned(">=", magnitude, constant(_HALF_INFINITY))
    chosen = builder.select(special, builder.or_(finite, constant(_INFINITY)), finite)
    return builder.bitcast(builder.or_(chosen, sign), wide)


def dot_rows_reference(vectors: np.ndarray, left: int, right: int) -> np.float32:
    """Return the inner product of two rows of float16 or float32, to within the order of the additions."""
    return np.float32(vectors[left].astype(np.float64) @ vectors[right].astype(np.float64))
