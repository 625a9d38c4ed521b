"""The faults, one a line, and which of them a run of the tests tries."""

from __future__ import annotations

import random
from dataclasses import dataclass

from killing import Moment


@dataclass(frozen=True)
class Fault:
    """A stage of a night, killed once part of what it does has appeared; then the same command twice.

    `kind` is what is counted: a path, a table, a commit, "commit of <table>"; at which of them the seed draws, from those
    that an undisturbed run showed. `victim`: group, driver, jvm or worker. At the "start" or "end" of the stage nothing is
    killed. `then`: what befalls the lake there, before the command is run again. `first`: settings of the killed run alone.
    `ahead`: its clock. `refused`: what the command may name in an error instead of getting over it.
    """

    stage: str
    night: str
    kind: str
    victim: str = "group"
    then: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    ahead: bool = False
    refused: str = ""

    @property
    def name(self) -> str:
        """What happens, in words: the name of the test."""
        what = [self.stage, self.night, self.kind]
        what += [self.victim] if self.kills else []
        return "-".join(one.replace(" ", "_") for one in (*what, *self.then, *self.first, *["ahead"] * self.ahead))

    @property
    def kills(self) -> bool:
        """Say whether something is killed."""
        return self.kind not in ("start", "end")

    @property
    def may_rename(self) -> bool:
        """Say whether keys may differ from those of an undisturbed run: what was lost, or left out, is given new ones."""
        return bool(self.then or self.first)

    def moment(self, events: dict[str, int], dice: random.Random) -> Moment:
        """Draw the moment from what an undisturbed run showed."""
        return Moment(self.kind, dice.randint(1, events[self.kind]), dice.choice((0.0, 0.0, dice.uniform(0, 0.3))))


SHORT = [Fault("ingest", "first", "table")]
MORE = [
    Fault("embed", "first", "commit", "driver", ("vacuum",)),
    Fault("index", "first", "path", "jvm"),
    Fault("codes", "second", "commit", "driver", ("vacuum",)),
    Fault("neighbours", "second", "commit", "driver", ("vacuum",)),
    Fault("neighbours", "second", "start", then=("flip */neighbour_state/*/*.parquet",)),
]
LONG = [
    Fault("report", "first", "path"),
    Fault("index", "second", "path"),
    Fault("release", "second", "path"),
    Fault("ingest", "second", "path"),
    Fault("embed", "first", "table"),
    Fault("embed", "first", "path", "worker"),
    Fault("embed", "second", "commit", ahead=True),
    Fault("embed", "second", "commit", "group", ("vacuum",)),
    Fault("neighbours", "first", "table", "jvm"),
    Fault("ingest", "first", "path", "jvm"),
    Fault("ingest", "first", "commit", "group", ("vacuum",)),
    Fault("ingest", "second", "commit", "jvm", ("vacuum",)),
    Fault("ingest", "second", "start", then=("history ahead",)),
    Fault("embed", "first", "table", "jvm"),
    Fault("embed", "second", "start", then=("delete runs",)),
    Fault("embed", "first", "path", "jvm", ("vacuum",)),
    Fault("embed", "first", "commit", ahead=True),
    Fault("embed", "first", "commit of runs", "driver", ("vacuum",)),
    Fault("embed", "first", "commit", first=("embed.widths=[32]",)),
    Fault("embed", "second", "path"),
    Fault("embed", "second", "commit of items", "jvm", ("vacuum",)),
    Fault("embed", "second", "path", "group", ("history ahead",)),
    Fault("embed", "second", "path", "driver"),
    Fault("embed", "second", "commit", first=("embed.kinds=[note]",)),
    Fault("embed", "second", "path", "group", ("delete */staging",)),
    Fault("index", "first", "path", "worker"),
    Fault("index", "first", "path", "group", ahead=True),
    Fault("index", "first", "path", first=("index.nlist=4",)),
    Fault("index", "second", "path", "driver", ("vacuum",)),
    Fault("index", "second", "end", then=("flip */index/*/shard-*",)),
    Fault("index", "second", "start", then=("flip */index/*/shard-*",)),
    Fault("index", "second", "start", then=("delete */index/*/template-*",)),
    Fault("index", "second", "end", then=("delete */index/*/shard-*",)),
    Fault("index", "second", "end", then=("flip */index/*/manifest-*.json",)),
    Fault("index", "second", "path", "group", ("history ahead",)),
    Fault("codes", "first", "table", "jvm"),
    Fault("codes", "first", "path"),
    Fault("codes", "first", "commit of codebooks", "driver"),
    Fault("codes", "first", "commit of codes", "group", ("vacuum",)),
    Fault("codes", "first", "path", "worker"),
    Fault("codes", "second", "path", "jvm", ("vacuum",)),
    Fault("codes", "second", "path", "worker"),
    Fault("codes", "second", "commit of codes", ahead=True),
    Fault("codes", "second", "commit of codes", "group", ("history ahead",)),
    Fault("codes", "second", "start", then=("vacuum",)),
    Fault("codes", "second", "start", then=("delete runs",), refused="run jobs/embed.py"),
    Fault("codes", "second", "start", then=("flip */codes/*.parquet",), refused="codes"),
    Fault("codes", "second", "start", then=("flip */codebooks/*.parquet",), refused="codebooks"),
    Fault("neighbours", "second", "start", then=("delete runs",), refused="run jobs/embed.py"),
    Fault("neighbours", "first", "path", "worker"),
    Fault("neighbours", "first", "commit", "driver", ("vacuum",)),
    Fault("neighbours", "first", "commit", first=("neighbours.k=3",)),
    Fault("neighbours", "second", "path", "jvm"),
    Fault("neighbours", "second", "commit", ahead=True),
    Fault("neighbours", "second", "commit", first=("neighbours.k=6",)),
    Fault("neighbours", "second", "commit", "group", ("history ahead",)),
    Fault("neighbours", "second", "start", then=("flip */neighbour_rows/*/*/*.parquet",)),
    Fault("neighbours", "second", "start", then=("delete */neighbour_cells/*.parquet",)),
    Fault("neighbours", "second", "start", then=("delete */neighbour_state/*",)),
    Fault("neighbours", "second", "start", then=("flip */embeddings/w32/*.parquet",), refused="embeddings/w32"),
    Fault("release", "first", "path", "jvm"),
    Fault("release", "first", "commit", "driver"),
    Fault("release", "second", "path", "driver", ("history ahead",)),
    Fault("release", "second", "start", then=("delete runs",), refused="run jobs/embed.py"),
    Fault("report", "first", "commit", "driver"),
    Fault("report", "second", "path", "jvm", ("history ahead",)),
]
