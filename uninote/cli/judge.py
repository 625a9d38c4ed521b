"""`uninote judge`: what people say of pairs of notes, into the lake, and maps from lists to confidences."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninote.cli.options import Commands, config_of, lake_of, print_json
from uninote.errors import ConfigError, UninoteError
from uninote.judgments.writing import check_lake, writes
from uninote.terminal import write

if TYPE_CHECKING:
    from uninote.judgments.asking.session import Session

EDITORS = "editors"
_HELP = """\
Say of pairs of notes whether the second is relevant to the first; the answers are the table `judgments`.

    uninote judge --judge Ann                   in the terminal: y, n, s to skip, u to undo, q to quit and go on later
    uninote judge --page judge.html --judge Ann a page for a browser, without a server; it saves a file of answers
    uninote judge --import answers.jsonl        answers of the page, or anybody's: JSON lines, CSV or Parquet
    uninote judge --fit                         a map from lists to confidences, by what was judged (docs/confidence.md)

Pairs are drawn from the live release: from all ranks and confidences, more of those in doubt, each with a probability that its
answer is stored with. A row of a file has a, b and relevant (true or false), and may have source, table, rank, probability,
judge and judged_at. What the lake has already is passed over, so a file may be imported again. Importing and fitting take the
lake's lease; who answers in the terminal holds it only at the end."""


def add_judge(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "judge",
        parents=[common],
        help="say which neighbours are relevant",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--page", type=Path, metavar="FILE", help="write a page that asks")
    ways.add_argument("--import", dest="file", type=Path, metavar="FILE", help="add the judgments of a file")
    ways.add_argument(
        "--fit", action="store_true", help="fit a confidence map to the judgments of a table and a source"
    )
    parser.add_argument("--table", default="neighbours", help="which of neighbours.tables (default: neighbours)")
    parser.add_argument("--source", help="who judges: editors, co-clicks, … (default: editors; of --fit: the only one)")
    parser.add_argument("--judge", metavar="NAME", help="the person who judges")
    parser.add_argument("--count", type=int, default=300, help="how many pairs (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other pairs (default: 0)")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="where the terminal's answers go (default: here)")
    parser.set_defaults(run=_judge)


def _judge(options: argparse.Namespace) -> None:
    lake = lake_of(options)
    work, shown = _work(options)
    if options.count < 1:
        raise ConfigError(f"--count is {options.count}; it is at least 1")
    found = work(lake, options)
    if options.json:
        return print_json(found)
    write(sys.stdout, shown(found))


Work = Callable[[str, argparse.Namespace], dict[str, Any]]


def _work(options: argparse.Namespace) -> tuple[Work, Callable[[Mapping[str, Any]], str]]:
    if options.fit:
        # Here, and not above: reading tables takes a second of imports.
        from uninote.cli.judge_fit import fit_map, fitted_text

        return fit_map, fitted_text
    if options.file is not None:
        return import_file, _imported
    return (write_page, _page_text) if options.page is not None else (ask_here, _imported)


def import_file(lake: str, options: argparse.Namespace) -> dict[str, Any]:
    """Add the judgments of a file to a lake. Raises JudgmentError, and LakeBusyError where another run writes."""
    from uninote.judgments.importing import Defaults, read_file
    from uninote.judgments.stored import add_judgments

    check_lake(lake)
    defaults = Defaults(options.table, options.source or EDITORS, options.judge)
    rows, skipped = read_file(options.file, lake, defaults)
    with writes(lake):
        added = add_judgments(lake, rows)
    return {"lake": lake, "rows": len(rows) + skipped, "added": added, "known": len(rows) - added, "skipped": skipped}


def _imported(found: Mapping[str, Any]) -> str:
    return f"{found['added']:,} judgments added; {found['known']:,} were there already, {found['skipped']:,} skipped\n"


def write_page(lake: str, options: argparse.Namespace) -> dict[str, Any]:
    """Write a page that asks for pairs. Raises JudgmentError and ReleaseError."""
    from uninote.judgments.asking.page_file import page_of

    session = _session(lake, options, pictures=True)
    page = page_of(session.name, session.draw, session.pairs, session.notes)
    options.page.write_text(page, encoding="utf-8")
    return {"lake": lake, "page": str(options.page), "pairs": len(session.pairs), "saves": f"{session.name}.jsonl"}


def _page_text(found: Mapping[str, Any]) -> str:
    return (
        f"{found['page']} asks for {found['pairs']:,} pairs, and saves {found['saves']}: uninote judge --import "
        f"{found['saves']}\n"
    )


def ask_here(lake: str, options: argparse.Namespace) -> dict[str, Any]:
    """Ask in the terminal, and import what was answered. Raises JudgmentError, ReleaseError, LakeBusyError."""
    from uninote.judgments.asking.answers import AnswerFile
    from uninote.judgments.asking.terminal import ask

    session = _session(lake, options, pictures=False)
    options.file = options.answers or Path(f"{session.name}.jsonl")
    answers = AnswerFile(options.file, session.draw)
    # With --json stdout is the summary's alone.
    is_done = ask(session.pairs, session.notes, answers, (sys.stdin, sys.stderr if options.json else sys.stdout))
    found: dict[str, Any] = {"rows": 0, "added": 0, "known": 0, "skipped": 0}
    if answers.lines:
        try:
            found = import_file(lake, options)
        except UninoteError as error:
            raise UninoteError(
                f"{error}. The answers are in {options.file}: uninote judge --import {options.file}"
            ) from error
    return found | {"lake": lake, "answers": str(options.file), "done": is_done}


def _session(lake: str, options: argparse.Namespace, pictures: bool) -> Session:
    from uninote.config.sections.sources import MediaConfig
    from uninote.judgments.asking.session import Asked, open_session
    from uninote.judgments.asking.shown_notes import media_policy
    from uninote.releases.open_release import open_release
    from uninote.storage.types import S3Options

    check_lake(lake)
    opened = open_release(lake)
    policy = None
    if pictures:
        config = config_of(options) if options.lake is None or options.config is not None else None
        reached = S3Options() if config is None else S3Options(config.s3.endpoint, config.s3.region)
        policy = media_policy(opened, MediaConfig() if config is None else config.media, reached)
    asked = Asked(options.table, options.source or EDITORS, options.judge, options.count, options.seed)
    return open_session(opened, asked, policy)
