"""Workers whose devices are of two kinds: what each computed is known, and one that makes other vectors stops the run."""

from __future__ import annotations

import pytest
from builders import make_note, rows_at, write_notes

from udfs.embed.worker_model import make_load
from uninote.errors import UninoteError
from uninote.pipelines.embed import small_changes
from uninote.pipelines.embed.guards import canaries
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.embed.steps import model_run
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import ledger

pytestmark = [pytest.mark.spark, pytest.mark.long]
NOTES = 110  # for two tasks, the second on a device of another kind


def two_kinds(noise):
    """Return what loads a worker's encoder: in every second task on another device, which adds noise to vectors."""

    def make(model, files):
        load = make_load(model, files)

        def loaded():
            # All of it within the function, which goes to workers by its value.
            import numpy as np

            from udfs.task import partition_number

            class Other:
                device = "other"

                def __init__(self, encoder):
                    self._encoder = encoder

                def __getattr__(self, name):
                    return getattr(self._encoder, name)

                def embed(self, prepared):
                    vectors = self._encoder.embed(prepared)
                    added = vectors + noise * np.random.default_rng(1).standard_normal(vectors.shape)
                    return (added / np.linalg.norm(added, axis=1, keepdims=True)).astype(np.float32)

            encoder = load()
            return Other(encoder) if partition_number() % 2 else encoder

        return loaded

    return make


def test_each_kind_of_device_makes_known_vectors_before_its_own(make_run, quick_model, monkeypatch):
    def run_of():
        return make_run("embed.widths=[128]", "embed.canaries=200", *quick_model)

    message = r"devices of this run make different vectors: other \(mean cosine 0\.\d+\) does not .* was not published"
    for module in (canaries, small_changes):
        monkeypatch.setattr(module, "may_differ", lambda run: True)
    write_notes(run_of(), [make_note(number) for number in range(NOTES)])
    # Nothing is stored yet: those of the first task are what others have to make.
    monkeypatch.setattr(model_run, "make_load", two_kinds(0.01))
    run = run_of()
    with pytest.raises(UninoteError, match=message):
        embed(run)
    assert not tables.has_table(run.generation.uri("items")) or not rows_at(run.generation.uri("items"))

    monkeypatch.setattr(model_run, "make_load", two_kinds(1e-5))
    assert embed(run_of())["embedded"] == NOTES
    metrics = ledger(run_of(), "embed")[0]["metrics"]
    assert metrics["items_on cpu"] > 0
    assert metrics["items_on other"] > 0
    assert metrics["items_on cpu"] + metrics["items_on other"] == NOTES

    before = rows_at(run.generation.uri("embeddings/w128"))
    changed = [make_note(number, body="edited") for number in range(20, NOTES + 20)]
    write_notes(run_of(), [*(make_note(number) for number in range(20)), *changed])
    monkeypatch.setattr(model_run, "make_load", two_kinds(0.01))
    with pytest.raises(UninoteError, match=message):
        embed(run_of())
    assert rows_at(run.generation.uri("embeddings/w128")) == before
