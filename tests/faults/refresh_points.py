"""The points of whole refreshes, one a line, and which of them a run of the tests tries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from killing import NO_WRITES, VICTIMS, Moment

DRIVER, SPARK = "driver", "spark"  # the way of small nights, and that of all others
FIRST, SECOND, THIRD = "first", "second", "takedown"
NIGHTS = (FIRST, SECOND, THIRD)
OF_FIRST = ("ingest", "embed", "index", "codes", "neighbours", "release", "publish", "report")
STAGES = {FIRST: OF_FIRST, SECOND: (*OF_FIRST, "retention"), THIRD: (*OF_FIRST, "retention", "erasure")}
BLOWS = (*VICTIMS, f"{NO_WRITES}driver", f"{NO_WRITES}group")


@dataclass(frozen=True)
class Point:
    """A refresh that is struck in one stage of a night; the seed draws what strikes it, and at which event.

    `way`: whether ingest and embed go through the driver, or are Spark's.
    """

    way: str
    night: str
    stage: str

    @property
    def name(self) -> str:
        """What happens, in words: the name of the test."""
        return f"{self.way}-{self.night}-{self.stage}"

    def blow(self, seed: int) -> str:
        """Draw what strikes: each blow comes about as often as any other, whatever the seed."""
        return BLOWS[(POINTS.index(self) * 5 + seed) % len(BLOWS)]

    def moment(self, events: dict[str, int], dice: random.Random) -> Moment:
        """Draw the event, from those that an undisturbed night showed in this stage; after it comes a short while, or none.

        Of a stage that was over before it was seen, it is any event of the night.
        """
        kinds = [f"{kind} in {self.stage}" for kind in ("begin", "path", "commit", "removal")]
        kind = dice.choice([one for one in kinds if one in events] or ["path"])
        return Moment(kind, dice.randint(1, events[kind]), dice.choice((0.0, dice.uniform(0, 0.3))))


def _points() -> Iterator[Point]:
    for way in (DRIVER, SPARK):
        for night in NIGHTS:
            for stage in STAGES[night]:
                yield Point(way, night, stage)


POINTS = list(_points())
SHORT = [Point(DRIVER, SECOND, "neighbours"), Point(DRIVER, SECOND, "release")]
