"""Tiles: the shape in which codes are scored, and how rows are packed to be the columns of tiles.

This, `scores`, `rows` and `lists` are all of the kernel that is written in instructions; each of their functions has a
plain numpy reference beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import codegen as untyped_codegen

from uninote.neighbours.kernel.simd.vector_ir import INT64, INTS16, Emitter, emitted

# 12 x 2 accumulators, 2 packed vectors and a few temporaries fill the 32 registers of AVX-512.
TILE_ROWS = 12
TILE_COLUMNS = 32
# A hit is its place in the 12 x 32 tile, plus this where it is the column's.
TILE_PLACES = 512
# A row's hits are stored as one vector of 32, past the count: the last row's need room too.
HIT_SLOTS = 2 * TILE_ROWS * TILE_COLUMNS + TILE_COLUMNS
_codegen: Any = untyped_codegen
_CHOSEN: str | None = vars(config)["CPU_FEATURES"]  # NUMBA_CPU_FEATURES, where it is set
_FEATURES = set((_codegen.get_host_cpu_features() if _CHOSEN is None else _CHOSEN).split(","))
# Of the CPU that numba compiles for.
HAS_VNNI = {"+avx512vnni", "+avx512bw"} <= _FEATURES
# Without the instruction LLVM would call a function that numba does not bring.
HAS_HALF = "+f16c" in _FEATURES


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an uninitialised array that starts on a cache line, as the primitives expect of what they load."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    # numpy promises 16 bytes, and a load that crosses a cache line costs two.
    memory = np.empty(size + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    aligned: np.ndarray = memory[start : start + size].view(dtype).reshape(shape)
    return aligned


@emitted
def pack_rows(typing: Any, codes: Any, row: Any, packed: Any, group: Any) -> Any:
    """Interleave codes[row : row + 32] into packed[group]; see `pack_rows_reference`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        codes, (_, width) = emit.array(0)
        packed, _ = emit.array(2)
        source = emit.move(codes, emit.times(arguments[1], width))
        target = emit.move(packed, emit.times(arguments[3], width, TILE_COLUMNS))
        # 0x80 in every byte, which adds 128: VPDPBUSD multiplies unsigned bytes by signed ones.
        # `Codes.sums` takes off again what that adds to each product.
        unsigned = ir.Constant(INTS16, [-0x7F7F7F80] * 16)
        with emit.loop(builder.udiv(width, ir.Constant(INT64, 64))) as step:
            offset = emit.times(step.index, 64)
            for half in range(2):
                vectors = []
                for row in range(16 * half, 16 * half + 16):
                    place = emit.add(offset, emit.times(width, row))
                    vectors.append(builder.xor(emit.load(source, place, INTS16), unsigned))
                for four, vector in enumerate(_transposed(emit, vectors)):
                    emit.store(vector, target, emit.add(emit.times(offset, TILE_COLUMNS), 128 * four + 64 * half), 64)
        return context.get_dummy_value()

    return types.void(codes, types.intp, packed, types.intp), codegen


def _transposed(emit: Emitter, vectors: list[Any]) -> list[Any]:
    """Emit the transpose of 16 vectors of 16: four rounds, each interleaving the first eight with the last."""
    low = []
    for pair in range(8):
        low += [pair, pair + 16]
    high = [lane + 8 for lane in low]
    for _ in range(4):
        interleaved = []
        for first in range(8):
            interleaved.append(emit.shuffle(vectors[first], vectors[first + 8], low))
            interleaved.append(emit.shuffle(vectors[first], vectors[first + 8], high))
        vectors = interleaved
    return vectors


def pack_rows_reference(codes: np.ndarray) -> np.ndarray:
    """Return uint8 (width / 4, 32, 4) of codes int8 (32, width): fours of bytes side by side, plus 128."""
    fours = codes.reshape(TILE_COLUMNS, -1, 4).transpose(1, 0, 2)
    return (fours.astype(np.int16) + 128).astype(np.uint8)
