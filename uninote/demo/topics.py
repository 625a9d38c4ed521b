"""The latent topics of the corpus: what a note can be about, and the words that go with it."""

from __future__ import annotations

from uninote.demo.topics_home import FOOD, HOME
from uninote.demo.topics_leisure import BOOKS, GADGETS
from uninote.demo.topics_living import PETS, PLANTS
from uninote.demo.topics_looks import BEAUTY, FASHION
from uninote.demo.topics_outdoors import FITNESS, TRAVEL
from uninote.demo.words import Topic

TOPICS: tuple[Topic, ...] = (*FOOD, *TRAVEL, *PETS, *FITNESS, *BEAUTY, *HOME, *BOOKS, *GADGETS, *PLANTS, *FASHION)
# Real sites are uneven: the first topic of a category is the largest, and food the largest category.
WEIGHTS: tuple[float, ...] = tuple(1 / (rank + 12) for rank in range(len(TOPICS)))
CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(topic.category for topic in TOPICS))
