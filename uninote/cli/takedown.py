"""`uninote takedown`: notes that nobody is to see any more, from the moment it is said."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from uninote.cli.options import store_of
from uninote.cli.prove import print_traces
from uninote.errors import ConfigError, UninoteError
from uninote.redaction import redact
from uninote.terminal import write

_STORE = "an online store that is to hide, or show, the notes as well (default: serving.store of the configuration)"
_HELP = """\
Take notes down: from the moment this returns, look-ups, searches and reports leave them out, and the next refresh erases them
from the lake. It waits for no run. An id that the lake does not know is left out as soon as it comes.

    uninote takedown add n17 n4 --why "order 2026-11"
    uninote takedown add n17 --why "order 2026-11" --store redis://cache:6379/0    # and hide it in an online store
    uninote takedown list
    uninote takedown remove n4             # lets it in again, with the next ingest
    uninote takedown prove n17 --text "how its text began"    # exits with 1 where anything is left of it

An online store that the configuration names (serving.store) is told without --store. Where it does not answer, the exit code
is 1, and the note is taken down in the lake all the same.

Once a note is erased the list keeps a keyed hash of its id: `remove` takes the id still."""


def add_takedown(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Add the command with its arguments, and return its parser: who asks says what it runs."""
    parser = commands.add_parser(
        "takedown",
        parents=[common],
        help="notes that nobody is to see any more",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("add", "list", "remove", "prove"))
    parser.add_argument("notes", nargs="*", metavar="NOTE", help="a note_id")
    parser.add_argument(
        "--why", metavar="TEXT", help="of add: the reason, which the list keeps until the note is erased"
    )
    parser.add_argument(
        "--text", action="append", default=[], help="of prove: a text of the notes, looked for in pieces; several times"
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="FOLDER",
        help="of prove: a folder outside of the lake; several times",
    )
    parser.add_argument("--store", metavar="URI", help=_STORE)
    return parser


def take_down(lake: str, options: argparse.Namespace) -> dict[str, Any]:
    """Change or read the list of a lake. Raises UninoteError, and ConfigError for arguments that do not go together."""
    from uninote.cli.notes import typed_if_known
    from uninote.lake.record import read_record
    from uninote.lake.takedowns import orders

    _check(options)
    if read_record(lake) is None:
        raise UninoteError(f"{lake} is no lake: it has no lake.json; name another place")
    notes = [str(one) for one in typed_if_known(lake, options.notes)]
    found: dict[str, Any] = {"lake": lake, "action": options.action}
    if options.action == "prove":
        return found | _proof(lake, notes, options)
    if options.action == "list":
        return found | {"orders": [asdict(one) for one in orders.read_orders(lake)]}
    if options.action == "add":
        given = orders.add(lake, notes, options.why)
        found["orders"] = [asdict(one) for one in given]
    else:
        orders.remove(lake, notes)
    store = _store(options)
    if store is not None:
        _tell_store(store, options.action, notes)
    return found | {"notes": len(set(notes)), "store": store}


def _proof(lake: str, notes: list[str], options: argparse.Namespace) -> dict[str, Any]:
    from uninote.cli.options import config_of
    from uninote.cli.prove import search_for

    config = config_of(options) if options.lake is None or options.config is not None else None
    elsewhere = list(options.also)
    if config is not None and config.index.folder is not None:
        elsewhere.append(config.index.folder)
    traces, searched = search_for(lake, notes, options.text, elsewhere)
    return {"notes": len(set(notes)), "searched": searched, "traces": traces}


def _check(options: argparse.Namespace) -> None:
    is_listing = options.action == "list"
    if bool(options.notes) == is_listing:
        raise ConfigError("name the notes that are meant; `uninote takedown list` takes none")
    if options.action == "add" and not (options.why or "").strip():
        raise ConfigError("say why with --why: the list keeps it until the note is erased")
    if options.store is not None and options.action not in ("add", "remove"):
        raise ConfigError("--store goes with add and remove; `uninote hide list` prints what a store hides")


def _store(options: argparse.Namespace) -> str | None:
    try:
        return store_of(options)
    except ConfigError as error:
        raise ConfigError(
            f"the lake's list of takedowns was changed, and whether it has an online store is not known: {error}"
        ) from error


def _tell_store(uri: str, action: str, notes: list[str]) -> None:
    """Hide or show notes in an online store. The lake's list holds them already, whatever becomes of this."""
    from uninote.serving.layout import StoreError
    from uninote.serving.opening import open_store

    try:
        store = open_store(uri)
        try:
            (store.hide if action == "add" else store.unhide)(notes)
        finally:
            store.close()
    except StoreError as error:
        place = redact(uri)
        raise StoreError(
            f"the lake's list of takedowns was changed, and the online store {place} was not: {error}. Run `uninote hide "
            f"{action}` with the same notes and --store {place} until it succeeds; the next `uninote publish` hides them too"
        ) from error


def print_takedowns(found: dict[str, Any]) -> None:
    """Print the list, or what became of it, for people."""
    if found["action"] == "prove":
        return print_traces(found)
    for one in found.get("orders", []):
        name = one["note_id"] or f"(erased) {one['digest'][:12]}…"
        state = f"erased {one['erased_at']}" if one["erased_at"] else f"not erased yet: {one['why']}"
        write(sys.stdout, f"{name:<24} ordered {one['ordered_at']}, {state}\n")
    if found["action"] in ("add", "remove"):
        done = "hidden" if found["action"] == "add" else "shown again"
        line = "no online store is named, and none was told"
        if found["store"]:
            line = f"they are {done} in {found['store']}"
        write(sys.stdout, f"{line}\n")
    if found["action"] == "remove":
        write(sys.stdout, f"{found['notes']:,} notes are let in again by the next ingest\n")
