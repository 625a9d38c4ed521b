"""What can be drawn: the subjects of the scenes and the colours they come in (data/subjects.json)."""

from __future__ import annotations

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from uninote.demo.material.data_files import NO_OTHER_KEYS, read_data

RGB = tuple[int, int, int]


@dataclass(frozen=True, slots=True, config=NO_OTHER_KEYS)
class Colour:
    """A colour word; `paint` is how a subject wears it, `wall` how a background does."""

    zh: str
    paint: RGB
    wall: RGB


@dataclass(frozen=True, slots=True, config=NO_OTHER_KEYS)
class Subject:
    """A thing that scenes show. `measure` is its Chinese measure word, `colours` are those it comes in."""

    zh: str
    measure: str
    en: str
    plural: str
    colours: tuple[str, ...]


@dataclass(frozen=True, slots=True, config=NO_OTHER_KEYS)
class _SubjectsFile:
    colours: dict[str, Colour]
    walls: tuple[str, ...]
    subjects: dict[str, Subject]


_FILE = read_data("subjects", TypeAdapter(_SubjectsFile))
COLOURS: dict[str, Colour] = _FILE.colours
SUBJECTS: dict[str, Subject] = _FILE.subjects
WALLS: tuple[str, ...] = _FILE.walls  # the colours of backgrounds
