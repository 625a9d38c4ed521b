"""Damaged vectors are embedded again on request, by the one command that the error names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import make_note, write_notes
from deltalake import DeltaTable

from udfs.arrow import to_matrix
from uninote.pipelines.embed.stage import embed

pytestmark = pytest.mark.spark


def stored(run, width):
    """Return item_id -> vector of what can be read."""
    table = DeltaTable(run.generation.uri(f"embeddings/w{width}")).to_pyarrow_table()
    return dict(zip(table["item_id"].to_pylist(), to_matrix(table["vector"].combine_chunks()), strict=True))


@pytest.mark.more
def test_damaged_vectors_are_embedded_again(make_run, capsys):
    run = make_run()
    write_notes(run, [make_note(name) for name in "abcd"])
    embed(run)
    write_notes(run, [make_note(name) for name in "abcdef"])
    embed(make_run())
    before = {width: stored(run, width) for width in (256, 64)}
    # One file of the widest cannot be read any more, one vector of it has no direction, and one narrow one is too long.
    widest, narrow = (run.generation.uri(f"embeddings/w{width}") for width in (256, 64))
    run.spark.sql(
        f"UPDATE delta.`{widest}` SET vector = transform(vector, x -> cast(x * 0 AS float)) WHERE item_id = 'b'"
    )
    run.spark.sql(
        f"UPDATE delta.`{narrow}` SET vector = transform(vector, x -> cast(x * 7 AS float)) WHERE item_id = 'c'"
    )
    path = Path(next(iter(DeltaTable(widest).file_uris())))
    content = bytearray(path.read_bytes())
    content[100:116] = bytes(byte ^ 0x55 for byte in content[100:116])
    path.write_bytes(content)

    capsys.readouterr()
    told = embed(make_run("embed.check_vectors=true"))
    assert "1 file(s) cannot be read" in capsys.readouterr().err
    assert (told["notes_in"], told["quarantined"]) == (6, 0)
    for width, vectors in before.items():
        after = stored(run, width)
        assert set(after) == set(vectors)
        for name, vector in vectors.items():
            np.testing.assert_allclose(after[name], vector, atol=1e-5)
    assert embed(make_run("embed.check_vectors=true"))["state"] == "unchanged"
