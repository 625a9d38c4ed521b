"""`uninote vacuum`: files that nothing needs any more go, and small ones are joined, without a refresh."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from uninote.cli.options import Commands, config_of, lake_of, print_json
from uninote.terminal import write

_HELP = """\
Clean a lake up as the end of a refresh does: releases that need not be kept are let go, then the files that nothing needs
are removed, and small files of the tables that nights append to are joined.

    uninote vacuum --dry-run     which files would go, of which table, and how many bytes; changes nothing
    uninote vacuum --json        the same for programs

A file stays that is needed by the newest version of its table, by a release that is kept (the last retention.releases, pinned
ones, those that were live within retention.reader_hours), or by a change feed that a stage has still to read; so does one
younger than retention.reader_hours. `uninote releases list` says which releases are kept; unpin one to let it go. Joining
changes no row, and needs the old files until no kept release has them: disk is free some nights later.

It takes the lake's lease, so it does not run beside a refresh, and no refresh begins meanwhile. Settings are those of --config
(sections retention and compaction), or defaults. Never run Delta's own VACUUM with a shorter retention instead: it knows of no
release."""


def add_vacuum(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "vacuum",
        parents=[common],
        help="remove files that nothing needs, and join small ones",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.set_defaults(run=_vacuum)


def _vacuum(options: argparse.Namespace) -> None:
    from uninote.upkeep.cleaning import clean

    found = clean(lake_of(options), _asked(options))
    if options.json:
        print_json(found)
    else:
        print_cleaned(found)


def _asked(options: argparse.Namespace) -> Any:
    """Return what the configuration asks for; a lake that is named beside none has the defaults."""
    from uninote.storage.types import S3Options
    from uninote.upkeep.cleaning import Asked

    config = config_of(options) if options.lake is None or options.config is not None else None
    if config is None:
        return Asked(dry_run=options.dry_run)
    reached = S3Options(config.s3.endpoint, config.s3.region)
    return Asked(config.retention, config.compaction, config.index.folder, reached, options.dry_run)


def print_cleaned(found: dict[str, Any]) -> None:
    """Print what was done, or would be, for people."""
    gone, joined = ("would go", "would be joined into") if found["dry_run"] else ("removed", "joined into")
    lines = [f"{path}: {_files(one)} {gone}" for path, one in found["removed"].items()]
    lines += [f"{name}, a model of no kept release: {_files(one)} {gone}" for name, one in found["generations"].items()]
    if found["indexes"]["files"]:
        lines.append(f"indexes: {_files(found['indexes'])} {gone}")
    for path, one in found["joined"].items():
        lines.append(f"{path}: {one['before']:,} small files ({one['bytes']:,} bytes) {joined} {one['after']:,}")
    kept = ", ".join(map(str, found["releases_kept"])) or "none: before the first release nothing is removed"
    total = found["files_removed"] + found["index_files_removed"]
    size = found["bytes_removed"] + found["indexes"]["bytes"]
    lines.append(f"{total:,} files, {size:,} bytes {gone}; releases kept: {kept}")
    write(sys.stdout, "\n".join(lines) + "\n")


def _files(one: dict[str, int]) -> str:
    return f"{one['files']:,} files, {one['bytes']:,} bytes"
