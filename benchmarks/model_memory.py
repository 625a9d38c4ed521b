"""What workers of one host hold of a large checkpoint: proportional set size (PSS) with one worker and with four.

    python benchmarks/model_memory.py [--mib 600]

PSS divides each shared page among the processes that map it. The last line on stdout is one JSON object: for each number
of workers the PSS of all of them together, in MiB, in anonymous memory and in files; and pss_ratio, the four's over the one's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch
from processes import descendants, run_apart
from safetensors.torch import save_file
from transformers import Qwen3VLConfig, Qwen3VLModel

from uninote.config.settings import Config
from uninote.model.qwen.trainable import make_trainable_checkpoint
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.stage import ingest
from uninote.pipelines.runtime.session import open_session

NOTES = 64


def make_large_checkpoint(folder: Path, mib: int) -> None:
    """Write a random checkpoint of about `mib` MiB: the smallest one with wide feed-forward layers."""
    make_trainable_checkpoint(folder, [f"note {number}" for number in range(NOTES)])
    values = json.loads((folder / "config.json").read_text())
    text = values["text_config"]
    # Three matrices in each layer have this edge, of four bytes an entry.
    text["intermediate_size"] = mib * 2**20 // (4 * 3 * text["hidden_size"] * text["num_hidden_layers"])
    (folder / "config.json").write_text(json.dumps(values))
    torch.manual_seed(0)
    model = Qwen3VLModel(Qwen3VLConfig.from_dict(values))
    save_file({f"model.{name}": weight for name, weight in model.state_dict().items()}, folder / "model.safetensors")


def measure(folder: Path, workers: int) -> dict[str, float]:
    """Embed with so many workers at once, and return the largest PSS that they had together."""
    local = {
        "spark.master": f"local[{workers},4]",
        "spark.ui.enabled": "false",
        "spark.databricks.delta.snapshotPartitions": "1",
    }
    values = {"lake": str(folder / f"lake{workers}"), "ingest": {"source": str(folder / "notes.jsonl")}}
    values |= {
        "model": {"checkpoint": str(folder / "model")},
        "embed": {"items_per_task": NOTES // 8, "batch_tokens": 256},
    }
    run = Run(open_session("benchmark", local), Config.model_validate(values))
    ingest(run)
    largest, stop = {"pss_mib": 0.0}, threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            # All at one moment: a page is divided among those that map it by then.
            now = _pss([pid for pid, command in descendants(os.getpid()) if "udfs.daemon" in command])
            if now["pss_mib"] > largest["pss_mib"]:
                largest.update(now)

    thread = threading.Thread(target=watch)
    thread.start()
    started = time.perf_counter()
    embed(run)
    stop.set()
    thread.join()
    return {name: round(value) for name, value in largest.items()} | {"seconds": round(time.perf_counter() - started)}


def _pss(pids: list[int]) -> dict[str, float]:
    names = {"Pss": "pss_mib", "Pss_Anon": "anonymous_mib", "Pss_File": "file_mib"}
    total = dict.fromkeys(names.values(), 0.0)
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(":")
            if name in names:
                total[names[name]] += int(value.split()[0]) / 1024
    return total


def main() -> None:
    """Run one measurement apart for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=600)
    parser.add_argument("--inner", nargs=2, metavar=("FOLDER", "WORKERS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner:
        print(json.dumps(measure(Path(options.inner[0]), int(options.inner[1]))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_large_checkpoint(folder / "model", options.mib)
        lines = (json.dumps({"note_id": number, "body": f"note {number}"}) for number in range(NOTES))
        (folder / "notes.jsonl").write_text("\n".join(lines))
        found: dict[str, Any] = {
            str(workers): run_apart(Path(__file__), "--inner", scratch, str(workers), threads=1) for workers in (1, 4)
        }
        size = (folder / "model" / "model.safetensors").stat().st_size
    ratio = found["4"]["pss_mib"] / found["1"]["pss_mib"]
    print(json.dumps({"checkpoint_mib": round(size / 2**20), "workers": found, "pss_ratio": round(ratio, 2)}))


if __name__ == "__main__":
    sys.exit(main())
