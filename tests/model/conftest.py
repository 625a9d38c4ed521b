"""One small checkpoint for all tests of the model, its vocabulary from a few notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from uninote.model.encoder import load_encoder
from uninote.model.tiny import make_tiny_checkpoint

TEXTS = [
    "Braised pork belly with soy sauce", "红烧肉的做法：五花肉切块，冷水下锅", "A week of hiking in the Dolomites",
    "Sourdough bread for beginners", "Ein Tag am Meer, 25 °C!", "How I repot my monstera", "京都三日游攻略 #旅行",
    "Hiking boots that last", "Bread and soy sauce", "Pork ramen from scratch", "Budget travel in Kyoto",
] * 3  # fmt: skip


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    make_tiny_checkpoint(folder, TEXTS, seed=1)
    return folder


@pytest.fixture(scope="session")
def encoder(tiny_folder):
    return load_encoder(tiny_folder, threads=1)
