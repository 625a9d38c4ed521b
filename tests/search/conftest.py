"""The lake that the present format has among the golden ones, with an index and its model."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import unpack

from uninote.lake.generation_record import RECORD

ARCHIVES = Path(__file__).parents[1] / "golden"


@pytest.fixture
def made(tmp_path):
    """A lake with an index, and the model that its record names."""
    unpack(max(ARCHIVES.glob("lake-*.tar.xz")), tmp_path)
    (record,) = tmp_path.glob(f"lake/*/{RECORD}")
    content = json.loads(record.read_text()) | {"checkpoint": str(tmp_path / "checkpoint")}
    record.write_text(json.dumps(content))
    return SimpleNamespace(
        folder=tmp_path,
        record=record,
        content=content,
        index=str(record.parent / "index" / "w64"),
        model=content["checkpoint"],
    )
