"""`uninote plan`: what a lake of some size takes, at rates that were measured on a lake where there is one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

from uninote.config.settings import Config
from uninote.errors import ConfigError
from uninote.planning.case import Case
from uninote.planning.embed import CORE_PARAMETERS, GPU_PARAMETERS, model_rate
from uninote.planning.lake_facts import LakeFacts
from uninote.planning.measured import Ledger, measured_rates, tokens_of
from uninote.planning.plan import make_plan
from uninote.planning.rates import DEFAULTS, Rate, Rates
from uninote.planning.workload import Machines, Settings, Workload

_NOTES = 1_000_000  # planned for where no lake says how many there are
_TOKENS = 200
_WIDTHS = (512, 256, 128, 64)  # of the encoder that comes along
_ID_BYTES = 16
_POSITIVE = (
    "notes",
    "cores",
    "note_bytes",
    "tokens",
    "parameters",
    "model_speed",
    "ledger_cores",
    "bandwidth",
    "min_rows",
)
_AT_LEAST_0 = (
    "gpus",
    "images_per_note",
    "core_price",
    "gpu_price",
    "storage_price",
    "kept_nights",
    "ledger_gpus",
    "gallery_entries",
)


def plan_of(options: argparse.Namespace, lake: str | None, config: Config | None) -> dict[str, Any]:
    """Return the plan, by the settings of `config` and the rates of `lake`, either null where there is none.

    Raises ConfigError for values that no plan is made for, UninoteError where `lake` is none.
    """
    _check(options)
    facts = None if lake is None else LakeFacts(lake)
    entries = [] if facts is None else facts.entries
    ledger = Ledger(entries, options.ledger_cores, options.ledger_gpus, options.min_rows)
    settings = Settings() if config is None else _settings(config)
    tokens = tokens_of(ledger)
    workload = _workload(options, facts, settings, tokens)
    machines = Machines(
        options.cores, options.gpus, options.core_price, options.gpu_price, options.storage_price, options.bandwidth
    )
    rates = Rates([*_default_rates(options, workload), *_lake_rates(facts, ledger, machines), *_given_rates(options)])
    if tokens is not None and options.tokens is None:
        rates.all[tokens.name] = tokens
    return {"lake": lake} | make_plan(Case(workload, settings, machines, rates), options.kept_nights)


def _settings(config: Config) -> Settings:
    return Settings(config.embed, config.media, config.codes, config.index, config.neighbours)


def _check(options: argparse.Namespace) -> None:
    problems = []
    for name in _POSITIVE:
        value = getattr(options, name)
        if value is not None and not 0 < value < inf:
            problems.append(f"--{name.replace('_', '-')} is {value}; it must be above 0, and finite")
    for name in _AT_LEAST_0:
        if not 0 <= getattr(options, name) < inf:
            problems.append(
                f"--{name.replace('_', '-')} is {getattr(options, name)}; it must be at least 0, and finite"
            )
    if not 0 <= options.change_rate <= 1:
        problems.append(f"--change-rate is {options.change_rate}; it is a share of the notes, 0 to 1")
    if options.widths is not None and (not options.widths or min(options.widths) < 1):
        problems.append("--widths must name at least one width, each at least 1")
    if problems:
        raise ConfigError("; ".join(problems))


def _workload(
    options: argparse.Namespace, facts: LakeFacts | None, settings: Settings, tokens: Rate | None
) -> Workload:
    """Return what is asked for; else what the lake has, then what is configured, then a default."""
    stored = () if facts is None else facts.widths
    ids = None if facts is None else facts.id_bytes
    widths = options.widths or settings.embed.widths or stored or _WIDTHS
    return Workload(
        notes=options.notes or (0 if facts is None else facts.notes) or _NOTES,
        change_rate=options.change_rate,
        widths=tuple(sorted(set(widths), reverse=True)),
        note_bytes=options.note_bytes,
        id_bytes=ids or _ID_BYTES,
        images_per_note=options.images_per_note,
        gallery_entries=options.gallery_entries,
        tokens=options.tokens or (_TOKENS if tokens is None else max(1, round(tokens.value))),
    )


def _default_rates(options: argparse.Namespace, workload: Workload) -> Iterator[Rate]:
    for rate in DEFAULTS:
        # Notes of twice the text take twice the place.
        is_note = rate.name == "storage.note"
        yield replace(rate, value=rate.value * workload.note_bytes / 1000) if is_note else rate
    parameters = options.parameters or (GPU_PARAMETERS if options.gpus else CORE_PARAMETERS)
    yield model_rate(parameters, workload.tokens, options.gpus > 0)


def _lake_rates(facts: LakeFacts | None, ledger: Ledger, machines: Machines) -> Iterator[Rate]:
    """Yield what was measured; the model's speed only where it was measured on what is planned for, GPUs or cores."""
    if facts is None:
        return
    is_alike = (ledger.gpus > 0) == (machines.gpus > 0)
    for rate in measured_rates(ledger, {rate.name: rate.value for rate in DEFAULTS}):
        if rate.name != "embed.model" or is_alike:
            yield rate
    yield from facts.stored_rates(ledger.least)


def _given_rates(options: argparse.Namespace) -> Iterator[Rate]:
    if options.model_speed is not None:
        yield Rate("embed.model", 1 / options.model_speed, "s of a GPU or core an item", "given", "--model-speed")
