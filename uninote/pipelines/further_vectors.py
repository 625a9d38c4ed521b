"""Stages for further sets of vectors: each is embedded and joined as the lake's own are, in a generation of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from uninote.errors import ConfigError
from uninote.foreign_vectors.table import KEY, ForeignVectorsError
from uninote.lake.reserved import NEIGHBOURS
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake.run import Run
from uninote.pipelines.neighbours.stage import neighbours

Summary = dict[str, Any]


def embed_all(run: Run) -> Summary:
    """Embed notes by the lake's model, then take in the further sets of vectors that neighbour tables are made of."""
    return _with_further(run, embed)


def neighbours_of_all(run: Run) -> Summary:
    """Make the neighbour tables of the lake's own vectors, then those of further sets."""
    summary = _with_further(run, neighbours)
    for name, one in run.embeddings.items():
        for table in one.config.neighbours.rules:
            if table != NEIGHBOURS:
                summary["tables"][table] = summary["embeddings"][name]["tables"][table]
    return summary


def _with_further(run: Run, stage: Callable[[Run], Summary]) -> Summary:
    """Return the summary of the lake's own, with those of further sets below `embeddings`, where there are any."""
    summary = stage(run)
    further = {}
    for name, one in run.embeddings.items():
        with _called(name):
            further[name] = stage(one)
    if any(one["state"] != "unchanged" for one in further.values()):
        summary["state"] = "done"
    return summary | ({"embeddings": further} if further else {})


@contextmanager
def _called(name: str) -> Iterator[None]:
    """Let errors name the section in which the vectors are named: elsewhere they stand in the place of a model."""
    try:
        yield
    except (ConfigError, ForeignVectorsError) as error:
        raise type(error)(str(error).replace(KEY, f"embeddings.{name}")) from error
