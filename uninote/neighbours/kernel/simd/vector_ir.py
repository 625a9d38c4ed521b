"""Small words for writing vector instructions into a compiled function, and how such functions are compiled.

numba compiles loops, not instructions; where an exact instruction matters, this package emits LLVM IR through these.
Addresses are byte offsets from a base pointer, so that one word serves every element type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import njit as typed_njit
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])
njit: Any = typed_njit  # its stubs do not know every option
cgutils: Any = untyped_cgutils

_ANY_ORDER = {"reassoc", "contract", "nsz"}  # of a sum's terms
BIT = ir.IntType(1)
BYTE = ir.IntType(8)
INT16 = ir.IntType(16)
INT32 = ir.IntType(32)
INT64 = ir.IntType(64)
FLOAT = ir.FloatType()
HALF = ir.HalfType()
BYTES64 = ir.VectorType(BYTE, 64)
INTS16 = ir.VectorType(INT32, 16)
FLOATS16 = ir.VectorType(FLOAT, 16)
HALVES16 = ir.VectorType(HALF, 16)
LONGS8 = ir.VectorType(INT64, 8)
SHORTS16 = ir.VectorType(INT16, 16)
SHORTS32 = ir.VectorType(INT16, 32)
BITS8 = ir.VectorType(BIT, 8)
BITS32 = ir.VectorType(BIT, 32)

# uninote/neighbours: below it lies every function that another one may inline.
COMPILED = Path(__file__).parents[2]


def compiled(function: Function) -> Function:
    """Compile with numba, without Python objects, cached on disk between processes."""
    return cast(Function, _cached(function))


def borrowing(function: Function) -> Function:
    """Compile a function that makes no arrays, without counting references: atomic steps that small calls feel."""
    return cast(Function, _cached(function, _nrt=False))


def summing(function: Function) -> Function:
    """Compile a function whose sums may be taken in any order, so that they are taken 16 at a time."""
    return cast(Function, _cached(function, fastmath=_ANY_ORDER))


def summing_borrowed(function: Function) -> Function:
    """Compile a function that is `summing` and `borrowing` at once."""
    return cast(Function, _cached(function, fastmath=_ANY_ORDER, _nrt=False))


def _cached(function: Callable[..., Any], **options: Any) -> Any:
    """Compile, cached on disk where there is a folder to write to, until any source of this package changes.

    By itself numba looks at the file of the function only, and would go on using code with old callees inlined.
    """
    try:
        dispatcher = njit(cache=True, **options)(function)
    except RuntimeError:  # neither beside the source nor in the user's folder: compiled again in each process
        return njit(**options)(function)
    index = dispatcher._cache._cache_file
    # Part of the version rather than of the stamp: numba reads the version first, and of another one nothing more, since what
    # an earlier release left may name classes that are not there any more.
    index._version = (index._version, sources_stamp(COMPILED))
    return dispatcher


@cache
def sources_stamp(folder: Path) -> str:
    """Return what changes when a Python source below `folder` does."""
    sources = (str(path.relative_to(folder)).encode() + path.read_bytes() for path in sorted(folder.rglob("*.py")))
    return hashlib.sha256(b"".join(sources)).hexdigest()


def emitted(function: Callable[..., Any]) -> Any:
    """Register a function that emits its own IR: `function(typing, *types) -> (signature, codegen)`."""
    return intrinsic(function)


class Emitter:
    """Emits into one function: `arguments` by position, arrays as (base pointer, shape)."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> None:
        self.context = context
        self.builder = builder
        self.signature = signature
        self.arguments = arguments

    def array(self, position: int) -> tuple[Any, list[Any]]:
        """Return (base pointer, lengths of the axes) of a C-contiguous array argument."""
        kind = self.signature.args[position]
        if kind.layout != "C":
            raise TypeError(f"argument {position} is {kind}; addresses are computed for C-contiguous arrays only")
        array = self.context.make_array(kind)(self.context, self.builder, self.arguments[position])
        base = self.builder.bitcast(array.data, BYTE.as_pointer())
        return base, cgutils.unpack_tuple(self.builder, array.shape, kind.ndim)

    def add(self, *terms: Any) -> Any:
        """Return the sum of integers, each a value or a Python int."""
        total = self._long(terms[0])
        for term in terms[1:]:
            total = self.builder.add(total, self._long(term))
        return total

    def times(self, *factors: Any) -> Any:
        """Return the product of integers, each a value or a Python int."""
        product = self._long(factors[0])
        for factor in factors[1:]:
            product = self.builder.mul(product, self._long(factor))
        return product

    def move(self, base: Any, offset: Any) -> Any:
        """Return the pointer `offset` bytes on."""
        return self.builder.gep(base, [self._long(offset)])

    def load(self, base: Any, offset: Any, kind: Any, align: int = 1) -> Any:
        """Return the `kind` that lies `offset` bytes from `base`."""
        place = self.builder.bitcast(self.move(base, offset), kind.as_pointer())
        return self.builder.load(place, align=align, typ=kind)

    def store(self, value: Any, base: Any, offset: Any, align: int = 1) -> None:
        """Store `value` at `offset` bytes from `base`."""
        self.builder.store(value, self.builder.bitcast(self.move(base, offset), value.type.as_pointer()), align=align)

    def splat(self, value: Any, kind: Any) -> Any:
        """Return the vector of type `kind` that repeats `value`."""
        empty = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(empty, value, ir.Constant(INT32, 0))
        lanes = ir.Constant(ir.VectorType(INT32, kind.count), [0] * kind.count)
        return self.builder.shuffle_vector(first, empty, lanes)

    def shuffle(self, left: Any, right: Any, lanes: Sequence[int]) -> Any:
        """Return the `lanes` of `left` followed by `right`."""
        return self.builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes)))

    def call(self, name: str, result: Any, *operands: Any) -> Any:
        """Call the LLVM intrinsic of that name."""
        kind = ir.FunctionType(result, [operand.type for operand in operands])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), operands)

    def loop(self, count: Any) -> Any:
        """Return a context manager of a loop over 0 .. count - 1; its value's `.index` is the counter."""
        return cgutils.for_range(self.builder, count)

    def variable(self, value: Any) -> Any:
        """Return a pointer to a local variable that starts as `value` each time control passes here."""
        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def _long(self, value: Any) -> Any:
        return ir.Constant(INT64, value) if isinstance(value, int) else value
