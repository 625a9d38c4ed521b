"""What a checkpoint is called: its weights, and the generation of its vectors in each layout and type of arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import product

from uninote.model.identity.folders import Content
from uninote.model.identity.layouts import LAYOUTS, Layout

FIRST = 1  # the layout of earlier releases, which numbered none
FLOAT32, BFLOAT16 = DTYPES = ("float32", "bfloat16")  # what vectors are computed in

Made = tuple[int, str]
"""How vectors were made: the number of their layout, and one of DTYPES."""


@dataclass(frozen=True)
class Identity:
    """`weights` names the model whatever the layout; `own` is the layout that it declares, or the newest.

    `choices` returns what is hashed beside `content` in a layout. `former` yields what earlier releases hashed there, for
    each installation that may have been theirs, newest first.
    """

    weights: str
    own: Layout
    content: Content = field(repr=False, compare=False)
    choices: Callable[[Layout], object] = field(repr=False, compare=False)
    former: Callable[[], Iterator[object]] = field(repr=False, compare=False)

    def generation(self, layout: Layout, dtype: str = FLOAT32) -> str:
        """Return the identity of the vectors made in `layout` and computed in `dtype`: 16 hexadecimal characters."""
        choices = self.choices(layout)
        # Those in float32 are called as they were before types were a part of the name.
        return self.content.identity(choices if dtype == FLOAT32 else {"choices": choices, "dtype": dtype})

    def former_generations(self) -> Iterator[str]:
        """Yield what earlier releases called the vectors of the first layout, newest installation first."""
        return map(self.content.identity, self.former())

    def find(self, generations: Collection[str]) -> dict[Made, str]:
        """Return which of `generations` are this model's, by how they were made.

        Where earlier releases made several, each under other libraries, the last of them is the one in use.
        """
        if not generations:
            return {}
        mine = {}
        for (number, layout), dtype in product(LAYOUTS.items(), DTYPES):
            generation = self.generation(layout, dtype)
            if generation in generations:
                mine[number, dtype] = generation
        # The first layout has several names: versions of libraries were once a part of them.
        for generation in self.former_generations():
            if generation in generations:
                mine[FIRST, FLOAT32] = generation
                break
        return mine
