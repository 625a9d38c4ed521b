"""What the install compiles is all that jobs call: what is missing there would be compiled in the middle of a run."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from numba.core.dispatcher import Dispatcher

import uninote.neighbours
from uninote.neighbours.compiling import compile_kernels


def compiled_functions():
    """Yield every compiled function of the package."""
    for module in pkgutil.walk_packages(uninote.neighbours.__path__, "uninote.neighbours."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module.name:
                yield value


def test_every_compiled_function_is_kept_on_disk_once_the_install_has_run():
    compile_kernels()
    functions = list(compiled_functions())
    assert len(functions) > 20
    missing = [one.py_func.__name__ for one in functions if not Path(one._cache._cache_file._index_path).exists()]
    assert missing == []
