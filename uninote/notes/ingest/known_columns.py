"""Which columns of a source gave the notes last time, held against those that it has now.

A source whose schema changed between two nights reads well and means something else: a body that is gone empties all notes,
and a new column that goes by the name of a field changes all of them. So columns stay what they were until somebody says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from uninote.notes.ingest.column_types import is_binary, is_list, is_text, plain
from uninote.notes.ingest.columns import SourceColumnsError

_MOST = 500  # columns that are remembered, to tell new ones from old ones
_CHANGED = "the source's columns changed since the last ingest"
_ACCEPT = "--set ingest.accept_columns=true"


@dataclass(frozen=True)
class KnownColumns:
    """`fields`: field of a note -> its column and the kind of its type, null where not known. `names`: all columns."""

    fields: Mapping[str, tuple[str, str | None]]
    names: Sequence[str] = ()

    def text(self) -> str:
        """Return them as JSON."""
        return json.dumps({"fields": self.fields, "names": [*self.names][:_MOST]}, sort_keys=True)

    @staticmethod
    def of(text: str) -> KnownColumns:
        """Return what a text says."""
        values = json.loads(text)
        return KnownColumns({field: (one[0], one[1]) for field, one in values["fields"].items()}, values["names"])


def kind_of(types: Sequence[pa.DataType]) -> str | None:
    """Return what kind a column of these types is of, in a word or two; null where it is of none, or of several."""
    kinds = {_kind(kind) for kind in types if not pa.types.is_null(kind)}
    return kinds.pop() if len(kinds) == 1 else None


def _kind(kind: pa.DataType) -> str:
    kind = plain(kind)
    if is_list(kind):
        return f"a list of {_kind(kind.value_type)}"
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "numbers"
    if pa.types.is_temporal(kind):
        return "times"
    if is_text(kind):
        return "text"
    return "bytes" if is_binary(kind) else str(kind).partition("<")[0]


def follow(known: KnownColumns, now: KnownColumns, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return field -> column as it was, for the fields that nobody has `chosen` a column for.

    `now` is what would be taken without a past; a field that only that has stays without a column. Raises SourceColumnsError
    where a column is gone.
    """
    mapping = {field: column for field, (column, _) in now.fields.items() if field in chosen}
    problems = []
    for field, (column, _) in known.fields.items():
        if field in chosen:
            continue
        if column not in now.names:
            problems.append(_gone(field, column, new_names(known, now)))
        mapping[field] = column
    if problems:
        raise SourceColumnsError(f"{_CHANGED}: {'; '.join(problems)}")
    return mapping


def check_kinds(known: KnownColumns, now: KnownColumns) -> None:
    """Raise SourceColumnsError where a field comes from the same column, whose values are of another kind now."""
    changed = []
    for field, (column, kind) in now.fields.items():
        before, was = known.fields.get(field, (None, None))
        if column == before and None not in (kind, was) and kind != was:
            changed.append(_other_kind(field, column, f"was {was} and is {kind}"))
    if changed:
        raise SourceColumnsError(f"{_CHANGED}: {'; '.join(changed)}")


def new_names(known: KnownColumns, now: KnownColumns) -> list[str]:
    """Return the columns that were not there before."""
    return [name for name in now.names if name not in known.names]


def _gone(field: str, column: str, new: Sequence[str]) -> str:
    others = f" (new in it: {', '.join(new)})" if new else ""
    remedy = "mend the export" if field == "note_id" else f"where notes are to be without, {_ACCEPT}, once"
    return (
        f"{column}, which gave the {field} of notes, is gone{others}. Nothing was written. Where another column has it now, "
        f"--set ingest.columns.{field}=<column>; {remedy}"
    )


def _other_kind(field: str, column: str, change: str) -> str:
    remedy = "note_id keeps its type in a lake: mend the export, or name another lake"
    if field != "note_id":
        remedy = (
            f"Where that is meant, {_ACCEPT}, once: notes that read otherwise are embedded again. Else mend the export"
        )
    return f"{column}, which gives the {field} of notes, {change}. Nothing was written. {remedy}"
