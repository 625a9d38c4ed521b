"""`uninote releases`: which releases a lake keeps, what they consist of, what differs, and which one readers see."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from uninote.cli.options import Commands, lake_of, print_json
from uninote.errors import UninoteError
from uninote.lake.record import read_record
from uninote.lake.releases.pointer import Pointer, history, read_pointer
from uninote.lake.releases.record import Release, ReleaseError, read_release, release_ids
from uninote.terminal import write

_DESCRIPTION = """\
Releases: which versions of all tables and indexes belong together, and which of them readers see.

    uninote releases list                  all that are there: live, kept, pinned, rejected, or failed at a gate
    uninote releases show 12               its tables, its indexes, and what each gate found
    uninote releases diff 11 12            how many notes came and went, and how many lists changed
    uninote releases rollback              readers see the one before the live one, at once
    uninote releases rollback --to 9       ... or that one; the next refresh goes on from it
    uninote releases pin 9 --why audit     keep it until `uninote releases unpin 9`

A rollback moves a pointer and reads no table. The next refresh brings the tables back to the chosen release before it does
anything else. None of this takes the lake's lease, or waits for a run.
"""
_FORMATTER = argparse.RawDescriptionHelpFormatter


def add_releases(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and what it can do."""
    releases = commands.add_parser(
        "releases",
        help="which releases there are; roll back, pin",
        description=_DESCRIPTION,
        formatter_class=_FORMATTER,
    )
    kinds = releases.add_subparsers(dest="action", required=True, metavar="ACTION")
    kinds.add_parser("list", parents=[common], help="all that are there").set_defaults(run=_list)
    show = kinds.add_parser("show", parents=[common], help="what one consists of, and what its gates found")
    show.add_argument("release", type=int, nargs="?", help="its number (default: the live one)")
    show.set_defaults(run=_show)
    diff = kinds.add_parser("diff", parents=[common], help="what differs between two")
    diff.add_argument("old", type=int)
    diff.add_argument("new", type=int, nargs="?", help="default: the live one")
    diff.set_defaults(run=_diff)
    back = kinds.add_parser("rollback", parents=[common], help="let readers see an earlier one, at once")
    back.add_argument("--to", type=int, metavar="RELEASE", help="default: the one before the live one")
    back.set_defaults(run=_rollback)
    pin = kinds.add_parser("pin", parents=[common], help="keep one until it is unpinned")
    pin.add_argument("release", type=int)
    pin.add_argument("--why", required=True, help="for whoever wonders later")
    pin.set_defaults(run=_pin)
    unpin = kinds.add_parser("unpin", parents=[common], help="keep one no longer than others")
    unpin.add_argument("release", type=int)
    unpin.set_defaults(run=_unpin)


def state_of(number: int, pointer: Pointer, release: Release | None) -> str:
    """Return what a release is to readers, in a word or two; `release` null where its file cannot be read."""
    words = []
    if number == pointer.live:
        words.append("live")
    elif number in pointer.kept:
        words.append("kept")
    elif number in pointer.ended:
        words.append(_ended(pointer, number))
    elif release is not None and release.failed_gates and not release.forced:
        words.append("not published")
    else:
        words.append("not kept")
    if number in pointer.rejected:
        words.append("rejected")
    if str(number) in pointer.pinned:
        words.append(f"pinned ({pointer.pinned[str(number)]})")
    return ", ".join(words)


def releases_of(lake: str) -> dict[str, Any]:
    """Return the releases that have a file, newest first, and the changes of what readers see, newest first."""
    pointer = read_pointer(lake)
    found = [_line_of(lake, number, pointer) for number in reversed(release_ids(lake))]
    lost = [number for number in pointer.kept if number not in {one["release"] for one in found}]
    found += [_damaged(number, f"{state_of(number, pointer, None)}, its file is gone") for number in lost]
    listed = {one["release"] for one in found}
    for number in sorted(set(pointer.ended) - listed, reverse=True):
        found.append(_damaged(number, _ended(pointer, number)))
    changes = [{"at": state.at, "change": state.change, "live": state.live} for state in reversed(history(lake))]
    return {"lake": lake, "live": pointer.live, "releases": found, "changes": changes}


