"""What benchmarks find around them: real data, and an environment for peers that are not among this project's dependencies."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from uninote.pipelines.runtime.progress import say

# Where the real sets lie.
DATA = Path(os.environ.get("UNINOTE_DATA", Path(__file__).parents[2] / "shared" / "data"))
FOLDER = Path(os.environ.get("UNINOTE_PEERS", Path(__file__).parents[1] / ".uninote" / "peers"))


def python_with(module: str, packages: Sequence[str]) -> str | None:
    """Return an interpreter that has `module`: that of FOLDER, where `packages` are installed once; None where that fails."""
    for python in (Path(sys.executable), FOLDER / "bin" / "python"):
        if python.exists() and _has(python, module):
            return str(python)
    try:
        venv.create(FOLDER, with_pip=True)
        subprocess.run([FOLDER / "bin" / "pip", "install", "-q", *packages], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"no environment for {', '.join(packages)}: {error}; peers are left out")
        return None
    if not _has(FOLDER / "bin" / "python", module):
        say(f"{module} cannot be imported in {FOLDER}; peers are left out")
        return None
    return str(FOLDER / "bin" / "python")


def _has(python: Path, module: str) -> bool:
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0
