"""Feature hashing behind the encoder protocol: words and character n-grams, randomly projected. numpy alone, no weights.

A lexical baseline: what it finds shares words or parts of words. It starts in milliseconds and is the same everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b, shake_128
from pathlib import Path

import numpy as np
from PIL.Image import Image

from uninote.model.hashing.folder import HashingCard, read_card
from uninote.model.input.cuts import WHOLE, Cut
from uninote.model.input.text import text_of
from uninote.notes.note import Note

_WORD = re.compile(r"\w+")
# Characters; two, because many words of Chinese and Japanese have no more.
_NGRAMS = (2, 3, 4)
_GRID = 4  # an image is seen as the mean colours of so many rows and columns
# The number of one more feature, which every image has.
_WHOLE_IMAGE = _GRID * _GRID * 3


@dataclass(frozen=True)
class Prepared:
    """The hashed features of a text, int64, with their weights, float32; and the colours of each image, float32 (49,)."""

    features: np.ndarray
    weights: np.ndarray
    images: tuple[np.ndarray, ...]
    num_tokens: int
    cut: Cut = WHOLE  # it reads all

    @property
    def nbytes(self) -> int:
        """The memory that it holds while it waits."""
        return self.features.nbytes + self.weights.nbytes + sum(image.nbytes for image in self.images)


class HashingEncoder:
    """Embeds the texts of a note, those read in its images too, and the colours of its images.

    A note without any word and any image gets a vector of zeros, which has no direction: it is for the caller to refuse.
    """

    sees_images = True
    batch_tokens = None
    device = "cpu"

    def __init__(self, card: HashingCard) -> None:
        self.widths = card.widths
        self._key = card.seed.to_bytes(8, "little")
        self._words = _Projection(card.vocabulary_size, card.widths[-1], b"word" + self._key)
        self._colours = _Projection(_WHOLE_IMAGE + 1, card.widths[-1], b"image" + self._key)

    @classmethod
    def load(cls, folder: str | Path) -> HashingEncoder:
        """Load `folder`. Raises CheckpointError."""
        return cls(read_card(folder))

    @property
    def full_width(self) -> int:
        """The width of the vectors that `embed` returns."""
        return self.widths[-1]

    def fit(self, image: Image) -> np.ndarray:
        """Return the mean colours of the image's fields, which are all that is seen of it: float32 (49,)."""
        return mean_colours(image)

    def sees_more(self, images: Sequence[np.ndarray]) -> bool:
        """Return True: every image of a note is seen."""
        return True

    def prepare(self, note: Note, images: Sequence[Image | np.ndarray]) -> Prepared:
        """Hash the features of one note; `images` are those of `note.images`, in order."""
        words = words_of(text_of(note))
        counts: Counter[int] = Counter()
        for word in words:
            counts.update(map(self._hashed, features_of(word)))
        # Sorted: float32 numbers are added up in this order, and the same words give the same bits in any order.
        features = np.array(sorted(counts), dtype=np.int64)
        times = np.array([counts[feature] for feature in features.tolist()], dtype=np.float32)
        colours = []
        for image in images:
            colours.append(image if isinstance(image, np.ndarray) else mean_colours(image))
        return Prepared(features, np.log1p(times), tuple(colours), max(1, len(words) + len(colours)))

    def embed(self, prepared: Sequence[Prepared]) -> np.ndarray:
        """Return float32 (n, full_width), L2-normalised, in order; each row is computed by itself."""
        vectors = np.zeros((len(prepared), self.full_width), dtype=np.float32)
        for row, one in enumerate(prepared):
            vectors[row] = self._embed_one(one)
        return vectors

    def _embed_one(self, prepared: Prepared) -> np.ndarray:
        """Give all text as much weight as all images together."""
        text = _normalised(prepared.weights @ self._words.rows(prepared.features))
        if not prepared.images:
            return text
        places = np.arange(_WHOLE_IMAGE + 1)
        seen = [_normalised(colours @ self._colours.rows(places)) for colours in prepared.images]
        return _normalised(text + _normalised(np.sum(seen, axis=0)))

    def _hashed(self, feature: str) -> int:
        digest = blake2b(feature.encode(errors="surrogatepass"), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "little") % self._words.size


class _Projection:
    """Random signs, int8 (size, width): each row is made when it is first asked for."""

    def __init__(self, size: int, width: int, key: bytes) -> None:
        self.size = size
        self._key = key
        # The system gives no memory to pages of zeros until they are written: rows that no word touches cost none.
        self._signs = np.zeros((size, width), dtype=np.int8)
        self._is_made = np.zeros(size, dtype=bool)

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Return float32 (len(numbers), width)."""
        for number in numbers[~self._is_made[numbers]].tolist():
            self._signs[number] = self._row(number)
            self._is_made[number] = True
        signs: np.ndarray = self._signs[numbers].astype(np.float32)
        return signs

    def _row(self, number: int) -> np.ndarray:
        # Bits of a hash, not numpy's generators, whose streams may differ between its versions.
        width = self._signs.shape[1]
        content = shake_128(self._key + number.to_bytes(8, "little")).digest(-(-width // 8))
        bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8), count=width)
        return bits.astype(np.int8) * 2 - 1


def words_of(text: str) -> list[str]:
    """Return the words of a text, without regard to case or to how characters are composed."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def features_of(word: str) -> Iterator[str]:
    """Yield the word, and the runs of two to four characters of the word between its bounds."""
    yield word
    bounded = f"<{word}>"
    for length in _NGRAMS:
        for start in range(len(bounded) - length + 1):
            yield bounded[start : start + length]


def mean_colours(image: Image) -> np.ndarray:
    """Return float32 (49,): red, green and blue, from -0.5 to 0.5, of each field of a grid over the image, and 1."""
    rows = np.array_split(np.arange(image.height), _GRID)
    columns = np.array_split(np.arange(image.width), _GRID)
    means = np.zeros((_GRID, _GRID, 3), dtype=np.float32)
    for y, height in enumerate(rows):
        for x, width in enumerate(columns):
            # An image may have fewer pixels than the grid has fields, which then are empty.
            if len(height) and len(width):
                field = image.crop((int(width[0]), int(height[0]), int(width[-1]) + 1, int(height[-1]) + 1))
                means[y, x] = _mean_colour(field.convert("RGB"))
    return np.append(means.ravel(), np.float32(1))


def _mean_colour(image: Image) -> np.ndarray:
    # Summed as bytes: as float32 a large image takes four times its memory.
    pixels = np.asarray(image)
    total: np.ndarray = pixels.sum(axis=(0, 1), dtype=np.int64)
    mean: np.ndarray = total / (255 * pixels.shape[0] * pixels.shape[1]) - 0.5
    return mean


def _normalised(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    result: np.ndarray = (vector / length if length > 0 else vector).astype(np.float32)
    return result
