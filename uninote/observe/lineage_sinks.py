"""Where OpenLineage events go: lines of a file, or a server that takes them by HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib import request

from uninote.observe.openlineage import Event

API_KEY = "OPENLINEAGE_API_KEY"  # in the environment, as OpenLineage's own clients have it
_TIMEOUT_S = 5.0  # of one event: a server that does not answer holds a run up by that, once


def sink_of(place: str) -> Callable[[Event], None]:
    """Return what sends an event to `place`: an http(s) URL that takes events, or a file, which gets a line for each.

    What it returns raises OSError where the event cannot be delivered.
    """
    return _by_http(place) if "://" in place else _into_file(Path(place))


def _into_file(path: Path) -> Callable[[Event], None]:
    def send(event: Event) -> None:
        # One write of one line, at the end of the file: lines of two runs do not mix.
        with path.open("ab", buffering=0) as file:
            file.write(json.dumps(event).encode() + b"\n")

    return send


def _by_http(url: str) -> Callable[[Event], None]:
    def send(event: Event) -> None:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(API_KEY):
            headers["Authorization"] = f"Bearer {key}"
        asked = request.Request(url, json.dumps(event).encode(), headers, method="POST")
        with request.urlopen(asked, timeout=_TIMEOUT_S) as answer:
            answer.read()

    return send
