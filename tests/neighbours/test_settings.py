"""Settings of the kernel: what a recall asks for, what is refused, and the memory that they take."""

from __future__ import annotations

import pytest

from uninote.neighbours.kernel.settings import Settings, SettingsError, needed_bytes, settings_for


def test_the_recall_asked_for_and_k_make_the_settings():
    asked = [settings_for(100_000, 20, recall).recall for recall in (0.9, 0.95, 0.98, 0.99, 0.999, 1)]
    assert asked[:5] == [0.9, 0.95, 0.98, 0.99, 0.999]
    assert asked[4] < asked[5] < 1  # of 1 a sample could never be sure
    assert [settings_for(100_000, k, 0.98).length for k in (1, 4, 5, 20, 21, 100)] == [8, 8, 16, 24, 32, 104]
    assert settings_for(1000, 20, 0.98).leaf_rows == 1000


def test_entries_past_k_are_its_spare_ones():
    plain, more, many = (settings_for(100_000, 20, 0.98, depth) for depth in (None, 24, 40))
    assert [(one.length, one.depth) for one in (plain, more, many)] == [(24, 20), (24, 24), (40, 40)]
    assert plain.around == many.around


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"assignments": 0}, "assignments is 0; it must be at least 1"),
        ({"leaf_rows": 1}, "leaf_rows is 1"),
        ({"fan": 0}, "fan is 0"),
        ({"fan": 257}, "fan 257"),
        ({"rounds": -1}, "rounds is -1"),
        ({"forward": 0}, "forward is 0"),
        ({"around": 1}, "around is 1"),
        ({"length": 20}, "length is 20"),
        ({"recall": 0}, "recall 0"),
        ({"recall": 1.1}, "recall 1.1"),
    ],
)
def test_settings_that_would_leave_no_room_are_refused(wrong, named):
    with pytest.raises(SettingsError, match=named):
        Settings(**{"assignments": 1, "leaf_rows": 100} | wrong)


def test_memory_grows_with_rows_width_and_k():
    plain = needed_bytes(100_000, 128, 20, settings_for(100_000, 20, 0.98))
    assert plain > 100_000 * (2 * 128 + 8 * 24)
    assert needed_bytes(200_000, 128, 20, settings_for(200_000, 20, 0.98)) == pytest.approx(2 * plain, rel=0.1)
    assert needed_bytes(100_000, 256, 20, settings_for(100_000, 20, 0.98)) > plain + 100_000 * 256
    assert needed_bytes(100_000, 128, 100, settings_for(100_000, 100, 0.98)) > plain + 100_000 * 640
