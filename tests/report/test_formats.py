import math

import pytest

from uninote.report import formats


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (412_160, "402 KiB"),
        (1024**3 * 7 // 2, "3.5 GiB"),
        (5000 * 1024**5, "5,000 PiB"),
    ],
)
def test_sizes_use_the_unit_that_keeps_them_short(num_bytes, text):
    assert formats.size(num_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.416, "0.42 s"),
        (9.997, "10.0 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min 00 s"),
        (193.2, "3 min 13 s"),
        (3599.7, "1 h 00 min"),
        (7265, "2 h 01 min"),
    ],
)
def test_durations_never_read_sixty_of_a_unit(seconds, text):
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 %"),
        (1e-6, "< 0.01 %"),
        (0.002, "0.20 %"),
        (0.1234, "12.3 %"),
        (0.999999, "99.99 %"),
        (1.0, "100 %"),
    ],
)
def test_shares_read_as_nothing_or_everything_only_when_they_are(value, text):
    assert formats.share(value) == text


def test_a_recall_below_its_target_never_reads_like_the_target():
    assert formats.recall(0.949999) == "0.9499"
    assert formats.recall(0.95) == "0.9500"
    assert formats.recall(0.99999) == "0.9999"
    assert formats.recall(math.nan) == "not a number"


def test_every_four_digit_recall_reads_as_itself():
    assert all(formats.recall(n / 10_000) == f"{n / 10_000:.4f}" for n in range(10_001))


@pytest.mark.parametrize("step", [0.3, 0.02, 5e-4, 1e-5, 2e-7])
def test_digits_tell_values_one_step_apart(step):
    digits = formats.digits_for(step)
    assert f"{0.5:.{digits}f}" != f"{0.5 + step:.{digits}f}"
    assert digits <= formats.MAX_DIGITS


def test_counts_named_bytes_read_as_sizes_and_others_as_counts():
    assert formats.amount("index_bytes", 2048) == "2.0 KiB"
    assert formats.amount("rows", 2048) == "2,048"


def test_only_text_with_han_characters_is_called_chinese():
    assert formats.language("在杭州 coffee") == "zh"
    assert formats.language("coffee, naïve ☕") == ""
