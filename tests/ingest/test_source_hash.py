"""What tells a source that says the same from one that does not."""

from __future__ import annotations

import os

from uninote.notes.ingest import source_hash
from uninote.notes.ingest.source_hash import hash_source
from uninote.notes.ingest.sources import Source, find_source


def test_bytes_and_names_of_files_count_and_times_and_the_folder_do_not(tmp_path, monkeypatch):
    found = []
    for folder in ("a", "b"):
        (tmp_path / folder / "day=1").mkdir(parents=True)
        (tmp_path / folder / "day=1" / "notes.jsonl").write_text('{"note_id": 1}\n')
        found.append(find_source(str(tmp_path / folder)))
    rows = tmp_path / "b" / "day=1" / "notes.jsonl"
    os.utime(rows, (0, 0))
    first = hash_source(found[0])
    assert first
    assert hash_source(found[1]) == first
    rows.rename(rows.with_name("others.jsonl"))
    assert hash_source(found[1]) not in ("", first)
    rows.with_name("others.jsonl").write_text('{"note_id": 2}\n')
    assert hash_source(found[1]) not in ("", first)

    monkeypatch.setattr(source_hash, "MOST_BYTES", 10)
    assert hash_source(found[0]) == ""
    assert hash_source(Source("delta", str(tmp_path), None)) == ""
    assert hash_source(Source("parquet", "s3://bucket/notes", None)) == ""
