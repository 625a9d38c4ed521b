"""A process that takes a lake's lease and commits under it when it is asked to: python lease_holder.py LAKE TERM_S.

It prints "held N" once it holds the lease; each line on its standard input is answered by a commit, "done" or what went wrong.
"""

from __future__ import annotations

import sys

import pyarrow as pa

from uninote.errors import UninoteError
from uninote.lake.delta_files import append_rows, replace_rows, restore, set_property
from uninote.lake.lease.fence import commits_under
from uninote.lake.lease.lease import take
from uninote.lake.row_changes import DELETED, RowChanges

ROWS = pa.table({"note_id": pa.array(["x"]), "value": pa.array([-1], pa.int64())})


def change(uri: str) -> None:
    """Upsert a row without deltalake's writer."""
    RowChanges(uri, ROWS.append_column(DELETED, pa.array([False])), ["note_id"]).apply()


COMMITS = {
    "append": lambda uri: append_rows(uri, ROWS),
    "overwrite": lambda uri: replace_rows(uri, ROWS),
    "change": change,
    "restore": lambda uri: restore(uri, 0),
    "property": lambda uri: set_property(uri, "uninote.test", "stale"),
}


def say(answer: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


def main(lake: str, term_s: str) -> None:
    """Hold the lease until standard input ends, then give it back."""
    lease = take(lake, "embed", "run-of-a-test", float(term_s))
    say(f"held {lease.number}")
    with commits_under(lease):
        for line in sys.stdin:
            try:
                COMMITS[line.strip()](f"{lake}/table")
                say("done")
            except UninoteError as error:
                say(f"{type(error).__name__} {error}")
    lease.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
