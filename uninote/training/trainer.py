"""The loop: batches in order, gradients of all processes, a step of AdamW, a log line, a state to go on from."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import get_scheduler

from uninote.config.sections.training import TrainConfig
from uninote.model.identity.identity import FIRST, Identity
from uninote.model.qwen.files.checkpoint import identify
from uninote.training.dataset.training_set import TrainingSet
from uninote.training.log import Log
from uninote.training.loop import processes
from uninote.training.loop.backbone import Backbone
from uninote.training.loop.errors import TrainingError
from uninote.training.loop.gradient_cache import Chunks, backward, embed_all
from uninote.training.loop.inputs import Inputs, cuts
from uninote.training.loop.objectives import Step, make_objective
from uninote.training.loop.state import Progress, load_state, save_state

CHECKPOINT = "checkpoint"
STATES = "states"
LOG = "log.jsonl"


@dataclass(frozen=True)
class Trained:
    """A finished run: its checkpoint, steps in all, the step it was resumed at (0 when new), last loss, and seconds."""

    checkpoint: Path
    steps: int
    resumed_at: int
    loss: float | None
    seconds: float


def train(
    checkpoint: str | Path, training_set: TrainingSet, folder: Path, config: TrainConfig, device: str | None = None
) -> Trained:
    """Train `checkpoint` and write `folder`/checkpoint in the published layout; states and log.jsonl stand beside it.

    A killed run, called again with the same arguments, goes on from its newest state and ends with the same weights.
    On several processes (torchrun's or TorchDistributor's environment) each embeds a share of every batch. Raises
    TrainingError, leaving the last good state, when a loss or gradient is not finite; CheckpointError, TrainingSetError.
    """
    started = time.perf_counter()
    with processes.process_group(), Trainer(checkpoint, training_set, folder, config, device) as trainer:
        resumed_at = trainer.step
        loss = trainer.run()
        if processes.rank() == 0:
            trainer.backbone.save(folder / CHECKPOINT)
        processes.wait_for_all()
    return Trained(folder / CHECKPOINT, config.steps, resumed_at, loss, time.perf_counter() - started)


class Trainer:
    """A run between its steps. Making one loads the model and goes back to the newest state in `folder`."""

    def __init__(
        self, checkpoint: str | Path, training_set: TrainingSet, folder: Path, config: TrainConfig, device: str | None
    ) -> None:
        self._config = config
        self._states = folder / STATES
        torch.manual_seed(config.seed)
        self.backbone = Backbone(checkpoint, config, _device(device))
        self._objective = make_objective(training_set, config, self.backbone.columns)
        self._inputs = Inputs(training_set, self.backbone.processor, config.augment, config.hide_texts)
        self._run_digests = _RunDigests(identify(checkpoint, self.backbone.limits), training_set, config)
        self._progress = _progress(self.backbone, config)
        self._open = ExitStack()
        self._reference: Backbone | None = None
        # Before the state is read: the reference is the model as the run began.
        if self._objective.needs_reference:
            self._reference = self._open.enter_context(self.backbone.frozen_start())
        load_state(self._states, self._progress, self._run_digests)
        self._log = Log(folder / LOG, self.step) if processes.rank() == 0 else None
        self._ahead = self._open.enter_context(ThreadPoolExecutor(1))

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def step(self) -> int:
        """How many steps are done."""
        return self._progress.step

    def run(self, until: int | None = None) -> float | None:
        """Go on to step `until` (all), and return the last loss, null when there was nothing to do."""
        end = min(until or self._config.steps, self._config.steps)
        loss = None
        upcoming: Future[tuple[Step, Chunks]] = self._ahead.submit(self.prepared, self.step)
        while self.step < end:
            batch, chunks = upcoming.result()
            # Images of the next step are decoded while the model computes this one.
            if self.step + 1 < end:
                upcoming = self._ahead.submit(self.prepared, self.step + 1)
            loss = self._take(batch, chunks)
            if self.step % self._config.checkpoint_every == 0 or self.step == self._config.steps:
                save_state(self._states, self._progress, self._run_digests.now)
        return loss

    def prepared(self, number: int) -> tuple[Step, Chunks]:
        """Return the batch of a step, and this process' items of it in chunks."""
        batch = self._objective.step(number)
        if len(batch.items) < processes.world_size():
            raise TrainingError(
                f"step {number} embeds {len(batch.items)} items on {processes.world_size()} processes; raise batch"
            )
        own = batch.items[processes.own_share(len(batch.items))]
        return batch, self._inputs.chunks(own, self._config.chunk_tokens, (self._config.seed, number))

    def _take(self, batch: Step, chunks: Chunks) -> float:
        started = time.perf_counter()
        progress = self._progress
        weights = list(self._progress.parameters.values())
        progress.optimizer.zero_grad()
        reference = self._frozen_vectors(chunks)
        loss_of: Callable[[Tensor], Tensor] = lambda vectors: batch.loss_of(vectors, reference)  # noqa: E731
        loss = backward(self.backbone.embed, chunks, loss_of, self._config.keep_graphs)
        processes.sum_gradients(weights)
        norm = float(torch.nn.utils.clip_grad_norm_(weights, self._config.clip_norm))
        self._check_finite(batch, loss, norm)
        rate = progress.scheduler.get_last_lr()[0]
        progress.optimizer.step()
        progress.scheduler.step()
        progress.step += 1
        if self._log and (progress.step % self._config.log_every == 0 or progress.step == self._config.steps):
            values = {"loss": loss, "gradient_norm": norm, "learning_rate": rate, "items": len(batch.items)}
            values |= cuts(chunks)
            seconds = round(time.perf_counter() - started, 4)
            self._log.write({"step": progress.step, "strategy": batch.name, **values, "seconds": seconds})
        return loss

    def _frozen_vectors(self, chunks: Chunks) -> Tensor | None:
        if self._reference is None:
            return None
        with torch.no_grad():
            return processes.gathered(embed_all(self._reference.embed, chunks))[0]

    def _check_finite(self, batch: Step, loss: float, norm: float) -> None:
        if torch.isfinite(torch.tensor([loss, norm])).all():
            return
        raise TrainingError(
            f"step {self.step + 1}, {batch.name}: loss {loss}, gradient norm {norm}; training stopped before that step, the "
            f"last state in {self._states} is good. Lower learning_rate or raise tau, or look at the items {batch.items[:5]}"
        )


