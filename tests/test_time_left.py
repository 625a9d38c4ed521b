"""The time that is left, on sequences as real runs have them: right within 30 % once a tenth is done."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.embed.model_run import shares
from udfs.embed.window import Work
from uninote.model.compute.batching import token_batches
from uninote.notes.note import Note
from uninote.pipelines.runtime.pace import Pace

START = 60.0  # seconds until the first batch begins
TOKENS_PER_S = 3000.0
BATCH_TOKENS = 2048


def seen(ends, total):
    """Yield (time, what Pace promises, what is true) as the driver looks, twice a second; `ends` are (time, rows), sorted."""
    pace = Pace(total, 0.0)
    rows = np.cumsum([rows for _, rows in ends])
    times = np.array([time for time, _ in ends])
    for now in np.arange(0.0, times[-1], 0.5):
        place = np.searchsorted(times, now, side="right")
        pace.saw(int(rows[place - 1]) if place else 0, now)
        yield pace.done / total, pace.seconds_left(now), times[-1] - now


def worst(ends, total):
    """Return the largest error after the first tenth, as a share of what is left; what is shorter than 5 s does not count."""
    errors = []
    for share, promised, true in seen(ends, total):
        if share >= 0.1 and true >= 5:
            assert promised is not None
            errors.append(abs(promised - true) / true)
    assert len(errors) > 20
    return max(errors)


def lengths_of(seed, rows=3000):
    """Return tokens of notes as real ones have them: most are short, a few fill what the model reads."""
    return np.clip(np.random.default_rng(seed).lognormal(4.3, 0.9, rows), 8, 512).astype(int)


def task(lengths, begun, by_rows=False):
    """Return (time, rows) of the batches of a task, which reads its rows in windows, sorted by length within each."""
    ends = []
    now = begun
    for start in range(0, len(lengths), 1024):
        works = [Work(Note(), "note", {}, tokens=int(tokens)) for tokens in lengths[start : start + 1024]]
        batches = token_batches([work.tokens for work in works], BATCH_TOKENS)
        counted = [len(batch) for batch in batches] if by_rows else shares(batches, works)
        assert sum(counted) == len(works)
        for batch, rows in zip(batches, counted, strict=True):
            now += len(batch) * max(works[i].tokens for i in batch) / TOKENS_PER_S
            ends.append((now, rows))
    return ends


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("apart", [0.0, 2.0])
def test_batches_sorted_by_length_in_two_tasks(seed, apart):
    lengths = lengths_of(seed)
    ends = sorted(task(lengths[::2], START) + task(lengths[1::2], START + apart))
    assert worst(ends, len(lengths)) < 0.3


def test_rows_of_batches_as_they_come_would_promise_an_early_end():
    lengths = lengths_of(0, 1000)
    assert worst(task(lengths, START, by_rows=True), len(lengths)) > 0.3
    assert worst(task(lengths, START), len(lengths)) < 0.15


@pytest.mark.parametrize("rows", [1, 37, 100])
def test_a_steady_rate_after_a_long_start(rows):
    steps = -(-5000 // rows)
    ends = [(START + 0.02 * rows * (number + 1), rows) for number in range(steps)]
    assert worst(ends, 5000) < 0.3


@pytest.mark.parametrize("last_rate", [0.6, 1.6])
def test_a_rate_that_changes_by_and_by(last_rate):
    """A machine that others begin to use, or leave: what comes is not known, but what has been is forgotten by half."""
    rates = 50 * np.linspace(1, last_rate, 500)
    ends = [(START + end, 10) for end in np.cumsum(10 / rates)]
    assert worst(ends, 5000) < 0.4


def test_a_first_step_alone_promises_nothing():
    pace = Pace(100, 0.0)
    pace.saw(50, 60.0)
    assert pace.seconds_left(61.0) is None
    pace.saw(60, 62.0)
    assert pace.seconds_left(62.0) == pytest.approx(8.0)
