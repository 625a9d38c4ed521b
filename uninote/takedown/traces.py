"""Searching a lake, and whatever else belongs to it, for what is left of notes."""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from uninote.index.faiss_ids import FAISS_FILES, ids_in
from uninote.lake.takedowns.orders import FOLDER
from uninote.storage import lake_files
from uninote.storage.lake_files import join
from uninote.takedown.columns import Found, in_arrow, in_keys, in_parquet
from uninote.takedown.marks import Marks
from uninote.takedown.texts import in_text


@dataclass(frozen=True)
class Trace:
    """What is left of a note: the file, where in it, and what: its id, an item_key, or text."""

    note_id: str
    path: str
    where: str
    what: str


def traces_in(roots: Mapping[str, str], marks_for: Callable[[str], Marks]) -> Iterator[Trace]:
    """Yield what is left of notes in all files below some folders, but for the list of takedowns itself.

    `roots` says what each folder would be called in the lake: "" is the lake itself, or a folder that has generations as the
    lake does, "<generation>/index/w64" an index that lies elsewhere. `marks_for` says what to look for in a file of such a
    name. A file that cannot be decoded may hold anything: it is searched as text.
    """
    for root, place in roots.items():
        for name in lake_files.files_below(root):
            if not name.startswith(f"{FOLDER}/"):
                path = join(root, name)
                marks = marks_for(join(place, name) if place else name)
                for note_id, what, where in dict.fromkeys(_in_file(path, marks)):
                    yield Trace(note_id, path, where, what)


def _in_file(path: str, marks: Marks) -> Iterator[Found]:
    for note_id, what in marks.in_text(path.rpartition("/")[2]):
        yield note_id, what, "name of the file"
    try:
        content = lake_files.read(path)
    except FileNotFoundError:
        return
    yield from _in_content(content, marks)


def _in_content(content: bytes, marks: Marks) -> Iterator[Found]:
    """Yield what a file has, by what its first bytes say that it is: names say less."""
    try:
        yield from _decoded(content, marks)
    except (pa.ArrowException, OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError):
        yield from in_text(content, marks)


def _decoded(content: bytes, marks: Marks) -> Iterator[Found]:
    if content.startswith(b"PAR1"):
        yield from in_parquet(content, marks)
    elif content.startswith(b"ARROW1"):
        yield from in_arrow(content, marks)
    elif content.startswith(b"\x1f\x8b"):
        yield from _in_content(gzip.decompress(content), marks)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for name in packed.namelist():
                yield from _in_content(packed.read(name), marks)
    elif content.startswith(FAISS_FILES):
        with tempfile.NamedTemporaryFile(suffix=".faiss") as file:
            Path(file.name).write_bytes(content)
            for note_id, what in in_keys(ids_in(Path(file.name)), marks):
                yield note_id, what, "ids of the index"
    else:
        yield from in_text(content, marks)
