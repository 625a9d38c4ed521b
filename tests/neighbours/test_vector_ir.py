"""How compiled functions are cached, and that the kernel works where the CPU has nothing special."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from uninote.neighbours.kernel import approximate, leaves
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.settings import Settings
from uninote.neighbours.kernel.simd import vector_ir

SMALL = Settings(assignments=3, leaf_rows=60, length=16)
PLAIN = """
import sys
import numpy as np
from uninote.neighbours.kernel.simd import tiles as simd
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.settings import Settings
assert not simd.HAS_VNNI and not simd.HAS_HALF
np.save(sys.argv[2], top_k(np.load(sys.argv[1]), 5, settings=Settings(assignments=3, leaf_rows=60, length=16))[0])
"""


def test_what_is_cached_is_dropped_when_any_source_of_the_package_changes(tmp_path):
    (tmp_path / "one.py").write_text("1")
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "two.py").write_text("2")
    before = vector_ir.sources_stamp(tmp_path)
    (tmp_path / "room" / "two.py").write_text("3")
    vector_ir.sources_stamp.cache_clear()
    assert vector_ir.sources_stamp(tmp_path) != before
    mine = vector_ir.sources_stamp(vector_ir.COMPILED)
    for function in (leaves.join_leaves, leaves.join_leaf, approximate._rank_again):
        assert function._cache._cache_file._version[1] == mine


def test_without_a_folder_to_write_to_functions_compile_in_each_process(monkeypatch):
    def njit(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(vector_ir, "njit", njit)
    assert vector_ir.compiled(lambda number: number + 1)(1) == 2


@pytest.mark.slow
@pytest.mark.long
def test_a_cpu_without_anything_special_gives_the_same(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((300, 40)).astype(np.float16)
    np.save(tmp_path / "vectors.npy", vectors)
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    arguments = [str(tmp_path / name) for name in ("vectors.npy", "ids.npy")]
    subprocess.run([sys.executable, "-c", PLAIN, *arguments], env=os.environ | plain, check=True)
    expected = top_k(vectors, 5, settings=SMALL)[0]
    assert (np.load(tmp_path / "ids.npy") == expected).mean() > 0.99  # sums of float32 are taken in another order


def test_what_an_earlier_release_compiled_is_not_even_read(tmp_path):
    index = copy.copy(leaves.join_leaves._cache._cache_file)
    index._index_path = str(tmp_path / "earlier.nbi")
    Path(index._index_path).write_bytes(
        pickle.dumps((numba.__version__, "other sources")) + b"names a class that is gone"
    )
    assert index.load("any signature") is None
