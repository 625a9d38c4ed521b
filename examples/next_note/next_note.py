"""Train a small model of sequences on semantic ids, and see how often it names the next note among ten.

    python examples/next_note/next_note.py                     # the lake and the corpus of `make run`
    python examples/next_note/next_note.py --seeds 5 --sessions 8000

Beside it: the same model on the same ids dealt out at random, and the notes that are read most. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model import Ids, scores_of, train_model
from sessions import draw_sessions, make_world, topics_of

import uninote
from uninote.codes.stored import read_codebook, read_codes
from uninote.demo.workspace import EDITION

ROOT = Path(__file__).resolve().parents[2]
FOUND = 10
Recalls = dict[str, float | None]  # R@10 over "all" notes to find, and over the "rare" ones; null where there are none
RARE = 2  # times that a note was read at most in the sessions for training, to count as rare


@dataclass(frozen=True)
class Trial:
    """Sessions to train on, sessions to go on with, and the note that comes next in each of these."""

    train: list[np.ndarray]
    begun: list[np.ndarray]
    wanted: np.ndarray
    rare: np.ndarray


def make_trial(topics: list[str], sessions: int, held_out: int, seed: int) -> Trial:
    """Return sessions drawn with a seed. Of those held out, the last note is the one to find."""
    world = make_world(topics, seed)
    train = draw_sessions(world, sessions, seed)
    held = [one for one in draw_sessions(world, held_out + 1, seed + 1) if len(one) > 1][:held_out]
    wanted = np.array([one[-1] for one in held])
    times = np.bincount(np.concatenate(train), minlength=len(topics))
    return Trial(train, [one[:-1] for one in held], wanted, times[wanted] <= RARE)


def recalls_of(trial: Trial, scores: np.ndarray) -> Recalls:
    """Return R@10 over all held-out sessions, and over those whose next note is rare. What was read already is not named."""
    for row, read in zip(scores, trial.begun, strict=True):
        row[read] = -np.inf
    best = np.argpartition(-scores, FOUND, axis=1)[:, :FOUND]
    hits = (best == trial.wanted[:, None]).any(axis=1)
    return {"all": float(hits.mean()), "rare": float(hits[trial.rare].mean()) if trial.rare.any() else None}


def run_trial(codes: np.ndarray, trial: Trial, epochs: int, seed: int) -> dict[str, Recalls]:
    """Return R@10 by what names the notes."""
    dealt = np.random.default_rng(seed).permutation(codes)
    found = {}
    for name, mine in (("semantic ids", codes), ("random ids", dealt)):
        ids = Ids(mine)
        model = train_model(ids, trial.train, epochs, seed)
        found[name] = recalls_of(trial, scores_of(model, ids, trial.begun))
    read = np.bincount(np.concatenate(trial.train), minlength=len(codes)).astype(np.float32)
    found["popularity"] = recalls_of(trial, np.repeat(read[None], len(trial.begun), axis=0))
    return found


def read_ids(lake: str) -> tuple[list[str], np.ndarray]:
    """Return the notes of the live release that have an id, and their codes, int64 (notes, levels)."""
    tables = uninote.open_release(lake).tables
    if "codes" not in tables:
        sys.exit(f"the live release of {lake} has no codes; run jobs/codes.py and jobs/release.py")
    codebook = read_codebook(*tables["codebooks"])
    assert codebook is not None  # a release that has codes has it
    uri, version = tables["codes"]
    table = read_codes(uri, codebook.version, version)
    return table["note_id"].to_pylist(), np.array(table["codes"].to_pylist(), np.int64)


def summary(trials: list[dict[str, Recalls]]) -> dict[str, dict[str, list[float]]]:
    """Return mean, least and greatest R@10 over the trials, by name and by notes; nothing of notes that no trial had."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in trials[0]:
        found[name] = {}
        for notes in ("all", "rare"):
            values = [trial[name][notes] for trial in trials]
            known = np.array([value for value in values if value is not None])
            if len(known):
                found[name][notes] = [round(float(value), 4) for value in (known.mean(), known.min(), known.max())]
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the trials and print what came out."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    began = time.time()
    note_ids, codes = read_ids(options.lake)
    topics = topics_of(Path(options.truth), note_ids)
    trials = []
    for seed in range(options.seeds):
        trial = make_trial(topics, options.sessions, options.held_out, seed)
        trials.append(run_trial(codes, trial, options.epochs, seed))
        _say(
            f"seed {seed}: {len(trial.train)} sessions, {trial.rare.mean():.0%} of the notes to find are rare",
            trials[-1],
        )
    found = summary(trials)
    _say(f"\nR@{FOUND}, mean (least to greatest) of {len(trials)} seeds; {len(note_ids)} notes", {})
    for name, values in found.items():
        texts = [f"{notes} {mean:.3f} ({low:.3f} to {high:.3f})" for notes, (mean, low, high) in values.items()]
        _say(f"  {name:14}{'   '.join(texts)}", {})
    sys.stdout.write(
        json.dumps({"recall_at_10": found, "seeds": len(trials), "seconds": round(time.time() - began)}) + "\n"
    )
    return 0


def _say(text: str, values: Mapping[str, Any]) -> None:
    rows = [f"  {name}: {recalls['all']:.3f}" for name, recalls in values.items()]
    sys.stdout.write("\n".join([text, *rows]) + "\n")
    sys.stdout.flush()  # a trial takes a minute or more, and a pipe would hold its figures until the end


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", default=str(ROOT / ".uninote" / "lake"))
    parser.add_argument("--truth", default=str(ROOT / ".uninote" / "demo" / f"corpus-3000-7-{EDITION}" / "truth.jsonl"))
    parser.add_argument("--sessions", type=int, default=4_000)
    parser.add_argument("--held-out", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
