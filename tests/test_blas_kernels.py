"""The kernels that FAISS multiplies matrices with."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from uninote import blas_kernels
from uninote.blas_kernels import choose_kernels, kernels_for

AVX512 = {"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"}


def test_a_processor_gets_the_widest_kernels_that_it_can_run():
    assert kernels_for(AVX512 | {"avx2", "fma"}) == "SkylakeX"
    assert kernels_for(AVX512 - {"avx512vl"} | {"avx2", "fma"}) == "Haswell"
    assert kernels_for({"avx"}) is None
    assert kernels_for(set()) is None


def test_kernels_that_somebody_named_stay(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    choose_kernels()
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"


def test_faiss_is_loaded_with_the_kernels_of_this_processor(monkeypatch):
    wanted = kernels_for(blas_kernels._flags(blas_kernels._CPU.read_text())) if blas_kernels._CPU.exists() else None
    if wanted is None:
        pytest.skip("a processor for which OpenBLAS chooses")
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    # OpenBLAS says what it chose when it is loaded: once for numpy's and once for FAISS'.
    monkeypatch.setenv("OPENBLAS_VERBOSE", "2")
    for first in ("uninote.vectors.kmeans", "uninote.index.search", "udfs.index.build"):
        done = subprocess.run([sys.executable, "-c", f"import {first}"], capture_output=True, text=True, check=True)
        said = {line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Core:")}
        assert said == {f"Core: {wanted}"}
