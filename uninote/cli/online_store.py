"""`uninote publish` and `uninote hide`: neighbour lists in an online store, and notes that it leaves out at once."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uninote.cli.options import required_store
from uninote.errors import ConfigError
from uninote.terminal import write

_STORE = "redis://host:6379/0, rediss://…, unix:///socket or lmdb:///folder (default: serving.store)"
_PUBLISH = """\
Push the lists that the live release changed to an online store, count them, and let all its readers see them by one flip.

    uninote publish --store redis://cache:6379/0 --lake /data/my-lake
    uninote publish --store lmdb:///srv/neighbours                      # the lake of conf/local.yaml
    uninote publish --config lake.yaml                                  # the store that it names: serving.store

Where it fails it exits with 1, readers see what they saw, and the same command goes on. After `uninote releases rollback` it
flips back. A password is taken from UNINOTE_STORE_PASSWORD, a user from UNINOTE_STORE_USER."""
_HIDE = """\
Leave notes out of an online store at once, as query and as neighbour, whatever is published, until they are removed from the
list.

    uninote hide add n17 n4 --store redis://cache:6379/0
    uninote hide add --from deleted.txt --store redis://cache:6379/0    # an id in each line
    uninote hide remove n4 --store redis://cache:6379/0
    uninote hide list                                                   # the store of conf/local.yaml: serving.store"""

Commands = argparse._SubParsersAction


def add_publish(
    commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Add the command with its arguments, and return its parser: who asks says what it runs."""
    parser = _command(commands, "publish", "push the live release to an online store", _PUBLISH, [common])
    parser.add_argument("--store", metavar="URI", help=_STORE)
    parser.add_argument("--all", action="store_true", help="push every list, also those that did not change")
    parser.add_argument(
        "--drop-previous", action="store_true", help="then remove all that is not live: there is no way back"
    )
    return parser


def add_hide(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the command with its arguments, and return its parser: who asks says what it runs."""
    parser = _command(commands, "hide", "leave notes out of an online store at once", _HIDE, [common])
    parser.add_argument("action", choices=("add", "remove", "list"))
    parser.add_argument("notes", nargs="*", metavar="NOTE", help="a note_id")
    parser.add_argument("--from", dest="file", type=Path, metavar="FILE", help="a file with a note_id in each line")
    parser.add_argument("--store", metavar="URI", help=_STORE)
    return parser


def _command(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    summary: str,
    text: str,
    parents: list[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, parents=parents, help=summary, description=text, formatter_class=form)


def publish_live(lake: str, options: argparse.Namespace) -> dict[str, Any]:
    """Publish the live release of `lake`. Returns what was pushed. Raises UninoteError where it was not."""
    from uninote.serving.opening import open_store
    from uninote.serving.releases import publish_release

    began = time.monotonic()
    uri = required_store(options)
    store = open_store(uri, create=True)
    try:
        outcome = publish_release(store, lake, everything=options.all)
        other = store.state.other
        if options.drop_previous and other is not None:
            store.drop(other)
    finally:
        store.close()
    return {"store": uri, **asdict(outcome), "seconds": round(time.monotonic() - began, 3)}


def print_published(found: dict[str, Any]) -> None:
    """Print what was published, for people."""
    before = "nothing" if found["previous"] is None else f"release {found['previous']}"
    what = {
        "published": f"readers see release {found['release']}; before, {before}",
        "flipped": f"readers see release {found['release']}, which the store had; before, {before}",
        "unchanged": f"readers saw release {found['release']} already",
    }
    write(sys.stdout, f"{what[found['state']]} ({found['seconds']:.1f} s)\n")
    for name, counts in found["tables"].items():
        words = f"{counts['pushed']:,} lists pushed, {counts['unchanged']:,} unchanged, {counts['gone']:,} notes gone"
        write(sys.stdout, f"  {name}: {words}\n")


def hide_notes(options: argparse.Namespace) -> dict[str, Any]:
    """Change or read the hidden notes of a store. Raises UninoteError where it does not answer."""
    from uninote.serving.opening import open_store

    notes = _named(options)
    uri = required_store(options)
    store = open_store(uri)
    try:
        if options.action == "list":
            return {"store": uri, "hidden": store.hidden()}
        if options.action == "add":
            store.hide(notes)
        else:
            store.unhide(notes)
        return {"store": uri, "action": options.action, "notes": len(notes)}
    finally:
        store.close()


def print_hidden(found: dict[str, Any]) -> None:
    """Print what became of hidden notes, for people."""
    if "hidden" in found:
        write(sys.stdout, "".join(f"{one}\n" for one in found["hidden"]))
    else:
        done = "hidden" if found["action"] == "add" else "shown again"
        write(sys.stdout, f"{found['notes']:,} notes are {done}, from the next look-up on\n")


def _named(options: argparse.Namespace) -> list[str]:
    """Return the notes that are named, in the arguments and in the file. Raises ConfigError for none, or for no such file."""
    notes = list(options.notes)
    if options.file is not None:
        try:
            notes += [line for line in options.file.read_text(encoding="utf-8").splitlines() if line]
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"--from {options.file}: {error}; name a text file with a note_id in each line"
            ) from error
    if bool(notes) == (options.action == "list"):
        raise ConfigError("name notes, or a file with --from; `uninote hide list` takes neither")
    return notes
