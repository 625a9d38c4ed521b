"""The runbook: every sentence in its first columns is one that the code says, and every setting that it names is one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from uninote.config.settings import Config
from uninote.failures.faults import FAULTS

ROOT = Path(__file__).parents[1]
RUNBOOK = ROOT / "docs" / "runbook.md"
GAP = "\0"  # where a sentence has a value


@cache
def sentences() -> tuple[str, ...]:
    """Return all texts in the code, f-strings with a gap for each value."""
    found = []
    for top in ("uninote", "udfs", "jobs"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = [str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values]
                    found.append("".join(parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(re.sub(r"\{\w+\}", GAP, node.value))
    return tuple(found)


def signs() -> list[str]:
    """Return what an operator sees: the code spans in the first column of every table."""
    rows = [line.split("|")[1] for line in RUNBOOK.read_text().splitlines() if line.startswith("| ")]
    return [span for row in rows for span in re.findall(r"`([^`]+)`", row)]


def is_said(sign: str) -> bool:
    """Say whether the parts of a sentence between its dots stand in one text of the code, in this order."""
    parts = [part.strip(" :") for part in sign.split("…")]
    wanted = re.compile(".*".join(re.escape(part) for part in parts if part), re.DOTALL)
    return any(wanted.search(text) for text in sentences())


# What these begin with is put together of the name of a setting and a sentence of another place.
COMPOSED = {
    "error: <file>: … problem(s)": "problem(s)",
    "<setting> must stay …": "must stay",
    "observe.…: …; the run goes on": "; the run goes on",
    "… has the property delta.…RetentionDuration": "has the property",
}
NO_SENTENCE = {"quarantine", "ingest", "release-<n>.json"}  # a table, a stage, a file


@pytest.mark.parametrize("sign", signs())
def test_what_an_operator_sees_is_what_the_code_says(sign):
    assert sign in NO_SENTENCE or is_said(COMPOSED.get(sign, sign))


def test_every_known_fault_has_a_row():
    text = " ".join(RUNBOOK.read_text().split())
    rows = [part for sign in signs() for part in sign.split("…") if len(part.strip()) > 3]
    for fault in FAULTS:
        assert any(part.strip() in fault.sentence for part in rows), (
            f"{fault.sentence} is not in the runbook: {text[:0]}"
        )


def test_every_setting_that_is_named_is_one():
    known = {f"{section}.{key}" for section, field in Config.model_fields.items() for key in keys_of(field.annotation)}
    named = set(re.findall(r"`(?:--set )?([a-z]+\.[a-z_]+)(?:=[^`]*)?`", RUNBOOK.read_text()))
    ours = {name for name in named if name.split(".")[0] in Config.model_fields and not name.startswith("spark.")}
    assert len(ours) > 10
    assert ours <= known


def keys_of(section: object) -> list[str]:
    return list(getattr(section, "model_fields", ()))
