"""UniNote: embed notes on Spark, index the vectors, precompute every note's neighbours."""

from importlib import import_module
from typing import Any

from uninote.blas_kernels import choose_kernels

__version__ = "0.1.0"
_FOR_READERS = {"open_release": "uninote.releases.open_release"}

# Here, since it must come before FAISS is loaded, and any module may be the first to load it.
choose_kernels()


def __getattr__(name: str) -> Any:
    """Return what readers find here, `uninote.open_release`, from where it is made.

    It is imported when it is first asked for: it takes FAISS and Delta's library, which most of this package does without.
    """
    if name not in _FOR_READERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_FOR_READERS[name]), name)
