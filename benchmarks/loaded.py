"""What a busy machine costs: the CPU-seconds of the same work beside other processes over those on the machine as it is.

    python benchmarks/loaded.py

Three kinds of work, each in a process of its own as the jobs run it: `train` is a training step with a thread a core,
`embed` a batch of notes and `index` a k-means, both with the one thread that a Spark task has. Beside them run two busy
processes a core. [`loaded_train`, `loaded_embed`, `loaded_index`] are 1 where work slows in proportion to the time that
it is given. `spinning_train` is the first without the waiting policy of uninote.pipelines. The last line on stdout is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 20.0
MIN_STEPS = 3


def training_step(folder: Path) -> Callable[[], object]:
    """Return one step of the trainer on a drawn set."""
    from drawn_set import texts, write_drawn_set

    from uninote.model.qwen.trainable import make_trainable_checkpoint
    from uninote.training.dataset import TrainingSet
    from uninote.training.settings import TrainConfig
    from uninote.training.trainer import Trainer

    write_drawn_set(folder / "set", 256)
    make_trainable_checkpoint(folder / "model", texts(256))
    config = TrainConfig(steps=100_000, batch=32, keep_graphs=True, checkpoint_every=100_000, log_every=1)
    trainer = Trainer(folder / "model", TrainingSet(folder / "set"), folder / "run", config, "cpu").__enter__()
    return lambda: trainer.run(until=trainer.step + 1)


def embedding_batch(folder: Path) -> Callable[[], object]:
    """Return the embedding of 64 texts by the demo's encoder."""
    from drawn_set import texts

    from uninote.demo.workspace import demo_checkpoint
    from uninote.model.encoder import load_encoder
    from uninote.notes.note import Note

    encoder = load_encoder(demo_checkpoint(), threads=1)
    notes = [Note(body=text) for text in texts(64)]
    return lambda: encoder.embed([encoder.prepare(note, []) for note in notes])


def clustering(folder: Path) -> Callable[[], object]:
    """Return a k-means of 20,000 vectors, as index and join train it."""
    import numpy as np

    from uninote.vectors.kmeans import compute_in_one_thread, fit_kmeans

    compute_in_one_thread()
    sample = np.random.default_rng(0).standard_normal((20_000, 64), dtype=np.float32)
    return lambda: fit_kmeans(sample, 128, 0)


WORK = {"train": training_step, "embed": embedding_batch, "index": clustering}


def cost_of_a_step(kind: str) -> float:
    """Return the CPU-seconds of one step, after one to warm up."""
    with tempfile.TemporaryDirectory() as folder:
        step = WORK[kind](Path(folder))
        step()
        started, computed, steps = time.monotonic(), time.process_time(), 0
        # By CPU-seconds, not by the clock: on a busy machine each process is given a share of the time.
        while steps < MIN_STEPS or time.monotonic() - started < SECONDS:
            step()
            steps += 1
        return (time.process_time() - computed) / steps


def measure(kind: str, policy: str) -> float:
    """Return what a step costs in a process of its own with this waiting policy."""
    # Variables that OpenMP reads once, when it is loaded: hence a process of its own for each.
    threads = {} if kind == "train" else {"OMP_NUM_THREADS": "1"}
    environment = os.environ | {"OMP_WAIT_POLICY": policy} | threads
    command = [sys.executable, __file__, "--inner", kind]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.splitlines()[-1])


@contextmanager
def busy_machine() -> Iterator[None]:
    """Keep every core busy with two other processes."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    """Measure all three, alone and beside others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inner", choices=WORK, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner:
        print(cost_of_a_step(options.inner))
        return
    # What importing this sets is what the jobs run with.
    from uninote import pipelines

    policy = os.environ["OMP_WAIT_POLICY"]
    print(f"waiting policy: {policy}, as {pipelines.__name__} sets it", file=sys.stderr)
    alone = {kind: measure(kind, policy) for kind in WORK}
    with busy_machine():
        loaded = {kind: measure(kind, policy) for kind in WORK}
        spinning = measure("train", "ACTIVE")
    found = {f"loaded_{kind}": round(loaded[kind] / alone[kind], 2) for kind in WORK}
    print(json.dumps(found | {"spinning_train": round(spinning / alone["train"], 2)}))


if __name__ == "__main__":
    main()
