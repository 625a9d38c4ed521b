"""A publish that is killed while a reader looks up all the while: it sees one release whole, always."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from deltalake import DeltaTable, write_deltalake
from pushes import LAKE, rows_of

from uninote.neighbours.list_changes import TableVersion
from uninote.serving.opening import open_store
from uninote.serving.publish import Published, publish

NOTES = 20_000
PUBLISHER = """
import sys
from uninote.neighbours.list_changes import TableVersion
from uninote.serving.opening import open_store
from uninote.serving.publish import Published, publish
place, uri, lake = sys.argv[1:]
one, two = (Published(number, lake, {"neighbours": TableVersion(uri, number - 1)}) for number in (1, 2))
publish(open_store(place), two, one)
"""


def lists(score: float) -> dict:
    return {f"n{number}": [(f"n{number + 1}", score)] for number in range(NOTES)}


class Reader(threading.Thread):
    """Looks up the same notes until it is stopped; `seen` has the scores of each look-up, `errors` what went wrong."""

    def __init__(self, store):
        super().__init__()
        self.store, self.seen, self.errors = store, set(), []
        self.stopped = threading.Event()
        self.notes = [f"n{number}" for number in range(0, NOTES, 997)]

    def run(self):
        while not self.stopped.is_set():
            found = self.store.get(self.notes)
            scores = {score for entries in found.values() for _, score in entries}
            if len(found) != len(self.notes) or len(scores) != 1:
                self.errors.append(found)
            self.seen |= scores


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.more) for seed in (2, 3, 4))])
def test_a_publish_that_is_killed_shows_nothing_and_is_run_again(place, tmp_path, seed):
    uri = str(tmp_path / "neighbours")
    for number, score in enumerate((0.25, 0.5)):
        write_deltalake(uri, rows_of(lists(score)), mode="overwrite")
        assert DeltaTable(uri).version() == number
    store = open_store(place, create=True)
    publish(store, Published(1, LAKE, {"neighbours": TableVersion(uri, 0)}), None)
    reader = Reader(store)
    reader.start()
    command = [sys.executable, "-c", PUBLISHER, place, uri, LAKE]
    with subprocess.Popen(command) as publisher:
        while store.state.pushing is None:
            time.sleep(0.001)
        time.sleep(random.Random(seed).random() / 10)
        publisher.send_signal(signal.SIGKILL)
    assert publisher.returncode == -signal.SIGKILL
    assert store.state.live == 1
    before = set(reader.seen)
    subprocess.run(command, check=True)
    time.sleep(0.05)
    reader.stopped.set()
    reader.join()
    assert reader.errors == []
    assert (before, reader.seen) == ({0.25}, {0.25, 0.5})
    assert store.get(list(lists(0.5))) == lists(0.5)
    store.flip(1)
    assert store.get(list(lists(0.25))) == lists(0.25)
    store.close()