def _progress(backbone: Backbone, config: TrainConfig) -> Progress:
    parameters = backbone.parameters
    decayed: list[Tensor] = []
    others: list[Tensor] = []
    for name, weight in parameters.items():
        group = decayed if _is_decayed(name, weight) else others
        group.append(weight)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
    warm_up = round(config.warmup * config.steps)
    scheduler = get_scheduler(config.decay, optimizer, num_warmup_steps=warm_up, num_training_steps=config.steps)
    return Progress(parameters, optimizer, scheduler)


def _is_decayed(name: str, weight: Tensor) -> bool:
    """Norms, biases and embeddings are not pulled to zero: rare words would fade between two sights."""
    return weight.dim() > 1 and "embed" not in name


class _RunDigests:
    """Which run a state belongs to: what is written now, and what earlier releases wrote for the same run."""

    def __init__(self, identity: Identity, training_set: TrainingSet, config: TrainConfig) -> None:
        # How often something is written does not change what is computed, nor do settings that came later and are not used.
        # Limits are part of the generation, and runs of before have none.
        left_out = {"checkpoint_every": True, "log_every": True, "limits": True, **_unused(config)}
        self._settings = config.model_dump_json(exclude=left_out)
        self._identity = identity
        self._set = training_set.digest
        self.now = self._of(identity.generation(identity.own))

    def __contains__(self, digest: object) -> bool:
        if digest == self.now:
            return True
        if self._identity.own.number != FIRST:
            return False
        # Releases before layouts named a model's generation differently; their states are of the same run.
        return any(digest == self._of(former) for former in self._identity.former_generations())

    def _of(self, generation: str) -> str:
        values = json.dumps([self._settings, generation, self._set])
        return hashlib.sha256(values.encode()).hexdigest()[:16]


def _unused(config: TrainConfig) -> dict[str, Any]:
    """Return the settings to leave out of a run's digest: those that earlier releases lacked, where they change nothing."""
    unused: dict[str, Any] = {}
    if not config.hide_texts:
        unused["hide_texts"] = True
    if config.depths is None:
        unused["depths"] = True
    if not config.contrastive.turns:
        unused["contrastive"] = {"turns"}
    return unused


def _device(name: str | None) -> torch.device:
    chosen = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    if chosen.type == "cuda" and chosen.index is None:
        chosen = torch.device("cuda", processes.rank() % torch.cuda.device_count())
    if chosen.type == "cuda":
        # NCCL's collectives use the current device.
        torch.cuda.set_device(chosen)
    return chosen