def _line_of(lake: str, number: int, pointer: Pointer) -> dict[str, Any]:
    """Return what a list says of a release; one that cannot be read is named all the same: whoever lists wants to roll back."""
    try:
        release = read_release(lake, number)
    except ReleaseError:
        return _damaged(number, f"{state_of(number, pointer, None)}, its file is damaged")
    return {
        "release": number,
        "state": state_of(number, pointer, release),
        "made_at": release.made_at,
        "run_id": release.run_id,
        "generation": release.generation,
        "failed_gates": [gate.name for gate in release.failed_gates],
        "forced": release.forced,
    }


def _ended(pointer: Pointer, number: int) -> str:
    ending = pointer.endings.get(str(number), "")
    return "ended, as notes of it were taken down" + (f" ({ending})" if ending else "")


def _damaged(number: int, state: str) -> dict[str, Any]:
    unknown = dict.fromkeys(("made_at", "run_id", "generation"))
    return {"release": number, "state": state, **unknown, "failed_gates": [], "forced": False}


def _list(options: argparse.Namespace) -> None:
    found = releases_of(_lake_of(options))
    if options.json:
        return print_json(found)
    for one in found["releases"]:
        failed = f"; gates not passed: {', '.join(one['failed_gates'])}" if one["failed_gates"] else ""
        forced = "; forced" if one["forced"] else ""
        write(sys.stdout, f"{one['release']:>6}  {one['made_at'] or '?':<25}  {one['state']}{failed}{forced}\n")
    if not found["releases"]:
        write(sys.stdout, f"{found['lake']} has no release yet\n")
    for one in found["changes"][:10]:
        write(sys.stdout, f"        {one['at']}  {one['change']}\n")


def _lake_of(options: argparse.Namespace) -> str:
    """Return the lake that is meant. Raises UninoteError where there is none: a wrong name is no lake without releases."""
    lake = lake_of(options)
    if read_record(lake) is None:
        raise UninoteError(f"{lake} is no lake: it has no lake.json; run jobs/refresh.py, or name another place")
    return lake


def _chosen(lake: str, number: int | None) -> Release:
    from uninote.releases.open_release import open_release

    return open_release(lake).release if number is None else read_release(lake, number)


def _show(options: argparse.Namespace) -> None:
    lake = _lake_of(options)
    release = _chosen(lake, options.release)
    state = state_of(release.id, read_pointer(lake), release)
    if options.json:
        return print_json({"state": state, **vars(release), **_plain(release)})
    lines = [f"release {release.id}: {state}; made {release.made_at} by run {release.run_id}"]
    lines += [f"  {path:<50} version {version}" for path, version in release.tables.items()]
    lines += [f"  {pin.folder:<50} {pin.manifest}" for pin in release.indexes.values()]
    lines += [f"  {gate.state:<8} {gate.name}: {gate.finding}" for gate in release.gates]
    write(sys.stdout, "\n".join(lines) + "\n")


def _plain(release: Release) -> dict[str, Any]:
    return {
        "gates": [vars(gate) for gate in release.gates],
        "indexes": {name: vars(pin) for name, pin in release.indexes.items()},
    }


def _diff(options: argparse.Namespace) -> None:
    from uninote.releases.differences import differences

    lake = _lake_of(options)
    found = differences(lake, read_release(lake, options.old), _chosen(lake, options.new))
    if options.json:
        return print_json(found)
    if not found["tables"]:
        write(sys.stdout, f"releases {found['old']} and {found['new']} have the same versions of all tables\n")
    for name, counts in found["tables"].items():
        write(sys.stdout, f"{name}: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()) + "\n")


def _rollback(options: argparse.Namespace) -> None:
    from uninote.releases.changes import roll_back

    _said(options, roll_back(_lake_of(options), options.to))


def _pin(options: argparse.Namespace) -> None:
    from uninote.releases.changes import pin

    _said(options, pin(_lake_of(options), options.release, options.why))


def _unpin(options: argparse.Namespace) -> None:
    from uninote.releases.changes import unpin

    _said(options, unpin(_lake_of(options), options.release))


def _said(options: argparse.Namespace, state: Pointer) -> None:
    """Say what a change did."""
    if options.json:
        return print_json(vars(state))
    write(sys.stdout, f"{state.change}; readers see release {state.live}\n")
