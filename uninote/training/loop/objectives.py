"""What a step minimises: which items it embeds, and the loss of their vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from uninote.config.sections.training import TrainConfig
from uninote.training.dataset.schemas import NO_ITEM, TRAIN
from uninote.training.dataset.strategies import STAGE_ONE, Strategy
from uninote.training.dataset.training_set import Examples, TrainingSet
from uninote.training.loop.errors import TrainingError
from uninote.training.loop.losses import ContrastiveBatch, ContrastiveLoss, Width
from uninote.training.loop.policy import PolicyLoss, Ranked
from uninote.training.loop.schedule import rows_of, turn


@dataclass(frozen=True)
class Step:
    """One batch. `items` int64, each once; `loss_of(vectors, reference)` takes rows in that order."""

    name: str
    items: np.ndarray
    loss_of: Callable[[Tensor, Tensor | None], Tensor]


class Objective(Protocol):
    """A stage of training."""

    needs_reference: bool

    def step(self, number: int) -> Step:
        """Return the batch of a step, counted from 0; the same one whenever it is asked for."""


class Contrastive:
    """Stage 1: nine strategies in turns."""

    needs_reference = False

    def __init__(self, training_set: TrainingSet, config: TrainConfig, widths: tuple[Width, ...]) -> None:
        """Raise TrainingError when there are no examples, too few, or no teacher where the loss needs one."""
        self._config = config
        self._groups = training_set.groups
        self._examples: dict[Strategy, Examples] = {}
        self._losses: dict[Strategy, ContrastiveLoss] = {}
        chosen = _chosen(training_set, config)
        without = _without_scores(training_set, chosen, config)
        for strategy in chosen:
            loss = _loss(config, widths, strategy in without)
            examples = training_set.examples(strategy, TRAIN)
            _check(strategy, examples, config, loss)
            self._losses[strategy] = loss
            self._examples[strategy] = examples
        self._turns = _turns(list(self._examples), config.contrastive.turns)

    def step(self, number: int) -> Step:
        (strategy, which), round_number = turn(self._turns, self._config.seed, number)
        own = round_number * self._config.contrastive.turns.get(strategy.value, 1) + which
        examples = self._examples[strategy]
        # A stream of its own for each strategy: 0 and 1 are the order of ranked lists and of turns.
        key = self._config.seed, 2 + list(Strategy).index(strategy)
        rows = rows_of(len(examples), self._config.batch, key, own)
        return self._step_of(strategy, examples.take(rows, self._config.contrastive.negatives))

    def _step_of(self, strategy: Strategy, examples: Examples) -> Step:
        # An item that several examples name is embedded once; losses see rows of the embedded items.
        used = np.concatenate([examples.queries[:, None], examples.candidates], axis=1)
        items = np.unique(used[used != NO_ITEM])
        places = np.where(used == NO_ITEM, NO_ITEM, np.searchsorted(items, used))

        def loss_of(vectors: Tensor, _: Tensor | None) -> Tensor:
            return self._losses[strategy](vectors, _batch(places, examples.scores, self._groups[items], vectors.device))

        return Step(strategy.value, items, loss_of)


class Ranking:
    """Stage 2: note→note by reward."""

    def __init__(self, training_set: TrainingSet, config: TrainConfig, widths: tuple[Width, ...]) -> None:
        """Raise TrainingError when there are no ranked lists."""
        settings = config.ranking
        self._config = config
        self._lists = training_set.ranked(TRAIN)
        self._loss = PolicyLoss(settings.tau, settings.beta, settings.group, widths)
        self.needs_reference = settings.beta > 0
        if not self._lists:
            raise TrainingError(
                f"{training_set.folder}: ranked/ has no list for training; stage 2 needs notes to halve"
            )

    def step(self, number: int) -> Step:
        rows = rows_of(len(self._lists), self._config.batch, (self._config.seed, 0), number)
        lists = [self._lists[row] for row in rows]
        used: set[int] = set()
        for one in lists:
            used.update((one.query, *one.relevant, *one.noise))
        # As the other stage: an item that several lists name is embedded once, and losses see its row.
        ordered = sorted(used)
        items = np.array(ordered)
        row_of = dict(zip(ordered, range(len(ordered)), strict=True))
        batch = []
        for one in lists:
            relevant = tuple(map(row_of.__getitem__, one.relevant))
            noise = tuple(map(row_of.__getitem__, one.noise))
            batch.append(Ranked(row_of[one.query], relevant, noise))
        return Step("note_to_note", items, lambda vectors, reference: self._loss(vectors, batch, reference))


def make_objective(training_set: TrainingSet, config: TrainConfig, widths: tuple[Width, ...]) -> Objective:
    """Return the objective of the stage that `config` names. Raises TrainingError when the set has nothing for it."""
    stage = Contrastive if config.stage == "contrastive" else Ranking
    return stage(training_set, config, widths)


def _chosen(training_set: TrainingSet, config: TrainConfig) -> list[Strategy]:
    found = list(training_set.strategies(TRAIN))
    named = config.contrastive.strategies
    if named is None:
        found = [strategy for strategy in found if strategy in STAGE_ONE]
    else:
        by_name = {strategy.value: strategy for strategy in found}
        missing = sorted(set(named) - by_name.keys())
        if missing:
            raise TrainingError(f"strategies {missing} have no training examples; there are {list(by_name)}")
        found = [strategy for strategy in found if strategy.value in named]
    if not found:
        raise TrainingError(f"{training_set.folder}: examples/ has none for stage 1 in split {TRAIN!r}")
    return found


def _without_scores(training_set: TrainingSet, chosen: list[Strategy], config: TrainConfig) -> set[Strategy]:
    """Return the strategies that a teacher said nothing of. Raises TrainingError where the loss needs one and none has any."""
    without = {strategy for strategy in chosen if not training_set.scored(strategy, TRAIN)}
    if config.contrastive.loss == "symmetric_kl" and without == set(chosen):
        raise TrainingError(
            f"symmetric_kl needs a teacher's scores, and {training_set.folder} has none: make the set with a teacher, or use "
            "loss infonce"
        )
    return without


def _turns(strategies: list[Strategy], counts: Mapping[str, int]) -> list[tuple[Strategy, int]]:
    """Return the turns of a round: each strategy as often as `counts` says, or once, with the turn's place among its own."""
    strange = sorted(counts.keys() - {strategy.value for strategy in strategies})
    if strange:
        raise TrainingError(f"turns names {strange}; trained are {[strategy.value for strategy in strategies]}")
    turns = []
    for strategy in strategies:
        turns += [(strategy, which) for which in range(counts.get(strategy.value, 1))]
    return turns


