"""A process between clients and an S3 server that makes the store slow, failing and strict about the age of credentials.

python rough_store.py BACKEND SEED SHARE prints its endpoint. Of all requests the SHARE, drawn by SEED, is delayed, answered
503, dropped before the server has seen it, or dropped when the server has done it and the client does not know. A session
token `expires-<seconds>` that has expired is refused. A line on its standard input is the end of a key: the answer to the next
PUT of such an object is lost. When its standard input ends it prints what it did, as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from flaky_proxy import proxy

FAULTS = ("delay", "fail", "drop", "lose")
DELAY_S = 0.5
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
XML = {"Content-Type": "application/xml"}


@dataclass
class Plan:
    """What happens to requests, in the order in which they come."""

    dice: random.Random
    share: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    lost: set[str] = field(default_factory=set)
    done: Counter[str] = field(default_factory=Counter)

    def draw(self, token: str | None, request: str) -> str:
        """Return what happens to a request, which is its command and its path, with this session token."""
        with self.lock:
            what = self.dice.choice(FAULTS) if self.dice.random() < self.share else "forward"
            if token is not None and time.time() > float(token.removeprefix("expires-")):
                what = "expired"
            for end in self.lost:
                if request.startswith("PUT ") and request.endswith(end):
                    self.lost.remove(end)
                    what = "lose"
                    break
            self.done["requests"] += 1
            self.done[what] += 1
        return what


def main(backend: str, seed: str, share: str) -> None:
    """Serve until standard input ends."""
    plan = Plan(random.Random(int(seed)), float(share))
    with proxy(backend) as server:
        server.intercept = lambda handler, body: answer(plan, handler, body)
        sys.stdout.write(f"{server.endpoint}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            plan.lost.add(line.strip())
            sys.stdout.write("\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps(plan.done) + "\n")


def answer(plan: Plan, handler, body: bytes) -> None:
    """Answer one request, or let it fail."""
    what = plan.draw(handler.headers.get("x-amz-security-token"), f"{handler.command} {handler.path}")
    if what == "expired":
        handler.answer(400, XML, EXPIRED)
    elif what == "fail":
        handler.answer(503, XML, BUSY)
    elif what == "drop":
        handler.close_connection = True
    else:
        time.sleep(DELAY_S if what == "delay" else 0)
        found = handler.forward(body)
        if what == "lose":
            handler.close_connection = True
        else:
            handler.answer(*found)


if __name__ == "__main__":
    main(*sys.argv[1:])
