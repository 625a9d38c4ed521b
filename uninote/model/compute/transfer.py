"""What a model reads, on its way to the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def to_device(features: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Return the features with their tensors on `device`; on a CPU they are the same tensors.

    To a GPU they go out of pinned memory, which it reads by itself while this process goes on.
    """
    moved = dict(features)
    for name, value in features.items():
        if isinstance(value, Tensor) and device.type != "cpu":
            # Pinned memory of earlier batches is used again, once PyTorch knows that their copies have ended.
            moved[name] = value.pin_memory().to(device, non_blocking=True)
    return moved
