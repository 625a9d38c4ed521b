"""`uninote explain`: why a note is, or is not, among another's neighbours."""

from __future__ import annotations

import argparse
import sys

from uninote.cli.options import Commands, lake_of, print_json
from uninote.terminal import write

_DESCRIPTION = """\
Why a note is, or is not, among another's neighbours, in the release that readers see.

    uninote explain n17 n9                          its rank and score, or what kept it out
    uninote explain n17 n9 --table other_author     by the rule of that table
    uninote explain n17 n9 --release 12             in a release that is kept

It says the cosine of both vectors at the width of the join and at the widest, the rank before and after rules, which rule or
group of duplicates left the note out, whose search found the pair, the model, and the versions of the tables.
"""


def add_explain(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command."""
    explain = commands.add_parser(
        "explain",
        parents=[common],
        help="why a note is, or is not, another's neighbour",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.add_argument("note", help="whose list it is")
    explain.add_argument("other", help="the note that is in it, or is not")
    explain.add_argument("--table", default="neighbours", help="which of neighbours.tables (default: neighbours)")
    explain.add_argument("--release", type=int, help="the number of a release that is kept (default: the live one)")
    explain.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> None:
    # Here, and not above: reading tables takes a second of imports.
    from uninote.cli.notes import check_shown, typed
    from uninote.releases.explaining import explain
    from uninote.releases.open_release import open_release

    lake = lake_of(options)
    note, other = typed(lake, [options.note, options.other])
    check_shown(lake, [note, other])
    found = explain(open_release(lake, options.release), note, other, options.table)
    if options.json:
        return print_json(found)
    lines = [found["why"]]
    for name, value in found.items():
        if name != "why":
            lines.append(f"  {name:<18} {value}")
    write(sys.stdout, "\n".join(lines) + "\n")
