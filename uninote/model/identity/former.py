"""What earlier releases called a model: their generations depended on versions of libraries, which layout 1 froze.

A lake of theirs has folders of such names. No list of versions is complete, so every version that may have been is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import product

# Those of layout 1: what its generations are called everywhere, whatever is installed.
PILLOW = "13.0.0"
SENTENCE_TRANSFORMERS = "6.2.0"
TRANSFORMERS = "5.23.0"


def pillow_versions() -> Iterator[str]:
    """Yield every version of Pillow that a lake may be of, newest first."""
    yield from _with_installed("pillow", _numbers(range(20, 9, -1), range(5, -1, -1), range(3, -1, -1)))


def sentence_versions() -> Iterator[tuple[str, str]]:
    """Yield every pair of versions of sentence-transformers and transformers that a lake may be of, newest first."""
    sentences = _with_installed("sentence-transformers", _numbers([6], range(9, -1, -1), range(3, -1, -1)))
    transformers = _with_installed("transformers", _numbers([5], range(40, 19, -1), range(4, -1, -1)))
    yield from product(sentences, transformers)


def _numbers(*ranges: Sequence[int]) -> list[str]:
    return [".".join(map(str, parts)) for parts in product(*ranges)]


def _with_installed(package: str, versions: list[str]) -> list[str]:
    try:
        installed = version(package)
    except PackageNotFoundError:
        return versions
    return versions if installed in versions else [installed, *versions]
