"""Which checkpoint a run works with: the configured one, or with `model.checkpoint: auto` the lake's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from uninote.config.sections.base import AUTO, DEMO, E5
from uninote.config.settings import Config
from uninote.demo.workspace import demo_checkpoint
from uninote.errors import ConfigError
from uninote.foreign_vectors.identity import KIND as FOREIGN
from uninote.lake.generation_record import find_beside, find_generations, read_record
from uninote.lake.paths import Lake
from uninote.model.e5.folder import e5_folder
from uninote.model.encoder import describe
from uninote.pipelines.lake import ledger
from uninote.pipelines.lake.source import ingest_settings, is_demo, known_source
from uninote.pipelines.runtime.progress import say

OURS: dict[str, Callable[[], Path]] = {DEMO: demo_checkpoint, E5: e5_folder}  # checkpoints that have a name


def choose_checkpoint(config: Config) -> str:
    """Return the place of the checkpoint to work with, or a name of OURS.

    Auto is the model that the lake's vectors are of; where it has none, the demo's for the demo corpus, and "e5" for any
    other notes. Raises ConfigError where the lake does not say where its model lies, and for a demo encoder that would
    begin to embed notes that are not the demo's.
    """
    chosen = config.model.checkpoint
    if chosen not in (AUTO, DEMO):
        return chosen
    lake = Lake(config.lake)
    known = known_source(lake)
    holds_demo = is_demo(ingest_settings(config).source if known is None else known)
    if chosen == AUTO:
        current = current_generation(lake)
        chosen = checkpoint_of(lake, current) if current else DEMO if holds_demo else E5
    if chosen == DEMO and not holds_demo and not config.model.allow_demo:
        _check_demo(lake)
    return chosen


def current_generation(lake: Lake) -> str | None:
    """Return the generation of which the lake got vectors last, null where it has none.

    Raises ConfigError where it has several, and its ledger is lost.
    """
    beside = find_beside(lake.root)
    held = [name for name in find_generations(lake.root) if name not in beside]
    for entry in reversed(ledger.entries(lake) if held else []):
        if entry["stage"] == "embed" and entry["generation"] in held:
            return str(entry["generation"])
    if len(held) > 1:
        raise ConfigError(
            f"model.checkpoint: auto: the lake {lake.root} has vectors of the models {', '.join(held)}, and no ledger that "
            "says which came last; name one with model.checkpoint=<folder>"
        )
    return held[0] if held else None


def checkpoint_of(lake: Lake, generation: str) -> str:
    """Return where the model of a generation lies, as the lake recorded it, or a name of OURS. Raises ConfigError."""
    known = read_record(lake.root, generation)
    if known is not None and known.get("kind") == FOREIGN:
        raise ConfigError(
            f"model.checkpoint: auto: the newest vectors in {lake.root} were made elsewhere; name their table with "
            "embed.vectors_from, or the model to go on with by model.checkpoint"
        )
    if known is not None and "checkpoint" in known:
        return str(known["checkpoint"])
    # Lakes of earlier releases do not say; those that were made with the demo's encoder can be told by their names.
    identity = describe(AUTO, demo_checkpoint()).identity
    if known["weights"] == identity.weights if known is not None else identity.find([generation]):
        return DEMO
    raise ConfigError(
        f"model.checkpoint: auto: the vectors in {lake.root} (generation {generation}) were made with a model of which the "
        "lake does not say where it lies; name its folder with --set model.checkpoint=<folder>"
    )


def _check_demo(lake: Lake) -> None:
    """Let a lake that stands go on, and say that it should not; refuse a new one."""
    current = current_generation(lake)
    if current is not None and checkpoint_of(lake, current) == DEMO:
        say(
            f"the vectors in {lake.root} are of the demo encoder, which knows nothing but the demo corpus: neighbours of "
            f"other notes are near to chance. --set model.checkpoint={E5} embeds these notes with the encoder for real notes"
        )
        return
    raise ConfigError(
        "model.checkpoint: demo: the demo encoder was trained on the demo corpus alone, and these notes are not the demo's; "
        f"leave model.checkpoint out, or set it to {E5} or a folder. To embed them with it all the same: "
        "model.allow_demo=true"
    )
