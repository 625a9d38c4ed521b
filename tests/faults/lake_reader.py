"""A lake as somebody without this project reads it: with deltalake, pyarrow, numpy, safetensors and faiss."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from safetensors.numpy import load


@dataclass(frozen=True)
class LakeReader:
    """Reads the newest version of every table of the one generation in the lake at `root`."""

    root: Path

    @cached_property
    def generation(self) -> Path:
        """The folder of the one generation."""
        (found,) = [path for path in self.root.iterdir() if re.fullmatch("[0-9a-f]{16}", path.name)]
        return found

    @cached_property
    def notes(self) -> dict[str, dict[str, Any]]:
        """Every note by its id. The id comes once, or AssertionError is raised."""
        return _by(rows_of(self.root / "notes"), "note_id")

    @cached_property
    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Every item that has a vector, by (item_id, kind)."""
        return _by(rows_of(self.generation / "items"), "item_id", "kind")

    @cached_property
    def set_aside(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Every item that has none, by (item_id, kind), but for the run that said so."""
        rows = rows_of(self.generation / "set_aside")
        return _by([{**row, "run_id": None} for row in rows], "item_id", "kind")

    def widths(self) -> list[int]:
        """Return the embedded widths."""
        return sorted(int(path.name[1:]) for path in (self.generation / "embeddings").iterdir())

    def vectors(self, width: int) -> tuple[dict[int, dict[str, Any]], np.ndarray]:
        """Return rows by item_key, in order of key, and their vectors, float32 (n, width)."""
        table = table_of(self.generation / "embeddings" / f"w{width}").sort_by("item_key")
        matrix = np.array(table["vector"].to_pylist(), dtype=np.float32)
        return _by(table.drop_columns(["vector"]).to_pylist(), "item_key"), matrix

    def lists(self, name: str) -> dict[str, list[tuple[str, float]]]:
        """Return the neighbours of each note with their scores, best first."""
        rows = _by(rows_of(self.generation / name), "note_id")
        return {owner: [(one["note_id"], one["score"]) for one in row["neighbours"]] for owner, row in rows.items()}

    def duplicates(self) -> dict[str, str]:
        """Return the group of each note that is in one."""
        return {
            note_id: row["group_id"] for note_id, row in _by(rows_of(self.generation / "duplicates"), "note_id").items()
        }

    def codebook(self) -> dict[str, np.ndarray]:
        """Return the arrays of the one codebook."""
        (row,) = rows_of(self.generation / "codebooks")
        return load(row["content"])

    def codes(self) -> list[tuple[str, str | None, bool]]:
        """Return (id, note_id, whether it is present) of every row of codes, in order of id. Its id prints its codes."""
        rows = rows_of(self.generation / "codes")
        for row in rows:
            letters = zip("abcdefgh", row["codes"], strict=False)
            assert row["id"] == "".join(f"<{letter}_{code}>" for letter, code in letters)
        return sorted((row["id"], row["note_id"], row["present"]) for row in rows)

    def index_keys(self, width: int) -> list[int]:
        """Return the keys that the index answers for, ascending; its files are whole, or AssertionError is raised."""
        folder = self.generation / "index" / f"w{width}"
        found: list[int] = []
        gone: set[int] = set()
        for segment in reversed(manifest_of(folder)["segments"]):
            for shard in segment["shards"]:
                check_file(folder, shard["keys"])
                found += [key for key in keys_of(check_file(folder, shard["index"])) if key not in gone]
            if segment["gone"] is not None:
                gone |= set(pq.read_table(check_file(folder, segment["gone"])).column(0).to_pylist())
        return sorted(found)


def manifest_of(folder: Path) -> dict[str, Any]:
    """Return what the newest manifest of an index says."""
    found: dict[str, Any] = json.loads(max(folder.glob("manifest-*.json")).read_text())
    return found


def table_of(path: Path) -> pa.Table:
    """Return the newest version of a Delta table."""
    return DeltaTable(str(path)).to_pyarrow_table()


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return its rows."""
    return table_of(path).to_pylist()


def check_file(folder: Path, file: dict[str, Any]) -> Path:
    """Return the path of a file of an index, which must be what its manifest says."""
    path = folder / file["name"]
    assert path.stat().st_size == file["bytes"], f"{path} has another size"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"], f"{path} has other bytes"
    return path


def keys_of(path: Path) -> list[int]:
    """Return the keys in a shard."""
    index = faiss.read_index(str(path))
    ivf = faiss.extract_index_ivf(index)
    keys: list[int] = []
    for number in range(ivf.nlist):
        size = ivf.invlists.list_size(number)
        keys += faiss.rev_swig_ptr(ivf.invlists.get_ids(number), size).tolist()
    assert len(keys) == index.ntotal
    return keys


def _by(rows: list[dict[str, Any]], *names: str) -> dict[Any, dict[str, Any]]:
    """Return rows by one column, or by several as a tuple; each value comes once."""
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        key = row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)
        assert key not in found, f"{key} is there twice"
        found[key] = row
    return found
