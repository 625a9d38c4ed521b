"""Where the attributes that rules look at are found, and rules as the join obeys them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from udfs.neighbours.attributes import FRESH, AttributeColumns
from uninote.config.sections.neighbours import RuleConfig
from uninote.neighbours.by_rule.attributes import Attribute, freshness
from uninote.neighbours.by_rule.rules import Rule


def columns_of(attributes: Iterable[Attribute], files: Sequence[str], as_of: datetime) -> AttributeColumns:
    """Return where workers find attributes: in the `files` of notes; ages are counted from `as_of`."""
    names = []
    oldest = {}
    for attribute in attributes:
        names.append(attribute.name)
        if attribute.fresh_days is not None:
            oldest[attribute.name] = as_of - timedelta(days=attribute.fresh_days)
    return AttributeColumns(files, names, oldest)


def rule_of(config: RuleConfig, duplicate_score: float) -> Rule:
    """Return a configured rule as the join obeys it: freshness is one more attribute, with one allowed value."""
    only = _in_order(config.only)
    if config.fresh_days is not None:
        only.append((freshness(config.fresh_days).name, (FRESH,)))
    return Rule(
        same=config.same,
        different=config.different,
        only=tuple(only),
        never=tuple(_in_order(config.never)),
        min_score=config.min_score,
        max_score=duplicate_score if config.duplicates == "exclude" else None,
    )


def _in_order(values: Mapping[Any, Iterable[str]]) -> list[tuple[str, tuple[str, ...]]]:
    """Return attributes and their values, in order of name: equal rules must be equal however they were written."""
    found = []
    for name in sorted(values):
        found.append((name, tuple(values[name])))
    return found
