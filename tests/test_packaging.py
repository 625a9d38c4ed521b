"""What an installed package holds."""

from __future__ import annotations

from pathlib import Path

import setuptools  # noqa: F401  (it brings the `distutils` that is no longer part of Python)

REPOSITORY = Path(__file__).parents[1]


def test_a_wheel_holds_every_data_file(monkeypatch):
    from distutils.core import run_setup

    monkeypatch.chdir(REPOSITORY)
    command = run_setup("setup.py", stop_after="init").get_command_obj("build_py")
    command.ensure_finalized()
    packed = {Path(folder) / name for _, folder, _, names in command.data_files for name in names}
    present = {path for room in ("uninote", "udfs") for path in Path(room).rglob("*") if path.is_file()}
    code = {path for path in present if path.suffix in (".py", ".pyc", ".nbi", ".nbc")}
    assert packed == present - code
