"""From the examples of single notes to the tables of a training set: equal contents become one numbered item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uninote.training.dataset.strategies import Strategy
from uninote.training.from_notes.examples import Example, Making, examples_of
from uninote.training.from_notes.groups import Governed
from uninote.training.from_notes.halves import Halves, halves_of, noise_of
from uninote.training.from_notes.note_rows import Content, SourceNote

Row = dict[str, Any]


@dataclass(frozen=True)
class NoteExamples:
    """What one note gives to train on; `halves` null where it cannot be cut in two."""

    note_id: str
    examples: tuple[Example, ...]
    halves: Halves | None


def examples_and_halves(note: SourceNote, making: Making) -> NoteExamples:
    """Return what `note` gives; the same for the same note and settings anywhere.

    With `making.note_pairs` the halves are a pair of stage 1 as well: N_B without any image of N_A [ours].
    """
    examples = examples_of(note, making)
    halves = halves_of(note, making.seed)
    if making.note_pairs and halves is not None:
        examples.append(Example(Strategy.NOTE_TO_NOTE, halves.query, halves.relevant[-1]))
    return NoteExamples(note.note_id, tuple(examples), halves)


@dataclass
class Assembly:
    """Items numbered as they come, and the examples and ranked lists that name them.

    Contents are one item within a split only: a text that both splits have is an item of each, and counts as a leak.
    """

    governed: Mapping[str, Governed]
    items: list[Row] = field(default_factory=list)
    examples: list[Row] = field(default_factory=list)
    ranked: list[Row] = field(default_factory=list)
    _numbers: dict[tuple[str, Content], int] = field(default_factory=dict)

    def add(self, found: NoteExamples) -> None:
        """Take what one note gives."""
        split = self.governed[found.note_id].split
        for one in found.examples:
            negatives = []
            if one.by_rule is not None:
                negatives.append(self._number(one.by_rule, found.note_id))
            row = {
                "strategy": one.strategy.value,
                "query": self._number(one.query, found.note_id),
                "positive": self._number(one.positive, found.note_id),
                "negatives": negatives,
                "positive_score": None,
                "negative_scores": None,
                "split": split,
            }
            self.examples.append(row)
        if found.halves is not None:
            query = self._number(found.halves.query, found.note_id)
            relevant = []
            for content in found.halves.relevant:
                relevant.append(self._number(content, found.note_id))
            self.ranked.append({"query": query, "relevant": relevant, "noise": [], "split": split})

    def add_noise(self, count: int, seed: int) -> None:
        """Give each ranked list `count` notes of other groups: the last relevant ones of other lists of its split."""
        ends: dict[str, list[int]] = {}
        for row in self.ranked:
            ends.setdefault(row["split"], []).append(row["relevant"][-1])
        for row in self.ranked:
            own = self.items[row["query"]]["group"]
            others = []
            for item in ends[row["split"]]:
                if self.items[item]["group"] != own:
                    others.append(str(item))
            noise = noise_of(str(row["query"]), others, count, seed)
            row["noise"] = list(map(int, noise))

    def digests(self) -> set[str]:
        """Return the images that any item has."""
        found: set[str] = set()
        for item in self.items:
            found.update(image["digest"] for image in item["images"])
        return found

    def tables(self) -> dict[str, Sequence[Row]]:
        """Return the rows of items, examples and ranked."""
        return {"items": self.items, "examples": self.examples, "ranked": self.ranked}

    def _number(self, content: Content, note_id: str) -> int:
        place = self.governed[note_id]
        # One look-up finds a content's number, or gives it the next one, which is the length before it is appended.
        number = self._numbers.setdefault((place.split, content), len(self.items))
        if number == len(self.items):
            row = {"item": number, "note_id": note_id, "group": place.group, "split": place.split}
            self.items.append(row | content.as_row())
        return number


def assemble(found: Iterable[NoteExamples], governed: Mapping[str, Governed], noise: int, seed: int) -> Assembly:
    """Return the tables of a training set; `found` in order of note_id gives equal numbers for equal input."""
    assembly = Assembly(governed)
    for one in found:
        assembly.add(one)
    assembly.add_noise(noise, seed)
    return assembly
