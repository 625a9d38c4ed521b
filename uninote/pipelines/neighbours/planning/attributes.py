"""The attributes that rules look at: columns of `notes`, and whether a note is fresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from udfs.neighbours.attributes import FRESH, AttributeColumns
from uninote.config.sections.neighbours import RuleConfig
from uninote.neighbours.by_rule.rules import Rule


@dataclass(frozen=True)
class Attribute:
    """A string column of the rows that are joined, null where a note has none; `neighbour_rows` has it by this `name`.

    Where `fresh_days` is null it is the column of `notes` of the same name. Otherwise it is FRESH for notes that were updated
    in so many days before the run, and null for older ones.
    """

    name: str
    fresh_days: int | None = None


def columns_of(attributes: Iterable[Attribute], files: Sequence[str], as_of: datetime) -> AttributeColumns:
    """Return where workers find attributes: in the `files` of notes; ages are counted from `as_of`."""
    names = []
    oldest = {}
    for attribute in attributes:
        names.append(attribute.name)
        if attribute.fresh_days is not None:
            oldest[attribute.name] = as_of - timedelta(days=attribute.fresh_days)
    return AttributeColumns(files, names, oldest)


def attributes_of(rules: Iterable[RuleConfig]) -> tuple[Attribute, ...]:
    """Return the attributes that any of the rules looks at, in order of name."""
    found: set[Attribute] = set()
    for rule in rules:
        names = (*rule.same, *rule.different, *rule.only, *rule.never)
        found.update(Attribute(name) for name in names)
        if rule.fresh_days is not None:
            found.add(_freshness(rule.fresh_days))
    return tuple(sorted(found, key=lambda attribute: attribute.name))


def rule_of(config: RuleConfig, duplicate_score: float) -> Rule:
    """Return a configured rule as the join obeys it: freshness is one more attribute, with one allowed value."""
    only = _in_order(config.only)
    if config.fresh_days is not None:
        only.append((_freshness(config.fresh_days).name, (FRESH,)))
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


def _freshness(days: int) -> Attribute:
    return Attribute(f"fresh_{days}", days)
