"""What a worker imports ahead of the stage that needs it."""

from __future__ import annotations

import sys
import time

import pyarrow as pa

from udfs import worker
from udfs.notes.fingerprints import _has_new
from udfs.worker import import_ahead
from uninote.model.encoder import KINDS, module_of


def until(condition):
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_module_is_imported_once_in_a_thread_and_a_broken_one_stops_nobody(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow_to_import.py").write_text("LOADED = True\n")
    (tmp_path / "broken_to_import.py").write_text("raise RuntimeError\n")
    monkeypatch.setattr(worker, "_ahead", set())
    for name in ("broken_to_import", "slow_to_import", "slow_to_import"):
        import_ahead(name)
    assert until(lambda: "slow_to_import" in sys.modules)
    assert worker._ahead == {"broken_to_import", "slow_to_import"}
    assert "broken_to_import" not in sys.modules


def test_models_are_imported_for_items_that_nothing_is_known_of():
    assert set(filter(None, map(module_of, KINDS))) == {"uninote.model.qwen.encoder", "uninote.model.sentence.encoder"}
    old = pa.array(["hash", None, "hash"])
    assert _has_new(pa.record_batch({"is_there": [True, True, True], "old_content": old}))
    assert not _has_new(pa.record_batch({"is_there": [True, False, True], "old_content": old}))
    assert not _has_new(pa.record_batch({"is_there": pa.array([], pa.bool_()), "old_content": old[:0]}))
