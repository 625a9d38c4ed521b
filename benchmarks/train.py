"""Training against a plain loop, the memory of gradient caching, and what a model trained on emoji finds.

    python benchmarks/train.py [--emoji FOLDER --work FOLDER]

`vs_plain_loop`: median CPU-seconds of the plain loop's steps over those of ours, same model, batch and loss, by turns.
`cached_vs_plain_loop`: the same with cached gradients in at least four chunks; `cached_gradients_differ` says by how much, of
the plain loop's gradient. `equal_passes`: what it would be if the first pass cost as much as a forward pass of the plain loop.
`grad_cache_memory`: peak resident memory above that after loading, batch 512 with cached gradients over batch 32 in the
plain loop, each in a process of its own. `assembly_…`: see train_assembly.py. With --emoji see emoji.py.
The last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from drawn_set import texts, write_drawn_set
from emoji import measure_emoji
from plain_loop import PlainLoop
from processes import run_apart
from train_assembly import measure_assembly

from uninote.model.qwen.trainable import make_trainable_checkpoint
from uninote.training.dataset import TrainingSet
from uninote.training.loop.gradient_cache import backward
from uninote.training.loop.objectives import make_objective
from uninote.training.settings import TrainConfig
from uninote.training.trainer import Trainer

PAIRS = 1024
ROUNDS, WARM_UP = 14, 2  # steps; the first ones are not counted
CHUNKED = (
    2  # the tokens of a chunk are so many times fewer where gradients are cached, so that 32 pairs have four or more
)


def make_parts(folder: Path) -> None:
    """Write the model and the set that all measurements share."""
    write_drawn_set(folder / "set", PAIRS)
    make_trainable_checkpoint(folder / "model", texts(PAIRS))


def settings(batch: int, keep_graphs: bool) -> TrainConfig:
    """Return the settings of a timed run."""
    return TrainConfig(steps=10_000, batch=batch, keep_graphs=keep_graphs, checkpoint_every=10_000, log_every=1)


def vs_plain_loop(folder: Path, batch: int) -> dict[str, float]:
    """Time all by turns, after two rounds to warm up."""
    config, data = settings(batch, keep_graphs=True), TrainingSet(folder / "set")
    cached = config.model_copy(update={"keep_graphs": False, "chunk_tokens": config.chunk_tokens // CHUNKED})
    pairs = data.examples(next(iter(data.strategies("train"))), "train")
    plain = PlainLoop(str(folder / "model"), data, config.contrastive.tau, config.learning_rate)
    seconds: dict[str, list[float]] = {"ours": [], "cached": [], "plain": [], "forward": []}
    with (
        Trainer(folder / "model", data, folder / "kept", config, "cpu") as ours,
        Trainer(folder / "model", data, folder / "cached", cached, "cpu") as saving,
    ):
        found = _compared(saving, plain)
        for turn in range(ROUNDS + WARM_UP):
            rows = slice(turn * batch, (turn + 1) * batch)
            queries, positives = pairs.queries[rows], pairs.candidates[rows, 0]
            steps: dict[str, Callable[[], object]] = {
                "ours": lambda: ours.run(until=ours.step + 1),
                "cached": lambda: saving.run(until=saving.step + 1),
                "plain": lambda queries=queries, positives=positives: plain.step(queries, positives),
                "forward": lambda queries=queries, positives=positives: plain.embed_only(queries, positives),
            }
            for name, step in steps.items():
                seconds[name].append(_cpu_seconds(step))
    took = {name: median(values[WARM_UP:]) for name, values in seconds.items()}
    return found | _ratios(took, batch)


def _ratios(took: dict[str, float], batch: int) -> dict[str, float]:
    rates = {f"pairs_per_cpu_second_{name}": round(batch / took[name], 1) for name in ("ours", "cached", "plain")}
    return rates | {
        "vs_plain_loop": round(took["plain"] / took["ours"], 3),
        "cached_vs_plain_loop": round(took["plain"] / took["cached"], 3),
        "equal_passes": round(took["plain"] / (took["plain"] + took["forward"]), 3),
    }


def _compared(trainer: Trainer, plain: PlainLoop) -> dict[str, float]:
    """Return into how many chunks a step is cut, and how far its gradient is from the plain one, as a share of its norm."""
    batch, chunks = trainer.prepared(0)
    backward(trainer.backbone.embed, chunks, lambda vectors: batch.loss_of(vectors, None), keep_graphs=False)
    cached = trainer.backbone.parameters
    batch.loss_of(plain.embed(batch.items), None).backward()  # type: ignore[no-untyped-call]
    apart = whole = 0.0
    for name, weight in plain.model.named_parameters():
        if weight.grad is not None:
            apart += float((weight.grad - cached[name].grad).square().sum())
            whole += float(weight.grad.square().sum())
    return {"chunks": len(chunks.parts), "cached_gradients_differ": (apart / whole) ** 0.5}


def _cpu_seconds(step: Callable[[], object]) -> float:
    started = time.process_time()
    step()
    return time.process_time() - started


def peak_above_loading(folder: Path, batch: int) -> dict[str, float]:
    """Return the peak of three steps: the plain loop at batch 32, cached gradients at others."""
    data = TrainingSet(folder / "set")
    if batch == 32:
        loop = PlainLoop(str(folder / "model"), data, 0.05, 1e-3)
        pairs = data.examples(next(iter(data.strategies("train"))), "train")
        before = _resident_mib("VmRSS")
        for number in range(3):
            rows = slice(number * batch, (number + 1) * batch)
            loop.step(pairs.queries[rows], pairs.candidates[rows, 0])
    else:
        config = settings(batch, keep_graphs=False)
        with Trainer(folder / "model", data, folder / f"run{batch}", config, "cpu") as trainer:
            assert len(make_objective(data, config, trainer.backbone.widths).step(0).items) == 2 * batch
            before = _resident_mib("VmRSS")
            trainer.run(until=3)
    return {"peak_mib": _resident_mib("VmHWM") - before, "loaded_mib": before}


def _resident_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--emoji", type=Path, help="the folder of emoji_multilingual")
    parser.add_argument("--work", type=Path, help="keeps the runs on emoji, so that a stopped one goes on")
    parser.add_argument("--steps", type=int, default=480, help="of the run on emoji")
    parser.add_argument("--ablation-steps", type=int, default=30)
    parser.add_argument("--shuffled-steps", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--inner", nargs=2, metavar=("FOLDER", "BATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.inner:
        print(json.dumps(peak_above_loading(Path(options.inner[0]), int(options.inner[1]))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_parts(folder)
        found: dict[str, Any] = {"batch": options.batch} | vs_plain_loop(folder, options.batch)
        peaks = {batch: run_apart(Path(__file__), "--inner", scratch, str(batch), threads=1) for batch in (32, 512)}
    ratio = peaks[512]["peak_mib"] / peaks[32]["peak_mib"]
    found |= {"grad_cache_memory": round(ratio, 3), "peak_mib": {k: round(v["peak_mib"]) for k, v in peaks.items()}}
    found |= measure_assembly()
    if options.emoji:
        with tempfile.TemporaryDirectory() as scratch:
            found["emoji"] = measure_emoji(options.emoji, options.work or Path(scratch), options)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
