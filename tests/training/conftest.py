"""A model of one layer and a training set of a few drawn notes, for all tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from coloured_discs import COLOURS, set_rows

from uninote.config.sections.training import ContrastiveConfig, RankingConfig, TrainConfig
from uninote.model.qwen.trainable import Shape, make_trainable_checkpoint
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.writer import write_training_set

ONE_LAYER = Shape(vocabulary=420, text_layers=1, vision_layers=1, vision_width=32)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def start(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "model"
    make_trainable_checkpoint(folder, [f"a {colour} disc paint things" for colour in COLOURS] * 3, 1, ONE_LAYER)
    return folder


@pytest.fixture(scope="session")
def training_set(tmp_path_factory) -> TrainingSet:
    folder = tmp_path_factory.mktemp("sets") / "set"
    write_training_set(folder, set_rows())
    return TrainingSet(folder)


@pytest.fixture
def config() -> TrainConfig:
    contrastive = ContrastiveConfig(tau=0.1)
    ranking = RankingConfig(group=4, beta=0.1)
    return TrainConfig(
        contrastive=contrastive, ranking=ranking, steps=6, batch=4, chunk_tokens=64, checkpoint_every=3, log_every=1
    )
