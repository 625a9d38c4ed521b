"""A run whose ledger reports are made of."""

from __future__ import annotations

import pytest
from builders import write_config

from uninote.config.loading import load_config
from uninote.model.hashing.folder import write_card
from uninote.pipelines.lake.run import Run


@pytest.fixture
def make_run(tmp_path):
    """Return a function to a new run on the test's lake; a ledger needs no Spark."""
    write_card(tmp_path / "hashing", [16])
    overrides = (f"model.checkpoint={tmp_path / 'hashing'}", "model.kind=feature-hashing")
    config = load_config(write_config(tmp_path, tmp_path / "demo"), overrides)
    return lambda run_id: Run(None, config, overrides, run_id=run_id)
