"""Files that are missing or damaged, and runs that died: what an update starts from can be made anew, and is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable
from lake_updates import Lake

from uninote.neighbours.lookup import NeighbourTableError, lookup
from uninote.pipelines.neighbours import stage as neighbours_stage
from uninote.pipelines.neighbours.stage import neighbours

pytestmark = pytest.mark.spark

WIDTH = 16
SETTINGS = (f"embed.widths=[{WIDTH}]", "embed.undeclared_widths=true", "neighbours.slack=2")


def unit(rows, seed):
    vectors = np.random.default_rng(seed).standard_normal((rows, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def run_of(make_run):
    return lambda *overrides: make_run(*SETTINGS, "neighbours.k=5", *overrides)


@pytest.fixture
def lake(run_of):
    return Lake(run_of, unit(80, 0))


def check(run_of, lake, k=5):
    """Run neighbours, and compare all lists with brute force."""
    summary = neighbours(run_of(f"neighbours.k={k}"))
    keys, vectors = lake.matrix
    scores = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    lists = lookup(run_of().config.lake, keys.tolist())
    assert set(lists) == set(keys.tolist())
    found = np.array([[score for _, score in lists[key]] for key in keys.tolist()])
    np.testing.assert_allclose(found, -np.sort(-scores, axis=1)[:, :k], atol=1e-5)
    return summary


def files(run_of, name):
    return [Path(uri) for uri in DeltaTable(run_of().generation.uri(name)).file_uris()]


def flip(path, count=16):
    content = bytearray(path.read_bytes())
    start = len(content) // 3
    content[start : start + count] = bytes(byte ^ 0x55 for byte in content[start : start + count])
    path.write_bytes(content)


def test_what_an_update_starts_from_is_missing(run_of, lake, monkeypatch, capsys):
    def die(run_settings):
        with monkeypatch.context() as patch:
            patch.setattr(neighbours_stage, "record", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                neighbours(run_of(*run_settings))

    check(run_of, lake)
    lake.update(dict(zip(range(100, 104), unit(4, 1), strict=True)))
    die(())
    root = Path(run_of().generation.uri(""))
    for log in root.rglob("_delta_log"):
        DeltaTable(str(log.parent)).vacuum(0, dry_run=False, enforce_retention_duration=False)
    capsys.readouterr()
    assert check(run_of, lake)["joined"] == 84
    assert "is gone (deleted, or taken by a VACUUM); joining all of them" in capsys.readouterr().err

    # Published with another k, and died before the ledger knew: the tables are not those of the last run any more.
    die(("neighbours.k=9",))
    assert check(run_of, lake)["state"] == "done"
    assert neighbours(run_of())["state"] == "unchanged"

    # What readers see is damaged, and then missing; it is cut from the state again.
    [path] = files(run_of, "neighbours")
    flip(path)
    with pytest.raises(NeighbourTableError, match=rf"{path} is not as it was written .* remove that file"):
        lookup(run_of().config.lake, [1])
    path.unlink()
    assert check(run_of, lake)["joined"] == 0
    assert neighbours(run_of())["state"] == "unchanged"


@pytest.mark.more
def test_a_damaged_private_table_is_made_anew(run_of, lake, capsys):
    check(run_of, lake)
    flip(files(run_of, "neighbour_state/neighbours")[0])
    lake.update(dict(zip(range(3), unit(3, 1), strict=True)))
    capsys.readouterr()
    assert check(run_of, lake)["joined"] == 80
    assert "is not as it was written" in capsys.readouterr().err


def test_a_damaged_vector_is_named_with_its_remedy(run_of, lake):
    flip(files(run_of, f"embeddings/w{WIDTH}")[0])
    with pytest.raises(Exception, match="is not as it was written") as caught:
        neighbours(run_of())
    assert f"embeddings/w{WIDTH}/part-" in str(caught.value)
    assert "embed.check_vectors=true" in str(caught.value)
