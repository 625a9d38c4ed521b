"""The latent topics of the corpus: what a note can be about, and the words that go with it (data/topics.json)."""

from __future__ import annotations

from typing import Literal

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from uninote.demo.material.data_files import NO_OTHER_KEYS, read_data

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True, config=NO_OTHER_KEYS)
class Words:
    """A topic in one language: its name, its keywords (also its hashtags) and sentences with slots to fill."""

    name: str
    keywords: tuple[str, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True, config=NO_OTHER_KEYS)
class Topic:
    """A latent topic. `signs` are the Latin words that may be written in its pictures."""

    key: str
    category: str
    subjects: tuple[str, ...]
    signs: tuple[str, ...]
    zh: Words
    en: Words

    def words(self, language: Language) -> Words:
        """Return the words of "zh" or "en"."""
        return self.zh if language == "zh" else self.en


TOPICS: tuple[Topic, ...] = read_data("topics", TypeAdapter(tuple[Topic, ...]))
# Real sites are uneven: the first topic of a category is the largest, and food the largest category.
WEIGHTS: tuple[float, ...] = tuple(1 / (rank + 12) for rank in range(len(TOPICS)))
CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(topic.category for topic in TOPICS))
