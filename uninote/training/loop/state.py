"""The state of a run on disk: weights, optimiser and random numbers in safetensors, the rest in JSON. No pickle.

A state is a folder `step-<n>`, complete or absent: it is written beside and renamed. Only the newest stays.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from uninote.training.loop import processes
from uninote.training.loop.errors import TrainingError

PREFIX = "step-"
TENSORS = "state.safetensors"
VALUES = "state.json"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass
class Progress:
    """What a step changes. `parameters` are the trained ones, by name."""

    parameters: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    step: int = 0


def save_state(folder: Path, progress: Progress, run_digest: str) -> None:
    """Write the state after `progress.step` steps, and remove older ones. `run_digest` says which run it belongs to.

    All processes call it, the first one writes. It returns once the state is there.
    """
    random = _random_numbers(next(iter(progress.parameters.values())).device)
    if processes.rank() == 0:
        _write(folder, progress, run_digest, random)
    processes.wait_for_all()


def _write(folder: Path, progress: Progress, run_digest: str, random: Mapping[str, Tensor]) -> None:
    target = folder / f"{PREFIX}{progress.step:08d}"
    scratch = folder / f".{target.name}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    save_file({**random, **_tensors(progress)}, scratch / TENSORS)
    values = {"step": progress.step, "fingerprint": run_digest, "scheduler": progress.scheduler.state_dict()}
    (scratch / VALUES).write_text(json.dumps(values))
    older = _states(folder)
    shutil.rmtree(target, ignore_errors=True)
    # Renamed once complete, and older ones deleted after: a run that is killed here still has a state to go on from.
    scratch.rename(target)
    for path in older:
        if path != target:
            shutil.rmtree(path)


def load_state(folder: Path, progress: Progress, run_digests: Container[str]) -> bool:
    """Go back to the newest state in `folder`; False where there is none.

    Raises TrainingError for one of another run, whose digest is not among `run_digests`.
    """
    states = _states(folder)
    if not states:
        return False
    values = _read_values(states[-1])
    if values["fingerprint"] not in run_digests:
        raise TrainingError(
            f"{states[-1]} belongs to a run with other settings, model or training set ({values['fingerprint']}); "
            f"remove {folder} or give another run folder"
        )
    _restore(progress, load_file(states[-1] / TENSORS))
    progress.scheduler.load_state_dict(values["scheduler"])
    for group, rate in zip(progress.optimizer.param_groups, progress.scheduler.get_last_lr(), strict=True):
        # A scheduler sets the rate only when it steps: the first step would have that of a new optimizer.
        group["lr"] = rate
    progress.step = values["step"]
    return True


def _states(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"{PREFIX}*/{VALUES}"))


def _read_values(state: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads((state / VALUES).read_text())
        return {"step": values["step"], "fingerprint": values["fingerprint"], "scheduler": values["scheduler"]}
    except (ValueError, KeyError) as error:
        raise TrainingError(f"{state / VALUES}: not the state of a run: {error!r}; remove {state}") from error


def _random_numbers(device: torch.device) -> dict[str, Tensor]:
    """Return the states of all processes' generators: with dropout each has drawn other numbers."""
    own = {"random/cpu": torch.get_rng_state()}
    if device.type == "cuda":
        own["random/cuda"] = torch.cuda.get_rng_state(device)
    states: dict[str, Tensor] = {}
    for name, state in own.items():
        rows = processes.gathered(state[None].to(device))[0].cpu()
        states |= {name if rank == 0 else f"{name}/{rank}": row.clone() for rank, row in enumerate(rows)}
    return states


def _tensors(progress: Progress) -> dict[str, Tensor]:
    tensors = {}
    for name, parameter in progress.parameters.items():
        tensors[f"weight/{name}"] = parameter.detach().contiguous()
        moments = progress.optimizer.state.get(parameter, {})
        for key in MOMENTS:
            if key in moments:
                tensors[f"{key}/{name}"] = moments[key].contiguous()
    return tensors


def _restore(progress: Progress, tensors: Mapping[str, Tensor]) -> None:
    # A run that goes on draws what it would have drawn without the stop. One on more processes than before had no state.
    own = f"/{processes.rank()}" if f"random/cpu/{processes.rank()}" in tensors else ""
    torch.set_rng_state(tensors[f"random/cpu{own}"])
    if torch.cuda.is_available() and f"random/cuda{own}" in tensors:
        torch.cuda.set_rng_state(tensors[f"random/cuda{own}"])
    for name, parameter in progress.parameters.items():
        with torch.no_grad():
            parameter.copy_(tensors[f"weight/{name}"])
        moments = {}
        for key in MOMENTS:
            value = tensors.get(f"{key}/{name}")
            if value is not None:
                # AdamW counts steps in a tensor on the CPU, and keeps moments beside their weights.
                moments[key] = value.clone() if key == "step" else value.to(parameter.device, copy=True)
        if moments:
            progress.optimizer.state[parameter] = moments
