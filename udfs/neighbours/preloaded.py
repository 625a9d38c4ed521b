"""What the tasks of neighbours need: imported by the daemon, before workers are forked."""

from __future__ import annotations

import udfs.neighbours.files
import udfs.neighbours.full_join
import udfs.neighbours.update  # noqa: F401
from uninote.neighbours.kernel.simd.vector_ir import compiled


@compiled
def _nothing() -> int:
    """Return 0: numba looks for its extensions and registers its types at the first call of anything, in 0.4 CPU-seconds."""
    return 0


_nothing()
