"""What a running task knows of itself, from Spark."""

from __future__ import annotations

from pyspark import TaskContext


def partition_number() -> int:
    """Return which of its stage's partitions this task has; 0 outside of a task."""
    context = TaskContext.get()
    return context.partitionId() if context is not None else 0


def place() -> tuple[int, int]:
    """Return (stage, partition) of this task; zeros outside of a task."""
    context = TaskContext.get()
    return (context.stageId(), context.partitionId()) if context is not None else (0, 0)


def gpu() -> str | None:
    """Return the GPU that Spark gave to this task, as "cuda:<n>"; None without one."""
    context = TaskContext.get()
    found = context.resources().get("gpu") if context is not None else None
    return f"cuda:{found.addresses[0]}" if found is not None else None
