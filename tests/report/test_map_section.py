"""The map's section of the report: branches, changes, and texts that stay texts."""

from __future__ import annotations

from dataclasses import replace

from sample_report import make_report

from uninote.corpus_map.changes import Totals, change_of
from uninote.corpus_map.data import Branch, CorpusMap, TypicalNote
from uninote.report.render import render

HOSTILE = "<script>alert(1)</script>"


def made(branches, compared="Compared with release 3."):
    notes = sum(one.notes for one in branches)
    return CorpusMap("/lake", "4", "1 (cafe)", "2026-11-28", notes, 2, tuple(branches), compared)


def test_the_report_shows_the_largest_branches_and_what_changed():
    totals = Totals(1_000, 1_000)
    steady = change_of(50, 50, totals)
    branches = [Branch(code, 10 + code, (f"word{code}",), change=steady) for code in range(30)]
    branches[7] = Branch(7, 300, ("咖啡",), (TypicalNote("n", HOSTILE),), 30, 60, change=change_of(300, 0, totals))
    page = render(replace(make_report(), map=made(branches)))
    section = page.partition('<section id="map">')[2].partition("</section>")[0]
    assert '<a href="#map">Map</a>' in page
    assert 'href="map.html"' in section
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in section
    assert "word29" in section
    assert "word5<" not in section  # the 20 largest are shown
    assert section.index("咖啡") < section.index("word29")
    assert "10.0 %" in section
    assert "20.0 %" in section
    assert section.count(">new<") == 1
    assert "The 20 largest of 30 branches." in section


def test_a_map_of_one_lake_s_first_night_says_that_nothing_can_be_compared():
    page = render(replace(make_report(), map=made([Branch(0, 5)], "There is no release to compare with.")))
    assert "There is no release to compare with." in page
    assert "No branch changed enough to tell." in page


def test_a_report_without_codes_has_no_section():
    assert '<section id="map">' not in render(make_report())
