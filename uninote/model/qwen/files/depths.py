"""Depths: after how many of its layers a model is trained to stop as well, each with the width of its vectors there."""

from __future__ import annotations

from collections.abc import Sequence

Depth = tuple[int, int]
"""A number of layers, and the width of the vectors that they make."""


def problem_of(depths: Sequence[Depth], num_layers: int, full_width: int) -> str:
    """Return what is wrong with `depths` of a model of so many layers, "" where nothing is.

    They go from small to large, in layers and in width, and end before all layers: those are always trained.
    """
    layers = [depth[0] for depth in depths]
    widths = [depth[1] for depth in depths]
    if _ascends(layers, num_layers - 1) and _ascends(widths, full_width):
        return ""
    named = [list(depth) for depth in depths]
    return (
        f"depths {named} must be pairs of layers and width, both from small to large, of fewer than all {num_layers} layers "
        f"and at most {full_width} wide"
    )


def _ascends(values: Sequence[int], most: int) -> bool:
    return list(values) == sorted(set(values)) and all(1 <= value <= most for value in values)
