"""Numbers as people read them: thousands separators, units, and as many digits as two values need to differ."""

from __future__ import annotations

import math
import re

from uninote.evaluation.estimates import Estimate

MAX_DIGITS = 8  # about the precision of float32 scores
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def count(value: int) -> str:
    """Return 1234567 as 1,234,567."""
    return f"{value:,}"


def size(num_bytes: int) -> str:
    """Return bytes in the binary unit that leaves one to four digits."""
    power = min(max(num_bytes, 1).bit_length() - 1, 59) // 10
    if power == 0:
        return f"{num_bytes:,} B"
    value = num_bytes / 1024**power
    return f"{value:,.{1 if value < 100 else 0}f} {_UNITS[power]}"


def duration(seconds: float) -> str:
    """Return seconds as 0.42 s, 12.3 s, 3 min 12 s or 1 h 05 min."""
    if seconds < 59.95:
        return f"{seconds:.{2 if seconds < 9.995 else 1}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def share(value: float) -> str:
    """Return a share as a percentage; only exactly nothing reads 0 %, only everything 100 %."""
    percent = value * 100
    if 0 < percent < 0.01:
        return "< 0.01 %"
    if 99.9 <= percent < 100:
        return f"{math.floor(percent * 100 + 1e-6) / 100:.2f} %"
    return f"{percent:.{2 if 0 < percent < 1 else 0 if percent in (0, 100) else 1}f} %"


def recall(value: float) -> str:
    """Return four decimals, cut rather than rounded: a recall below its target must never read as if it met it."""
    return "not a number" if math.isnan(value) else f"{math.floor(value * 1e4 + 1e-6) / 1e4:.4f}"


def interval(estimate: Estimate) -> str:
    """Return the 95 % confidence interval of a recall; a dash where there is none."""
    if estimate.low is None or estimate.high is None:
        return "–"
    return f"{recall(estimate.low)} to {recall(estimate.high)}"


def digits_for(step: float) -> int:
    """Return how many decimals show differences of `step`, 2 at least."""
    return min(max(2, math.ceil(-math.log10(step) - 1e-9)), MAX_DIGITS) if step > 0 else 4


def words(name: str) -> str:
    """Return the name of a count for people: notes_in as "notes in"."""
    return name.replace("_", " ")


def amount(name: str, value: int) -> str:
    """Return a count by its name: sizes in bytes units, all else with thousands separators."""
    return size(value) if name.endswith("bytes") else count(value)


def plural(value: int, noun: str) -> str:
    """Return "1 note", "2 notes"."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def figure(name: str, value: float) -> str:
    """Return a figure over runs by its name: shares, recalls, sizes, seconds, counts."""
    if name.startswith("share"):
        return share(value)
    if name.startswith("recall"):
        return recall(value)
    if name.startswith("bytes"):
        return size(round(value))
    if name.startswith("seconds"):
        return duration(value)
    return count(round(value)) if value == round(value) else f"{value:,.4g}"


def language(text: str) -> str:
    """Return "zh" for text with Han characters, so that browsers choose Chinese glyphs, else "" for unknown."""
    return "zh" if _HAN.search(text) else ""
