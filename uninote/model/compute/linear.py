"""Linear layers through oneDNN where it is the faster library: the same weights, the same float32 arithmetic.

PyTorch gives float32 matrix products to MKL, which reaches a third of what some processors can do (docs/encoders.md).
oneDNN reads weights where they lie, so memory-mapped ones stay shared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

# Of the products that are timed: 0.6 GFLOP, milliseconds
ROWS = 512
WIDTH = 768
# Of the time: a machine is busy now and then, and a change that gains less is not worth it.
CLEARLY = 0.8


class OneDnnLinear(nn.Linear):
    """nn.Linear for inference on a CPU; float32 in, float32 out."""

    def forward(self, input: Tensor) -> Tensor:
        """Return (..., out_features)."""
        return _product(input, self.weight, self.bias)


def use_faster_linear(module: nn.Module) -> None:
    """Make float32 linear layers of `module` compute through oneDNN, if that is faster here."""
    for part in module.modules():
        # A subclass may compute something else; both speeds are measured once a process.
        if type(part) is nn.Linear and part.weight.dtype is torch.float32 and is_onednn_faster():
            # Changing the class keeps parameters, names and hooks, so that weights are found as before.
            part.__class__ = OneDnnLinear


@cache
def is_onednn_faster() -> bool:
    """Time both once a process, by turns, so that a busy machine slows both."""
    rows = torch.ones(ROWS, WIDTH)
    weight = torch.ones(WIDTH, WIDTH)
    bias = torch.ones(WIDTH)
    changed = []
    plain = []
    with torch.inference_mode():
        try:
            for _ in range(6):
                changed.append(_seconds(_product, rows, weight, bias))
                plain.append(_seconds(_plain, rows, weight, bias))
        except (AttributeError, RuntimeError):
            # This PyTorch has no oneDNN, or not the operator, which is its compiler's own.
            return False
    return min(changed) < CLEARLY * min(plain)


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


def _plain(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return nn.functional.linear(rows, weight, bias)


def _seconds(product: Callable[..., Tensor], *operands: Tensor) -> float:
    started = time.perf_counter()
    product(*operands)
    return time.perf_counter() - started
