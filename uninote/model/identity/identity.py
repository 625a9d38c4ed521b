"""What a checkpoint is called: its weights, and the generation of its vectors in each layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from uninote.model.identity.folders import Content
from uninote.model.identity.layouts import LAYOUTS, Layout

FIRST = 1  # the layout of earlier releases, which numbered none


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

    def generation(self, layout: Layout) -> str:
        """Return the identity of the vectors made in `layout`: 16 hexadecimal characters."""
        return self.content.identity(self.choices(layout))

    def former_generations(self) -> Iterator[str]:
        """Yield what earlier releases called the vectors of the first layout, newest installation first."""
        return map(self.content.identity, self.former())

    def find(self, generations: Collection[str]) -> dict[int, str]:
        """Return which of `generations` are this model's, by the number of their layout.

        Where earlier releases made several, each under other libraries, the last of them is the one in use.
        """
        if not generations:
            return {}
        mine = {}
        for number, layout in LAYOUTS.items():
            generation = self.generation(layout)
            if generation in generations:
                mine[number] = generation
        # The first layout has several names: versions of libraries were once a part of them.
        for generation in self.former_generations():
            if generation in generations:
                mine[FIRST] = generation
                break
        return mine
