"""Sessions of readers who do not exist, drawn over the demo corpus: which notes one reads after another.

Who reads stays with a topic for a while, prefers what is popular, and moves on to a topic that goes with it. The topics are
those that the demo's notes were written about (`truth.jsonl`), which no encoder and no codebook has seen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

STAYS = 0.8  # with the topic, from a note to the next
FOLLOWERS = 3  # topics that a topic leads to
LENGTHS = (4, 10)
POPULARITY = 0.8  # the exponent of Zipf's law within a topic


@dataclass(frozen=True)
class World:
    """The notes of each topic by position, with their shares of its readers; and which topics a topic leads to."""

    notes: list[np.ndarray]
    shares: list[np.ndarray]
    follows: np.ndarray


def topics_of(truth: Path, note_ids: list[str]) -> list[str]:
    """Return the topic of each note, from the demo's `truth.jsonl`."""
    found = {}
    with truth.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            found[row["note_id"]] = row["topic"]
    return [found[note_id] for note_id in note_ids]


def make_world(topics: list[str], seed: int) -> World:
    """Return a world in which notes with these topics are read."""
    random = np.random.default_rng(seed)
    names, topic = np.unique(topics, return_inverse=True)
    notes, shares = [], []
    for number in range(len(names)):
        mine = random.permutation(np.flatnonzero(topic == number))
        weights = (1 + np.arange(len(mine))) ** -POPULARITY
        notes.append(mine)
        shares.append(weights / weights.sum())
    return World(notes, shares, random.integers(0, len(names), (len(names), FOLLOWERS)))


def draw_sessions(world: World, count: int, seed: int) -> list[np.ndarray]:
    """Return `count` sessions: different notes by position, in the order in which they are read."""
    random = np.random.default_rng((seed, count))
    by_size = np.array([len(notes) for notes in world.notes], np.float64)
    by_size /= by_size.sum()
    sessions = []
    for _ in range(count):
        topic = random.choice(len(by_size), p=by_size)
        length = random.integers(*LENGTHS, endpoint=True)
        read: dict[int, None] = {}
        # A small topic may be read out: then fewer notes are read.
        for _ in range(4 * length):
            if len(read) == length:
                break
            read[int(random.choice(world.notes[topic], p=world.shares[topic]))] = None
            if random.random() >= STAYS:
                topic = random.choice(world.follows[topic])
        sessions.append(np.array(list(read)))
    return sessions
