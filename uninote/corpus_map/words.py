"""The words of a text, for labels: in scripts with spaces as they stand, in those without as pairs of characters."""

from __future__ import annotations

import re

MOST_LETTERS = 30  # of a word: what is longer is an address or a code
_NO_SPACES = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # kana and Han
_RUN = re.compile(rf"[{_NO_SPACES}]+|(?:(?![{_NO_SPACES}])[^\W_])+")
_IS_PAIRED = re.compile(rf"[{_NO_SPACES}]")
_HIRAGANA = re.compile("[\u3040-\u309f]+")
# What is in every text of a language says nothing of its branch, and yet sets it apart from texts of another language.
_ENGLISH = (
    "about after all also am an and any are as at be been before being but by can could did do does for from get got had has"
    " have he her here him his how if in into is it its just like me more most much my no not now of off on one only or other"
    " our out over she should so some such than that the their them then there these they this those to too up us very was we"
    " were what when where which while who why will with would you your"
)
_GRAMMAR = frozenset(_ENGLISH.split())
_PARTICLES = re.compile("[的了是我你他她它们这那也就都还很吗呢吧啊呀把被才又太着么]")


def words_of(text: str) -> set[str]:
    """Return the different words of a text, in lower case, none of them a number or one that only grammar needs.

    A run of Han characters or kana gives each pair of neighbouring characters, or itself where it is but one. Left out are
    pairs of hiragana alone, which are endings and particles, pairs with a Chinese particle, and the commonest English words.
    """
    found = set()
    for run in _RUN.findall(text.lower()):
        if _IS_PAIRED.match(run):
            found |= _pairs(run)
        elif 1 < len(run) <= MOST_LETTERS and not run.isnumeric() and run not in _GRAMMAR:
            found.add(run)
    return found


def _pairs(run: str) -> set[str]:
    pairs = {run[start : start + 2] for start in range(max(1, len(run) - 1))}
    return {pair for pair in pairs if not _HIRAGANA.fullmatch(pair) and not _PARTICLES.search(pair)}


def overlaps(one: str, other: str) -> bool:
    """Say whether two words may be pairs out of one longer word: one ends with the character that the other begins with."""
    return bool(_IS_PAIRED.match(one)) and (one[-1] == other[0] or other[-1] == one[0])
