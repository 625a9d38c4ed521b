"""The order of the layers, and the shape of the job scripts."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("jobs", "uninote.pipelines", "udfs", "uninote")  # each may import itself and what stands to its right
HOMES = {
    "faiss": {"uninote/index/", "uninote/vectors/kmeans.py", "uninote/vectors/hamming.py"},
    "yaml": {"uninote/config/yaml_text.py"},
    "boto3": {"uninote/storage/s3"},
    "botocore": {"uninote/storage/s3"},
    "redis": {"uninote/serving/redis_server.py"},
    "lmdb": {"uninote/serving/mapped.py"},
    "pyspark": {"uninote/pipelines/", "uninote/lake/schemas/", "udfs/daemon.py", "udfs/task.py"},
}
SOURCES = [path for top in ("jobs", "udfs", "uninote") for path in sorted((ROOT / top).rglob("*.py"))]


def layer(module: str) -> int | None:
    return next((n for n, name in enumerate(LAYERS) if module == name or module.startswith(f"{name}.")), None)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_to_lower_layers_only(path):
    own = layer(".".join(path.relative_to(ROOT).with_suffix("").parts))
    back = {name for name in imports(path) if (found := layer(name)) is not None and found < own}
    assert not back


def imported_modules() -> dict[str, set[str]]:
    """Return our modules that each of our modules imports."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCES
    }
    graph = {}
    for module, path in modules.items():
        # `from package import name` names a module of that package, or something in the package's own file.
        named = {name if name in modules else name.rpartition(".")[0] for name in imports(path)}
        graph[module] = named & modules.keys() - {module}
    return graph


def test_no_module_imports_itself_through_others():
    TopologicalSorter(imported_modules()).prepare()  # raises CycleError, which names the circle


def package_of(module: str) -> str:
    """Return the package that a module lies in; a package's own file lies in that package."""
    return module if (ROOT / module.replace(".", "/")).is_dir() else module.rpartition(".")[0]


def room_of(module: str) -> str:
    """Return the folder of uninote that a module lies in, whatever package of it, or udfs or jobs."""
    return ".".join(module.split(".")[:2]) if module.startswith("uninote.") else module.split(".")[0]


def folded(part_of: Callable[[str], str]) -> dict[str, set[str]]:
    """Return the parts that each part of the project imports, `part_of` being the part that a module lies in."""
    parts: dict[str, set[str]] = {}
    for module, named in imported_modules().items():
        part = part_of(module)
        parts.setdefault(part, set()).update(set(map(part_of, named)) - {part})
    return parts


@pytest.mark.parametrize("part_of", [package_of, room_of])
def test_no_package_and_no_room_imports_itself_through_others(part_of):
    parts = folded(part_of)
    assert part_of("uninote.training.dataset.checks") in parts[part_of("uninote.pipelines.training.train")]
    TopologicalSorter(parts).prepare()


@pytest.mark.parametrize("library", HOMES)
def test_a_library_with_one_home_is_imported_there_only(library):
    users = {
        str(path.relative_to(ROOT)) for path in SOURCES if library in {name.split(".")[0] for name in imports(path)}
    }
    assert not {user for user in users if not user.startswith(tuple(HOMES[library]))}


@pytest.mark.parametrize("path", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.name)
def test_jobs_are_thin(path):
    assert len(path.read_text().splitlines()) < 60


LIGHT = ("numba", "torch", "faiss", "numpy", "pyarrow", "pandas", "pyspark", "deltalake", "transformers")


def loaded_by(*modules: str) -> set[str]:
    """Return the top-level modules that a fresh process has loaded once it has imported these."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_package_alone_loads_none_of_the_large_libraries():
    assert not loaded_by("uninote") & {*LIGHT}


def test_a_plan_is_made_without_a_compiler_or_a_model():
    loaded = loaded_by(
        "uninote.index.planning.plan",
        "uninote.pipelines.neighbours.planning.plan",
        "uninote.neighbours.kernel.settings",
    )
    assert "uninote" in loaded
    assert not loaded & {"numba", "llvmlite", "torch"}


def test_threads_of_a_job_wait_without_spinning():
    # OpenMP reads the variable once, when a library that brings it is loaded: it must be set before any of them.
    code = """
import os, sys
def see(event, found):
    if event == "import" and found[0] in ("torch", "faiss"):
        print(found[0], os.environ.get("OMP_WAIT_POLICY"), flush=True)
    if event == "import" and found[0] == "torch":
        os._exit(0)  # what comes now would take five seconds, and is not asked for
sys.addaudithook(see)
import uninote.pipelines.index.stage, uninote.pipelines.training.train
import faiss, torch
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    seen = dict(line.split() for line in reversed(done.stdout.splitlines()))
    assert seen == {"torch": "PASSIVE", "faiss": "PASSIVE"}
