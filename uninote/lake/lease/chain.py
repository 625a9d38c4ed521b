"""A chain of numbered files, each created only if its number is free: what disks and object stores can do alike.

No store that a lake may lie in replaces a file only if it is still the one that was read. All of them create a file only if
there is none. So a value that must not be overwritten by somebody who missed a change is a chain: the file with the highest
number is the value, and whoever wants to change it creates the next number, which one of several can.
"""

from __future__ import annotations

from dataclasses import dataclass

from uninote.storage import lake_files

_DIGITS = 12
_ATTEMPTS = 10


@dataclass(frozen=True)
class Link:
    """One file of a chain."""

    number: int
    content: bytes


class Chain:
    """The files `<prefix><number>.json` in the folder `uri`."""

    def __init__(self, uri: str, prefix: str = "") -> None:
        self.uri = uri
        self._prefix = prefix

    def numbers(self) -> list[int]:
        """Return the numbers that are there, in order."""
        found = []
        for name in lake_files.names_in(self.uri):
            digits = name.removeprefix(self._prefix).removesuffix(".json")
            if name == self.name(int(digits) if digits.isdecimal() else -1):
                found.append(int(digits))
        return sorted(found)

    def last(self) -> Link | None:
        """Return the newest file, null where there is none."""
        # Whoever adds files removes old ones: between the listing and the reading the newest may have become an old one.
        for _ in range(_ATTEMPTS):
            numbers = self.numbers()
            if not numbers:
                return None
            content = lake_files.read_or_none(self._place(numbers[-1]))
            if content is not None:
                return Link(numbers[-1], content)
        raise OSError(f"{self.uri} changes faster than it can be read")

    def links(self) -> list[Link]:
        """Return the files that are there, in order; one that was removed since they were listed is left out."""
        found = []
        for number in self.numbers():
            content = lake_files.read_or_none(self._place(number))
            if content is not None:
                found.append(Link(number, content))
        return found

    def add(self, after: int, content: bytes) -> Link:
        """Create the file behind number `after`, 0 for the first. Raises FileExistsError where somebody else has."""
        lake_files.create(self._place(after + 1), content)
        return Link(after + 1, content)

    def trim(self, keep: int) -> None:
        """Remove all but the newest `keep` files."""
        for number in self.numbers()[:-keep]:
            lake_files.remove(self._place(number))

    def name(self, number: int) -> str:
        """Return what the file of a number is called. Names sort as their numbers do."""
        return f"{self._prefix}{number:0{_DIGITS}d}.json"

    def _place(self, number: int) -> str:
        return lake_files.join(self.uri, self.name(number))
