"""Where a model computes, and in which precision."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from uninote.errors import UninoteError
from uninote.model.compute.linear import use_faster_linear

DTYPES = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Placement:
    """A device and the type of the weights there; None is the checkpoint's own."""

    device: torch.device
    dtype: torch.dtype | None

    def place(self, module: nn.Module) -> None:
        """Convert and move `module`, for inference only. Weights that are so already stay where they are, mapped or not."""
        if self.dtype is torch.float32:
            module.float()
        elif self.dtype is not None:
            convert_parameters(module, self.dtype)
        module.to(self.device)
        if self.device.type == "cpu":
            use_faster_linear(module)
        module.train(False)


def choose_placement(threads: int | None, device: str | None, dtype: str) -> Placement:
    """Return the placement asked for, and set the process' arithmetic threads. Raises UninoteError."""
    if dtype not in DTYPES:
        raise UninoteError(f"dtype {dtype!r} is not known; choose one of {', '.join(DTYPES)}")
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = _device(device)
    # bfloat16 would be faster on some CPUs, but its rounding makes a vector depend on its batch (docs/encoders.md)
    own = torch.float32 if chosen.type == "cpu" else None
    return Placement(chosen, DTYPES[dtype] or own)


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UninoteError(f"device {name!r} is not known to PyTorch; choose cpu, cuda or cuda:<number>") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UninoteError(f"device {name!r} is not there: PyTorch sees {torch.cuda.device_count()} GPUs")
    return device


def kind_of(device: torch.device) -> str:
    """Return what computes: "cpu", or the name of the GPU. Two that differ may round otherwise."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def convert_parameters(module: nn.Module, dtype: torch.dtype) -> None:
    """Convert weights in place, and leave buffers alone: rotary tables in bfloat16 would move every vector."""
    for parameter in module.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)
