"""The arguments of `uninote plan`."""

from __future__ import annotations

import argparse
import os

HELP = "hours, memory, shuffle, storage and money of a lake of some size"
_DESCRIPTION = """\
What a lake takes: hours, memory, shuffle, storage and money of each stage, in a first run and in a night.

    uninote plan --notes 50000000 --cores 256 --gpus 8 --change-rate 0.02
    uninote plan --lake s3://bucket/lake --notes 10000000       by rates that its ledger has
    uninote plan --config conf/cluster.yaml --json

Rates are those that the lake's ledger has of runs with enough rows, and else defaults; each is printed with the run or the
document that it is from. Formulas, and an example worked through by hand, are in docs/planning.md. No lake is needed, no
Spark is started, and nothing is written.
"""
_EPILOG = "Prices are list prices of 2026, in dollars: give your own. 1 GB is 10^9 bytes."


def add_plan(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Add the command with its arguments, and return its parser: who asks says what it runs."""
    plan = commands.add_parser(
        "plan",
        parents=[common],
        help=HELP,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_notes(plan.add_argument_group("the notes"))
    _add_machines(plan.add_argument_group("machines and prices"))
    _add_rates(plan.add_argument_group("rates"))
    return plan


def _add_notes(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--notes", type=int, help="how many (default: those of the lake, else 1,000,000)")
    group.add_argument("--change-rate", type=float, default=0.01, help="share of them that changes a night (0.01)")
    group.add_argument("--widths", type=_widths, help="stored widths, as 1024,64 (default: the lake's)")
    group.add_argument("--note-bytes", type=int, default=1000, help="text and attributes of a note (1000)")
    group.add_argument("--images-per-note", type=float, default=0.0, help="images that are looked at every night (0)")
    group.add_argument("--tokens", type=int, help="of an item, images included (default: the ledger's, else 200)")

    group.add_argument("--gallery-entries", type=int, default=0, help="samples that notes are matched with (0: none)")


def _add_machines(group: argparse._ArgumentGroup) -> None:
    cores = os.cpu_count() or 1
    group.add_argument("--cores", type=int, default=cores, help="all executors' together (this machine's)")
    group.add_argument("--gpus", type=int, default=0, help="that the model computes on (0: on the cores)")
    group.add_argument("--core-price", type=float, default=0.05, help="of a core and hour, with its memory (0.05)")
    group.add_argument("--gpu-price", type=float, default=3.0, help="of a GPU and hour (3)")
    group.add_argument("--storage-price", type=float, default=0.023, help="of a GB and month (0.023)")
    group.add_argument("--bandwidth", type=float, default=50.0, help="MB/s a core has of network and store (50)")
    group.add_argument("--kept-nights", type=int, default=7, help="whose files a clean-up has not taken yet (7)")


def _add_rates(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model-speed", type=float, help="items a second of one GPU, or of one core")
    group.add_argument("--parameters", type=int, help="of the model, where its speed is not known (2e9; on cores 21e6)")
    group.add_argument("--ledger-cores", type=int, help="that the lake's runs had (the ledger's, else this machine's)")
    group.add_argument("--ledger-gpus", type=int, default=0, help="that the lake's runs had (0)")
    group.add_argument("--min-rows", type=int, default=1000, help="that a run must have for its rates to count (1000)")


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of widths; write 1024,64") from error
