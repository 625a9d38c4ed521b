"""`uninote`: look into a lake from a terminal.

    uninote status --max-age 26h       what ran last, and what runs now; exits with 3 where neighbours are older
    uninote neighbours n17 n4          the lists of some notes, as the recommenders read them
    uninote show n17                   what the lake holds of a note, and what could not be used of it
    uninote publish --store URI        the live release into an online store
    uninote hide add n17 --store URI   a note out of it at once
    uninote plan --notes 50000000      what a lake of that size takes: hours, memory, storage, money

The lake is the one of conf/local.yaml below the working folder, of the file that --config names, or --lake itself. With --json
each command prints one JSON object. It starts no Spark, writes nothing to the lake, and never waits for a run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninote.cli.online_store import add_hide, add_publish, hide_notes, print_hidden, print_published, publish_live
from uninote.cli.plan_arguments import add_plan
from uninote.cli.status import TooOldError, check_age, parse_age, print_status, status_of
from uninote.errors import ConfigError, UninoteError
from uninote.storage.environment import export
from uninote.storage.lake_files import is_folder
from uninote.storage.types import S3Options
from uninote.terminal import write

if TYPE_CHECKING:
    from uninote.config.settings import Config

DONE = 0
FAILED = 1
BAD_CONFIG = 2
TOO_OLD = 3
_DEFAULT = Path("conf/local.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 when done, 2 for wrong arguments, 3 where lists are too old, 1 on any other failure."""
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
    return DONE


def _status(options: argparse.Namespace) -> None:
    found = status_of(_lake(options))
    if options.json:
        _print_json(found)
    else:
        print_status(found)
    check_age(found, options.max_age)


def _neighbours(options: argparse.Namespace) -> None:
    # Here, and not above: reading tables takes a second of imports, which `status` does without.
    from uninote.cli.notes import neighbours_of, print_neighbours

    found = neighbours_of(_lake(options), options.notes, options.table, options.generation)
    if options.json:
        _print_json(found)
    else:
        print_neighbours(found)


def _show(options: argparse.Namespace) -> None:
    from uninote.cli.notes import notes_of, print_notes

    found = notes_of(_lake(options), options.notes)
    if options.json:
        _print_json(found)
    else:
        print_notes(found)


def _plan(options: argparse.Namespace) -> None:
    from uninote.cli.plan import plan_of
    from uninote.cli.plan_text import print_plan

    config = _config(options)
    lake = _lake(options) if options.lake is not None or config is not None else None
    # What a configuration names may be still to be made: then nothing was measured there.
    if options.lake is None and lake is not None and not is_folder(lake):
        lake = None
    found = plan_of(options, lake, config)
    if options.json:
        _print_json(found)
    else:
        print_plan(found)


def _publish(options: argparse.Namespace) -> None:
    found = publish_live(_lake(options), options)
    if options.json:
        _print_json(found)
    else:
        print_published(found)


def _hide(options: argparse.Namespace) -> None:
    found = hide_notes(options)
    if options.json:
        _print_json(found)
    else:
        print_hidden(found)


def _print_json(found: object) -> None:
    # In ASCII: ids and titles come from data, and may hold what a terminal obeys.
    sys.stdout.write(json.dumps(found, default=str) + "\n")


def _failed(error: Exception, code: int) -> int:
    write(sys.stderr, f"error: {error}\n")
    return code


def _lake(options: argparse.Namespace) -> str:
    """Return the lake that is meant, and let its store be reached as the configuration says."""
    if options.lake is not None:
        export(S3Options())
        return str(options.lake)
    config = _config(options)
    if config is None:
        raise ConfigError(f"no lake is named, and there is no {_DEFAULT} here; name one with --lake or --config")
    export(S3Options(config.s3.endpoint, config.s3.region))
    return config.lake


def _config(options: argparse.Namespace) -> Config | None:
    """Return the configuration that is named, or the one below the working folder; null where there is neither."""
    path = options.config or _DEFAULT
    if options.config is None and not path.is_file():
        return None
    from uninote.config.loading import load_config

    return load_config(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="uninote", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--lake", help="the lake's folder, or its URI in an object store")
    common.add_argument("--config", type=Path, help=f"configuration that names the lake (default: {_DEFAULT})")
    common.add_argument("--json", action="store_true", help="print one JSON object")
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
    add_hide(commands).set_defaults(run=_hide)
    return parser


def _age(text: str) -> float:
    try:
        return parse_age(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
