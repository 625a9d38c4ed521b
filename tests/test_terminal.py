"""Text of unknown origin on a terminal."""

from __future__ import annotations

import io

import pytest

from uninote.terminal import visible, write


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\x00b\x07c\x7f", "a\\x00b\\x07c\\x7f"),
        ("\x9b2J\x85", "\\x9b2J\\x85"),
        ("one\ntwo\rthree\t", "one\\x0atwo\\x0dthree\\x09"),
        ("\u202egnp.exe\u2066x\u2069\u200f\u2028", "\\u202egnp.exe\\u2066x\\u2069\\u200f\\u2028"),
        ("\ud83d", "\\ud83d"),
        ("日本語 😀 e\u0301 👩\u200d🔬 שלום", "日本語 😀 e\u0301 👩\u200d🔬 שלום"),
    ],
)
def test_controls_are_shown_and_text_stays(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_line_breaks_stay_where_they_are_ours():
    assert visible("one\ntwo\x1b", keep="\n") == "one\ntwo\\x1b"


def test_a_stream_of_another_encoding_gets_escapes():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    write(stream, "Süß 日\x1b\n")
    assert stream.buffer.getvalue() == b"S\\xfc\\xdf \\u65e5\\x1b\n"
