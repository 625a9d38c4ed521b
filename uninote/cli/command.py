"""`uninote`: look into a lake from a terminal.

    uninote status --max-age 26h       what ran last, and what runs now; exits with 3 where neighbours are older
    uninote neighbours n17 n4          the lists of some notes, as the recommenders read them
    uninote show n17                   what the lake holds of a note, and what could not be used of it
    uninote explain n17 n9             why n9 is, or is not, among the neighbours of n17
    uninote releases list              which releases there are, and which one readers see
    uninote releases rollback          back to the one before: at once for readers, and for the next refresh
    uninote publish --store URI        the live release into an online store (default: serving.store)
    uninote hide add n17 --store URI   a note out of it at once
    uninote takedown add n17 --why …   a note that nobody is to see any more, at once
    uninote judge --import FILE        what people said of pairs of notes
    uninote vacuum --dry-run           which files nothing needs any more; without --dry-run they go
    uninote plan --notes 50000000      what a lake of that size takes: hours, memory, storage, money

The lake is the one of conf/local.yaml below the working folder, of the file that --config names, or --lake itself. With --json
each command prints one JSON object. None starts Spark; but for `vacuum` and `judge`, none writes to a table or waits for a run.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from uninote.cli.explaining import add_explain
from uninote.cli.judge import add_judge
from uninote.cli.online_store import add_hide, add_publish, hide_notes, print_hidden, print_published, publish_live
from uninote.cli.options import common_options, config_of, lake_of, print_json
from uninote.cli.planning.arguments import add_plan
from uninote.cli.prove import check_traces
from uninote.cli.releases import add_releases
from uninote.cli.status import TooOldError, check_age, parse_age, print_status, status_of
from uninote.cli.takedown import add_takedown, print_takedowns, take_down
from uninote.cli.vacuum import add_vacuum
from uninote.errors import ConfigError, UninoteError
from uninote.failures.explaining import TRACE, explained
from uninote.storage.lake_files import is_folder
from uninote.terminal import write

DONE = 0
FAILED = 1
BAD_CONFIG = 2
TOO_OLD = 3
STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 when done, 2 for wrong arguments, 3 where lists are too old, 1 on any other failure.

    Each failure is told in one sentence; UNINOTE_TRACE=1 in the environment adds the trace. 130: stopped by Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except TooOldError as error:
        return _failed(error, TOO_OLD)
    except ConfigError as error:
        return _failed(error, BAD_CONFIG)
    except UninoteError as error:
        return _failed(error, FAILED)
    except BrokenPipeError:
        # Whoever read the output, `head` perhaps, has enough. What Python still holds of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return _failed("stopped by a signal", STOPPED)
    except Exception as error:
        if os.environ.get(TRACE, "0") not in ("", "0"):
            write(sys.stderr, traceback.format_exc())
        return _failed(explained(error), FAILED)
    return DONE


def _status(options: argparse.Namespace) -> None:
    found = status_of(lake_of(options))
    if options.json:
        print_json(found)
    else:
        print_status(found)
    check_age(found, options.max_age)


def _neighbours(options: argparse.Namespace) -> None:
    # Here, and not above: reading tables takes a second of imports, which `status` does without.
    from uninote.cli.notes import neighbours_of, print_neighbours

    found = neighbours_of(lake_of(options), options.notes, options.table, options.generation)
    if options.json:
        print_json(found)
    else:
        print_neighbours(found)


def _show(options: argparse.Namespace) -> None:
    from uninote.cli.notes import notes_of, print_notes

    found = notes_of(lake_of(options), options.notes)
    if options.json:
        print_json(found)
    else:
        print_notes(found)


def _plan(options: argparse.Namespace) -> None:
    from uninote.cli.planning.plan import plan_of
    from uninote.cli.planning.text import print_plan

    config = config_of(options)
    lake = lake_of(options) if options.lake is not None or config is not None else None
    # What a configuration names may be still to be made: then nothing was measured there.
    if options.lake is None and lake is not None and not is_folder(lake):
        lake = None
    found = plan_of(options, lake, config)
    if options.json:
        print_json(found)
    else:
        print_plan(found)


def _publish(options: argparse.Namespace) -> None:
    found = publish_live(lake_of(options), options)
    if options.json:
        print_json(found)
    else:
        print_published(found)


def _hide(options: argparse.Namespace) -> None:
    found = hide_notes(options)
    if options.json:
        print_json(found)
    else:
        print_hidden(found)


def _takedown(options: argparse.Namespace) -> None:
    found = take_down(lake_of(options), options)
    if options.json:
        print_json(found)
    else:
        print_takedowns(found)
    check_traces(found)


def _failed(error: Exception | str, code: int) -> int:
    write(sys.stderr, f"error: {error}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="uninote", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = common_options()
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    status = commands.add_parser("status", parents=[common], help="what ran last, and what runs now")
    status.add_argument(
        "--max-age", type=_age, metavar="AGE", help="exit with 3 where neighbours were checked longer ago: 26h, 90m, 2d"
    )
    status.set_defaults(run=_status)

    neighbours = commands.add_parser("neighbours", parents=[common], help="the neighbours of some notes")
    neighbours.add_argument("notes", nargs="+", metavar="NOTE", help="a note_id")
    neighbours.add_argument("--table", default="neighbours", help="which of neighbours.tables (default: neighbours)")
    neighbours.add_argument("--generation", help="the encoder whose table it is, where there are several")
    neighbours.set_defaults(run=_neighbours)

    show = commands.add_parser("show", parents=[common], help="what the lake holds of some notes")
    show.add_argument("notes", nargs="+", metavar="NOTE", help="a note_id")
    show.set_defaults(run=_show)

    add_plan(commands, common).set_defaults(run=_plan)
    add_publish(commands, common).set_defaults(run=_publish)
    add_hide(commands, common).set_defaults(run=_hide)
    add_releases(commands, common)
    add_explain(commands, common)
    add_judge(commands, common)
    add_vacuum(commands, common)
    add_takedown(commands, common).set_defaults(run=_takedown)
    return parser


def _age(text: str) -> float:
    try:
        return parse_age(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
