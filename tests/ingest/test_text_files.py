"""Lines of text files: of any encoding, with any ends, cut anywhere; and the account they are held to."""

from __future__ import annotations

import gzip

import pytest

from uninote.notes.ingest.formats import text_files
from uninote.notes.ingest.formats.line_counts import LineCount, count_lines
from uninote.notes.ingest.formats.text_files import EncodingError, Span, TextSource, lines

UTF8 = TextSource()


def read(path, source=UTF8, **span):
    return [(line.number, line.text) for line in lines(Span(str(path), **span), source)]


def test_lines_end_at_lf_crlf_and_cr(tmp_path):
    (tmp_path / "a").write_bytes(b"one\r\ntwo\nthree\rfour")
    assert read(tmp_path / "a") == [(1, "one\r\n"), (2, "two\n"), (3, "three\r"), (4, "four")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "cp1252"])
def test_byte_order_marks_tell_the_encoding_and_the_setting_tells_it_without(tmp_path, encoding):
    (tmp_path / "a").write_bytes("é\nü\n".encode(encoding))
    named = TextSource(encoding) if encoding in ("utf-16-le", "cp1252") else UTF8
    assert [text for _, text in read(tmp_path / "a", named)] == ["é\n", "ü\n"]
    assert count_lines(Span(str(tmp_path / "a")), named).filled == 2


@pytest.mark.parametrize(("encoding", "setting"), [("cp1252", "utf-8"), ("utf-16-le", "utf-16-be")])
def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path, encoding, setting):
    text = "fine\nfine\n\udc80" if encoding == "utf-16-le" else "fine\nfine\né"
    (tmp_path / "a").write_bytes(text.encode(encoding, "surrogatepass"))
    source = TextSource("utf-16-le" if encoding == "utf-16-le" else setting)
    with pytest.raises(EncodingError, match=r"line 3: the bytes .* --set ingest\.encoding=cp1252"):
        read(tmp_path / "a", source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,title\n".encode("utf-16-le"), r"--set ingest\.encoding=utf-16-le"),
        ("id,title\n".encode("utf-16-be"), r"--set ingest\.encoding=utf-16-be"),
        (gzip.compress(b"id,title\n", mtime=0), r"is no text: .* gzip; name it \.gz"),
        (b"PAR1....", r"name it \.parquet"),
        (b"PK\x03\x04", "unpack it"),
    ],
)
def test_what_begins_as_no_text_does_is_told(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(EncodingError, match=message):
        read(tmp_path / "a")


def test_spans_cut_anywhere_give_each_line_once_and_counts_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "BLOCK", 7)
    content = b"\xef\xbb\xbffirst\n\n  \nlong line of many blocks\r\nlast\r\n\nend"
    path = tmp_path / "a"
    path.write_bytes(content)
    full = [text for _, text in read(path)]
    assert [text.strip() for text in full if text.strip()] == ["first", "long line of many blocks", "last", "end"]
    for size in range(4, len(content)):
        spans = [Span(str(path), start, min(start + size, len(content))) for start in range(0, len(content), size)]
        assert [line.text for span in spans for line in lines(span, UTF8)] == full
        assert sum((count_lines(span, UTF8) for span in spans), LineCount()).filled == 4


def test_compressed_files_are_read_as_what_they_hold(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
    assert [text for _, text in read(tmp_path / "a.gz")] == ["one\n", "two\n"]
    assert count_lines(Span(str(tmp_path / "a.gz")), UTF8).filled == 2


@pytest.mark.parametrize("name", ["a[1]{b}*?#%20", "a\\b`c\nd"])
def test_a_path_is_taken_as_it_is(tmp_path, name):
    (tmp_path / name).write_text("this one")
    (tmp_path / "a1b").write_text("another")
    assert read(tmp_path / name) == [(1, "this one")]
