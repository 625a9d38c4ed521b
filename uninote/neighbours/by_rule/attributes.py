"""The attributes that rules look at: columns of `notes`, and whether a note is fresh."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from uninote.config.sections.neighbours import RuleConfig


@dataclass(frozen=True)
class Attribute:
    """A string column of the rows that are joined, null where a note has none; `neighbour_rows` has it by this `name`.

    Where `fresh_days` is null it is the column of `notes` of the same name. Otherwise it is FRESH for notes that were updated
    in so many days before the run, and null for older ones.
    """

    name: str
    fresh_days: int | None = None


def attributes_of(rules: Iterable[RuleConfig]) -> tuple[Attribute, ...]:
    """Return the attributes that any of the rules looks at, in order of name."""
    found: set[Attribute] = set()
    for rule in rules:
        names = (*rule.same, *rule.different, *rule.only, *rule.never)
        found.update(Attribute(name) for name in names)
        if rule.fresh_days is not None:
            found.add(freshness(rule.fresh_days))
    return tuple(sorted(found, key=lambda attribute: attribute.name))


def freshness(days: int) -> Attribute:
    """Return the attribute of notes that were updated in so many days before the run."""
    return Attribute(f"fresh_{days}", days)
