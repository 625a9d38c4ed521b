"""The matrix kernels of the OpenBLAS inside FAISS: it knows no processor newer than itself."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

_VARIABLE = "OPENBLAS_CORETYPE"
_CPU = Path("/proc/cpuinfo")
# Kernels by what they need, best first: all of SkylakeX's, which FAISS' wheel has, and of Haswell's.
_KERNELS = (
    ("SkylakeX", frozenset({"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"})),
    ("Haswell", frozenset({"avx2", "fma"})),
)


def choose_kernels() -> None:
    """Name the kernels that suit this processor to OpenBLAS, unless somebody did; call it before FAISS is imported.

    The wheel of FAISS 1.15 has OpenBLAS 0.3.15, which takes processors that came later for a Pentium 4. On a Xeon of 2023
    it finds the nearest of 2,191 centroids at 17 GFLOP/s for itself and at 59 so named (50,000 x 64; x 384: 17 and 86).
    """
    if _VARIABLE in os.environ or not _CPU.exists():
        return
    kernels = kernels_for(_flags(_CPU.read_text()))
    if kernels is not None:
        # The library reads it when it is loaded; processes that are started from here inherit it.
        os.environ[_VARIABLE] = kernels


def kernels_for(flags: Set[str]) -> str | None:
    """Return OpenBLAS' name of the kernels for a processor with these flags; None leaves the choice to OpenBLAS."""
    for name, needed in _KERNELS:
        if needed <= flags:
            return name
    return None


def _flags(text: str) -> Set[str]:
    """Return the flags of the first processor that /proc/cpuinfo names; other than x86 have none."""
    for line in text.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
