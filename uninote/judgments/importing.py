"""Judgments out of a file: JSON lines, as the page and the terminal write them, CSV or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from uninote.judgments.stored import JudgmentError, schema_of
from uninote.judgments.values import answer_of, note_id_of, probability_of, text_of, time_of, whole_of


@dataclass(frozen=True)
class Defaults:
    """What rows are that do not say it themselves; a judge may be null."""

    table: str = "neighbours"
    source: str = "editors"
    judge: str | None = None


def read_file(path: Path, lake: str, defaults: Defaults) -> tuple[pa.Table, int]:
    """Return the judgments of a file in the columns of the lake's, and how many rows were skipped by their judge.

    A row has `a`, `b` and `relevant` (true, yes, y, 1 or their opposites; empty or "skip": no answer), and may have the other
    columns. Raises JudgmentError, which names the row.
    """
    schema = schema_of(lake)
    rows, skipped = [], 0
    for number, row in enumerate(_records(path), 1):
        try:
            made = _judgment(row, schema, defaults)
        except ValueError as error:
            raise JudgmentError(f"row {number} of {path.name}: {error}; nothing was imported") from error
        if made is None:
            skipped += 1
        else:
            rows.append(made)
    return pa.Table.from_pylist(rows, schema), skipped


def read_answers(path: Path, sides: Mapping[str, pa.DataType]) -> Iterator[dict[str, Any]]:
    """Yield (sides, relevant, probability) of the rows of a file in which somebody answered; `sides`: name -> type of its ids.

    Raises JudgmentError, which names the row.
    """
    for number, row in enumerate(_records(path), 1):
        try:
            relevant = _answered(row, tuple(sides))
            if relevant is not None:
                ids = {name: note_id_of(row[name], kind, name) for name, kind in sides.items()}
                yield ids | {"relevant": relevant, "probability": probability_of(row)}
        except ValueError as error:
            raise JudgmentError(f"row {number} of {path.name}: {error}; nothing was read") from error


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a file, whose name says what it is."""
    if not path.is_file():
        raise JudgmentError(f"there is no file {path}; name one of JSON lines, CSV or Parquet")
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise JudgmentError(
            f"{path.name} ends in none of {', '.join(_READERS)}, by which its format is known; rename it"
        )
    try:
        yield from read(path)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise JudgmentError(f"{path.name} cannot be read ({str(error).splitlines()[0]})") from error


def _json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    # Not `splitlines`: a text in a line may hold what that takes for the end of one.
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise JudgmentError(f"line {number} of {path.name} is no JSON ({error}); nothing was imported") from error
        if not isinstance(row, dict):
            raise JudgmentError(f"line {number} of {path.name} is no object; each line is one judgment")
        yield row


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    # As texts: ids of digits keep their zeros where the lake's ids are texts.
    columns = pa_csv.open_csv(path).schema.names
    options = pa_csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True)
    yield from pa_csv.read_csv(path, convert_options=options).to_pylist()


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    for batch in pq.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()


_READERS: Mapping[str, Callable[[Path], Iterator[Mapping[str, Any]]]] = {
    ".jsonl": _json_lines,
    ".json": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _judgment(row: Mapping[str, Any], schema: pa.Schema, defaults: Defaults) -> dict[str, Any] | None:
    """Return a row of the table; null where the judge skipped the pair. Raises ValueError."""
    relevant = _answered(row, ("a", "b"))
    if relevant is None:
        return None
    made = dict.fromkeys(schema.names) | {
        "relevant": relevant,
        "source": text_of(row, "source") or defaults.source,
        "release": whole_of(row, "release", schema),
        "generation": text_of(row, "generation"),
        "table": text_of(row, "table") or defaults.table,
        "rank": whole_of(row, "rank", schema),
        "probability": probability_of(row),
        "judge": text_of(row, "judge") or defaults.judge,
        "judged_at": time_of(row.get("judged_at")),
    }
    for side in ("a", "b"):
        made[side] = note_id_of(row[side], schema.field(side).type)
    if made["a"] == made["b"]:
        raise ValueError(f"a and b are the same note, {made['a']!r}")
    return made


def _answered(row: Mapping[str, Any], sides: Sequence[str]) -> bool | None:
    """Return what a row says, null where nobody answered. Raises ValueError."""
    for name in (*sides, "relevant"):
        if name not in row:
            raise ValueError(f"there is no {name!r} in it; a judgment has {', '.join(sides)} and relevant")
    return answer_of(row["relevant"])
