"""A process that takes a lake's lease and commits under it when it is asked to: python lease_holder.py LAKE TERM_S.

It prints "held N" once it holds the lease; each line on its standard input is answered by a commit, "done" or what went wrong.
"""

from __future__ import annotations

import os
import signal
import sys
from unittest.mock import patch

import pyarrow as pa

from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.files.published import add
from uninote.lake.delta_files import append_rows, replace_rows, restore, set_property
from uninote.lake.lease.fence import commits_under, holder
from uninote.lake.lease.lease import take
from uninote.lake.row_changes import DELETED, RowChanges

ROWS = pa.table({"note_id": pa.array(["x"]), "value": pa.array([-1], pa.int64())})


def change(uri: str) -> None:
    """Upsert a row without deltalake's writer."""
    RowChanges(uri, ROWS.append_column(DELETED, pa.array([False])), ["note_id"]).apply()


INDEX = "0123456789abcdef/index/w64"


def publish(lake: str, content: bytes) -> None:
    """Make `content` the manifest of the lake's index."""
    add(IndexFolder(f"{lake}/{INDEX}"), content, holder())


COMMITS = {
    "manifest": lambda uri: publish(uri.removesuffix("/table"), b"of the test's run"),
    "append": lambda uri: append_rows(uri, ROWS),
    "overwrite": lambda uri: replace_rows(uri, ROWS),
    "change": change,
    "restore": lambda uri: restore(uri, 0),
    "property": lambda uri: set_property(uri, "uninote.test", "stale"),
}


def stop_first(uri: str) -> None:
    """Publish a manifest, and stop right before its file is created."""
    create = IndexFolder.create

    def stopping(folder: IndexFolder, name: str, content: bytes) -> None:
        say("stops")
        os.kill(os.getpid(), signal.SIGSTOP)
        create(folder, name, content)

    with patch.object(IndexFolder, "create", stopping):
        COMMITS["manifest"](uri)


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
                what = stop_first if line.strip() == "sleepy manifest" else COMMITS[line.strip()]
                what(f"{lake}/table")
                say("done")
            except UninoteError as error:
                say(f"{type(error).__name__} {error}")
    lease.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