def _loss(config: TrainConfig, widths: tuple[Width, ...], is_without_scores: bool) -> ContrastiveLoss:
    settings = config.contrastive
    if settings.loss == "symmetric_kl" and is_without_scores:
        # A batch is of one strategy, and may have its own loss. Most examples of such a one have nothing but their batch.
        return ContrastiveLoss("infonce", settings.tau, widths, in_batch=True)
    return ContrastiveLoss(settings.loss, settings.tau, widths, settings.in_batch)


def _check(strategy: Strategy, examples: Examples, config: TrainConfig, loss: ContrastiveLoss) -> None:
    if loss.kind == "symmetric_kl" and examples.scores is None:
        raise TrainingError(
            f"symmetric_kl needs a teacher's score for every candidate; examples of {strategy.value} lack some: make the "
            "set with a teacher, or use loss infonce"
        )
    has_negatives = examples.candidates.shape[1] > 1 and config.contrastive.negatives > 0
    if not has_negatives and (len(examples) < 2 or loss.kind == "symmetric_kl" or not loss.in_batch):
        raise TrainingError(
            f"{strategy.value} has {len(examples)} examples and no hard negatives, so nothing to tell a positive from; "
            "give more notes, or negatives"
        )


def _batch(places: np.ndarray, scores: np.ndarray | None, groups: np.ndarray, device: torch.device) -> ContrastiveBatch:
    rows = torch.from_numpy(places).to(device)
    teacher = None if scores is None else torch.from_numpy(np.nan_to_num(scores)).to(device)
    return ContrastiveBatch(rows[:, 0], rows[:, 1:], teacher, torch.from_numpy(groups.copy()).to(device))
