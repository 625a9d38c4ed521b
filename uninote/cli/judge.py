"""`uninote judge`: what people say of pairs of notes, into the lake."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uninote.cli.options import Commands, lake_of, print_json
from uninote.errors import ConfigError, UninoteError
from uninote.terminal import write

EDITORS = "editors"

_HELP = """\
Say of pairs of notes whether the second is relevant to the first; the answers are the table `judgments`.

    uninote judge --import answers.jsonl        answers of the page, or anybody's: JSON lines, CSV or Parquet
    uninote judge --fit                         a map from lists to confidences, by what was judged (docs/confidence.md)

A row of a file has a, b and relevant (true or false), and may have source, table, rank, probability, judge and judged_at. What
the lake has already is passed over, so a file may be imported again. Importing takes the lake's lease."""


def add_judge(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "judge",
        parents=[common],
        help="say which neighbours are relevant",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--import", dest="file", type=Path, metavar="FILE", help="add the judgments of a file")
    parser.add_argument(
        "--fit", action="store_true", help="fit a confidence map to the judgments of a table and a source"
    )
    parser.add_argument("--table", default="neighbours", help="which of neighbours.tables (default: neighbours)")
    parser.add_argument("--source", help="who judges: editors, co-clicks, … (default: editors; of --fit: the only one)")
    parser.add_argument("--judge", metavar="NAME", help="the person who judges")
    parser.set_defaults(run=_judge)


def _judge(options: argparse.Namespace) -> None:
    lake = lake_of(options)
    if (options.file is None) != options.fit:
        raise ConfigError("say what to do: --import FILE, or --fit")
    found = fit_map(lake, options.table, options.source) if options.fit else import_file(lake, options)
    if options.json:
        return print_json(found)
    write(sys.stdout, _fitted(found) if options.fit else _imported(found))


def import_file(lake: str, options: argparse.Namespace) -> dict[str, Any]:
    """Add the judgments of a file to a lake. Raises JudgmentError, and LakeBusyError where another run writes."""
    # Here, and not above: reading tables takes a second of imports.
    from uninote.judgments.importing import Defaults, read_file
    from uninote.judgments.stored import add_judgments

    check_lake(lake)
    rows, skipped = read_file(options.file, lake, Defaults(options.table, options.source or EDITORS, options.judge))
    with writes(lake):
        added = add_judgments(lake, rows)
    return {"lake": lake, "rows": len(rows) + skipped, "added": added, "known": len(rows) - added, "skipped": skipped}


def _imported(found: dict[str, Any]) -> str:
    return f"{found['added']:,} judgments added; {found['known']:,} were there already, {found['skipped']:,} skipped\n"


def fit_map(lake: str, table: str, source: str | None) -> dict[str, Any]:
    """Fit a map to the judgments of a table, and store it. Raises FitError, and LakeBusyError where another run writes."""
    from uninote.confidence.fitting import fit, measure
    from uninote.confidence.stored_maps import Origin, add_map
    from uninote.judgments.gathering import gather
    from uninote.releases.open_release import open_release

    check_lake(lake)
    opened = open_release(lake)
    gathered = gather(opened, table, source)
    gathered.check(table)
    found, quality = fit(gathered.pairs), measure(gathered.pairs)
    with writes(lake):
        number = add_map(opened.generation, Origin(table, gathered.source, opened.id), found, quality)
    said = {"table": table, "source": gathered.source, "number": number, "release": opened.id}
    return said | {"left_out": dict(gathered.left_out), "map": asdict(found), **asdict(quality)}


def _fitted(found: dict[str, Any]) -> str:
    lines = [
        f"confidence map {found['number']} of {found['table']}, by {found['pairs']:,} pairs of {found['notes']:,} notes that "
        f"{found['source']} judged",
        f"  relevant           {_interval(found['base_rate'])}",
        f"  Brier score        {_interval(found['brier'])}",
        f"  gained by the map  {_interval(found['brier_gain_base'])} over the base rate",
        f"                     {_interval(found['brier_gain_cosine'])} over the cosine alone",
        f"  calibration error  {found['error']:.3f}; a perfect map would show {found['perfect_error']:.3f} on so many",
    ]
    lines += [f"  left out           {count:,} {why}" for why, count in found["left_out"].items()]
    return "\n".join([*lines, "the next jobs/neighbours.py or jobs/refresh.py puts confidences into the lists\n"])


def _interval(one: dict[str, float]) -> str:
    return f"{one['value']:.3f}  ({one['low']:.3f} to {one['high']:.3f})"


def check_lake(lake: str) -> None:
    """Raise UninoteError unless there is a lake of the present format."""
    from uninote.lake.record import FORMAT, read_record

    record = read_record(lake)
    if record is None:
        raise UninoteError(f"{lake} is no lake: it has no lake.json; name another place")
    if record.format != FORMAT:
        raise UninoteError(
            f"{lake} is of an earlier release (format {record.format}); run jobs/refresh.py once, which brings it to {FORMAT}"
        )


@contextmanager
def writes(lake: str) -> Iterator[None]:
    """Hold the lake's lease. Raises LakeBusyError where another run writes."""
    from uninote.upkeep.writing import writing

    with writing(lake, "judge", f"judge-{uuid.uuid4().hex[:8]}"):
        yield
