"""UniNote: embed notes on Spark, index the vectors, precompute every note's neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uninote.blas_kernels import choose_kernels

if TYPE_CHECKING:
    from uninote.releases.open_release import OpenRelease

__version__ = "0.1.0"

# Here, since it must come before FAISS is loaded, and any module may be the first to load it.
choose_kernels()


def open_release(lake: str, release: int | None = None) -> OpenRelease:
    """Open the live release of the lake at `lake`, or the one that is named: see `uninote.releases`."""
    # Imported here: it takes FAISS and Delta's library, which most of this package does without.
    from uninote.releases.open_release import OpenRelease

    return OpenRelease.of(lake, release)
