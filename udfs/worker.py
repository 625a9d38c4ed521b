"""What a Python worker keeps between tasks. It lives in an importable module: state of a job script is not remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

_values: dict[str, object] = {}
_lock = threading.Lock()


def load_once(key: str, build: Callable[[], Value]) -> Value:
    """Return what `build` made for `key` in this process, calling it the first time only.

    Only the newest key is kept: a worker that goes on to another model must not hold both.
    """
    with _lock:
        if key not in _values:
            _values.clear()
            _values[key] = build()
        return _values[key]  # type: ignore[return-value]
