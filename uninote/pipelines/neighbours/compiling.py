"""The compiled functions of the join, made ready before tasks ask for them."""

from __future__ import annotations

from uninote.neighbours.kernel.settings import EXACT_ROWS
from uninote.pipelines.neighbours.planning.join import Join
from uninote.pipelines.runtime.progress import step


def ready_kernels(join: Join) -> None:
    """Compile what this run's tasks will call, where they run on this machine; else each host's first task does.

    The install did it already, unless it was another version, Python or CPU. Loading it takes a second, and compiling most of a
    minute on two busy cores: in a task that minute would pass without a word. A join of at most EXACT_ROWS rows calls next to
    none of it.
    """
    is_local = str(join.run.spark.sparkContext.master).startswith("local")
    if not is_local or join.rows <= EXACT_ROWS:
        return
    with step("neighbours: compiling the join's kernel, or loading it"):
        # Here, so that a run without such a join does not import numba.
        from uninote.neighbours.compiling import compile_kernels

        compile_kernels()
