"""`python -m uninote.search`: look into an index from a terminal, without Spark.

    python -m uninote.search INDEX --text "..." --image photo.jpg -k 10 --only category=food
    python -m uninote.search INDEX --verify

Prints one JSON object a note, best first; all that is given together is one query. The model is the one that the index's
lake recorded, or the one that --model names. Options that rank otherwise are named as in the section `search` of the
configuration.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from uninote.config.sections.base import Kind
from uninote.config.sections.index import SearchConfig
from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.note_keys import Constraint, ConstraintError
from uninote.index.search import Index
from uninote.lake.generation_record import read_record
from uninote.lake.takedowns.watch import InLake, Watch
from uninote.model.encoder import AUTO, KINDS
from uninote.redaction import has_credentials
from uninote.search.answers import nearest_notes
from uninote.search.query import Query, Wanted
from uninote.storage.environment import export
from uninote.storage.types import S3Options
from uninote.terminal import write


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one query, or verify an index. Returns 0, or 1 with a message on stderr."""
    options = _parser().parse_args(arguments)
    try:
        if has_credentials(options.endpoint or ""):
            raise UninoteError(
                "--endpoint holds credentials in its URL; give them in the environment, a profile or a role"
            )
        place = IndexFolder(options.index, S3Options(options.endpoint))
        # Tables of a lake in a store are read by libraries that look there.
        export(place.options)
        index = Index.open(place, takedowns=_takedowns(options))
        _check_lake(options.lake, index.manifest.generation)
        lines = [index.verify()] if options.verify else _found(index, place, options)
    except UninoteError as error:
        write(sys.stderr, f"error: {error}\n")
        return 1
    for line in lines:
        # In ASCII: ids come from data, and may hold what a terminal obeys.
        sys.stdout.write(json.dumps(line) + "\n")
    return 0


def _takedowns(options: argparse.Namespace) -> Watch | None:
    """Return the list of the lake that is named; null: the index says by its place which lake it is of."""
    return None if options.lake is None else Watch(InLake(options.lake))


def _check_lake(lake: str | None, generation: str) -> None:
    """Raise UninoteError for a lake that does not know the index's model: its list of takedowns would hide nothing."""
    if lake is not None and read_record(lake, generation) is None:
        raise UninoteError(
            f"--lake {lake} is no lake that has vectors of {generation}, the index's model; name the one that the index is "
            "of"
        )


def _found(index: Index, place: IndexFolder, options: argparse.Namespace) -> list[dict[str, object]]:
    query = Query(options.model, options.kind, options.title, options.text, tuple(options.image))
    constraint = Constraint.of(_sets(options.only), _sets(options.never))
    wanted = Wanted(
        options.k,
        constraint,
        options.nprobe,
        options.fusion,
        _weights(options.weights),
        options.hubness_temperature if options.hubness == "queries" else None,
        options.bank_version,
        options.lake,
    )
    return nearest_notes(index, place, query, wanted)


def _weights(given: str | None) -> Mapping[Kind, float]:
    """Return kind -> weight of `kind=weight,kind=weight`, as the configuration allows them."""
    pairs = [one.partition("=") for one in given.split(",")] if given else []
    try:
        weights = {name: float(weight) for name, _, weight in pairs}
        if len(weights) < len(pairs):
            raise ValueError("a kind is named twice")
        return SearchConfig.model_validate({"weights": weights}).weights
    except ValueError as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UninoteError(f"--weights {given} should look like text=1,image=.5: {reason}") from error


def _sets(given: Sequence[str]) -> dict[str, list[str]]:
    """Return attribute -> values of `attribute=value,value`."""
    sets = {}
    for one in given:
        name, sign, values = one.partition("=")
        if not sign:
            raise ConstraintError(f"{name!r} should look like attribute=value,value")
        sets[name] = values.split(",")
    return sets


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m uninote.search", description="Search an index without Spark.")
    parser.add_argument("index", help="folder of an index, or s3://…")
    parser.add_argument(
        "--model",
        help="folder or s3://… of the checkpoint that made the index, or e5, or demo; the default is what its lake recorded",
    )
    parser.add_argument(
        "--lake",
        help="of an index outside of its lake: the lake, whose taken-down notes are not to be found, whose model embeds, and "
        "whose vectors, background and banks rank",
    )
    parser.add_argument("--kind", choices=(AUTO, *KINDS), default=AUTO, help="kind of that checkpoint")
    parser.add_argument("--title", default="")
    parser.add_argument("--text", default="")
    parser.add_argument("--image", type=Path, action="append", default=[], help="may be given several times")
    parser.add_argument("-k", type=int, default=10, help="how many notes")
    parser.add_argument(
        "--nprobe", type=int, help="lists to look into; the default is what the index was calibrated to"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="ATTRIBUTE=VALUE,…", help="notes must have one of"
    )
    parser.add_argument(
        "--never", action="append", default=[], metavar="ATTRIBUTE=VALUE,…", help="notes must have none of"
    )
    _add_ranking(parser)
    parser.add_argument("--endpoint", help="S3 service, if not the environment's")
    parser.add_argument(
        "--verify", action="store_true", help="read every file of the index and compare checksums and counts"
    )
    return parser


def _add_ranking(parser: argparse.ArgumentParser) -> None:
    settings = SearchConfig()
    parser.add_argument(
        "--fusion", choices=("note", "parts"), default=settings.fusion, help="text and images as one note, or apart too"
    )
    parser.add_argument("--weights", metavar="KIND=WEIGHT,…", help="score notes by their items: text=1,image=.5")
    parser.add_argument(
        "--hubness",
        choices=("none", "queries"),
        default=settings.hubness,
        help="rank what is near to all queries lower",
    )
    parser.add_argument("--hubness-temperature", type=_temperature, default=settings.hubness_temperature)
    parser.add_argument("--bank-version", type=int, help="of the bank of queries; the default is the newest")


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} should be more than 0, and 1 at most")
    return value
