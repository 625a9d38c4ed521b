"""A store that is slow, fails, and refuses credentials that have expired: see rough_store.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROUGH_STORE = Path(__file__).parent / "rough_store.py"
END_S = 30
# What a profile names as its credential_process. All pairs are the one that the server knows, under tokens that expire.
PROVIDER = """\
import datetime, json, time
with open({calls!r}, "a") as file:
    file.write("called\\n")
ends = time.time() + {life_s}
expiration = datetime.datetime.fromtimestamp(ends, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
pair = dict(AccessKeyId={key!r}, SecretAccessKey={secret!r}, SessionToken=f"expires-{{ends}}", Expiration=expiration)
print(json.dumps(dict(Version=1, **pair)))
"""


@dataclass
class RoughStore:
    """Where it listens, and when it has ended, how many requests it saw and what it did to them, by kind."""

    endpoint: str
    process: subprocess.Popen[str]
    done: dict[str, int] = field(default_factory=dict)

    def lose(self, end: str) -> None:
        """Lose the answer to the next PUT of an object whose key ends so."""
        self.process.stdin.write(f"{end}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()


@contextmanager
def rough_store(backend: str, seed: int, share: float) -> Iterator[RoughStore]:
    """Run a rough store before the server at `backend`, in a process of its own: clients hold this one's lock at times."""
    command = [sys.executable, str(ROUGH_STORE), backend, str(seed), str(share)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    store = RoughStore(process.stdout.readline().strip(), process)
    try:
        yield store
        said = process.communicate("", END_S)[0]
        store.done |= json.loads(said)
    finally:
        process.kill()
        process.wait(END_S)


def write_profile(folder: Path, life_s: float, key: str, secret: str) -> Path:
    """Write a profile whose credentials live so long, and return the file; `folder`/calls has a line for each call."""
    provider = folder / "provider.py"
    provider.write_text(PROVIDER.format(calls=str(folder / "calls"), life_s=life_s, key=key, secret=secret))
    profile = folder / "profile"
    profile.write_text(f"[default]\ncredential_process = {sys.executable} {provider}\n")
    return profile
