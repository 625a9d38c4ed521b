"""The attributes of a note: no model sees them; filters, rules of neighbours and constraints of searches do."""

from __future__ import annotations

from typing import Literal, get_args

Attribute = Literal["category", "author", "language", "visibility"]
NOTE_ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)
