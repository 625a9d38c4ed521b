"""What a Python worker keeps between tasks. It lives in an importable module: state of a job script is not remembered."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Value = TypeVar("Value")

_values: dict[str, object] = {}
_lock = threading.Lock()
_ahead: set[str] = set()  # modules that this process has begun to import ahead


def load_once(key: str, build: Callable[[], Value]) -> Value:
    """Return what `build` made for `key` in this process, calling it the first time only.

    Only the newest key is kept: a worker that goes on to another model must not hold both.
    """
    with _lock:
        if key not in _values:
            _values.clear()
            _values[key] = build()
        return _values[key]  # type: ignore[return-value]


def import_ahead(module: str) -> None:
    """Begin to import a module in a thread, unless this process has begun before: a later task will need it.

    torch and transformers take a worker seven CPU-seconds, while Spark's planning between two stages leaves cores idle.
    """
    if module not in _ahead:
        _ahead.add(module)
        threading.Thread(target=_import, args=(module,), daemon=True).start()


def _import(module: str) -> None:
    with suppress(Exception):  # whoever needs it raises what is wrong
        importlib.import_module(module)
