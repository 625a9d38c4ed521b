import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from sample_report import make_example_note, make_examples, make_histogram, make_judged, make_report

from uninote.evaluation.estimates import Estimate
from uninote.report.data import ExampleNote, ExampleRow, QuarantineReason, Reconciliation, Sample
from uninote.report.figures import FurtherTable, Judged, Trend
from uninote.report.formats import share
from uninote.report.render import render

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{ 7 * 7 }} ]]>--><style>"
VOID = {"meta", "img", "input"}
# Title (twice), lake, reason, sample (twice), table, trend and its run (twice); title, body, topic, category and id of three
# notes.
SHOWN = 2 + 1 + 1 + 2 + 1 + 2 + 3 * 5
EMPTY = {
    "stages": (),
    "reconciliation": None,
    "quarantine": (),
    "recall": None,
    "width_recalls": (),
    "indexes": (),
    "similarity": None,
    "duplicates": None,
    "agreements": (),
    "strengths": (),
    "judged": (),
    "further": (),
    "evaluation": None,
    "examples": (),
    "tables": {},
    "trends": (),
    "ranks": {},
    "sample": None,
}


class Page(HTMLParser):
    """The tags of a page with their attributes, its text, and the tags that were not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.unclosed, self.pieces = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data):
        self.pieces.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.pieces))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def hostile_report():
    note = ExampleNote(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, make_example_note(1).image, 0.5)
    bare = ExampleNote(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, None, None)
    return make_report(
        title=HOSTILE,
        lake=HOSTILE,
        quarantine=(QuarantineReason(HOSTILE, 1, ((HOSTILE, HOSTILE),)),),
        examples=(ExampleRow(bare, (note, bare)),),
        sample=Sample((note,), {HOSTILE: ((HOSTILE, 0.5),)}),
        trends=(Trend(HOSTILE, ((HOSTILE, 1.0),)),),
        tables={HOSTILE: "javascript:alert(3)"},
    )


def test_hostile_text_stays_text():
    page = Page(render(hostile_report()))
    assert page.all("script") == [{"type": "application/json", "id": "browse-data"}, {}]  # both are the page's own
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") for attrs in page.all("img"))
    assert len(page.all("style")) == 1
    assert page.text.count("<script>alert(1)</script>") == SHOWN
    assert "{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize(
    "report", [make_report(), hostile_report(), make_report(**EMPTY)], ids=["full", "hostile", "empty"]
)
def test_every_tag_is_closed_in_order(report):
    page = Page(render(report))
    assert not page.unclosed
    assert not page.open


@pytest.mark.parametrize("character", [chr(0xD83D), chr(0xDCFF), "\x00", "\x1b", "\x9b", "\u202e", "\u2067"])
def test_what_no_file_can_hold_becomes_a_replacement_character(character):
    note = ExampleNote("n1", f"喵{character}呜", character, (character,), character)
    html = render(make_report(examples=(ExampleRow(note, ()),)))
    assert "喵\ufffd呜" in html.encode("utf-8").decode("utf-8")
    assert character not in html


def test_whole_emoji_and_chinese_survive():
    note = ExampleNote("n1", "猫咪🐈 & “quotes”", "")
    assert "猫咪🐈 &amp; “quotes”" in render(make_report(examples=(ExampleRow(note, ()),)))


def test_the_page_asks_for_nothing_from_elsewhere():
    html = render(make_report())
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in {"link", "iframe", "object", "base"}]
    assert not [attrs for attrs in page.all("script") if "src" in attrs]
    assert not [word for word in ("url(", "@import", "http://", "https://") if word in html]
    assert "default-src 'none'" in page.all("meta")[-1]["content"]


def test_only_the_pages_own_script_may_run():
    html = render(make_report())
    own = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in Page(html).all("meta")[-1]["content"]
    bare = Page(render(make_report(sample=None)))
    assert not bare.all("script")
    assert "script-src" not in bare.all("meta")[-1]["content"]


def test_what_the_search_box_reads_is_what_the_notes_say():
    html = render(hostile_report())
    data = json.loads(re.search(r'id="browse-data">(.*?)</script>', html, re.DOTALL)[1])
    assert data == {"notes": {HOSTILE: [HOSTILE, HOSTILE, [HOSTILE], HOSTILE]}, "lists": {HOSTILE: [[HOSTILE, 0.5]]}}
    data = json.loads(re.search(r'id="browse-data">(.*?)</script>', render(make_report()), re.DOTALL)[1])
    assert data["lists"]["n000001"] == [["n000002", 0.91], ["n000009", 0.5]]
    assert data["notes"]["n000001"][2] == ["coffee", "recipe"]


def test_a_sample_stays_small():
    long = ExampleNote("n", "t" * 10_000, "b" * 10_000, ("topic",) * 1_000)
    empty = len(render(make_report(sample=Sample((), {}))))
    assert len(render(make_report(sample=Sample((long,), {"n": ()})))) < empty + 500


def test_trends_show_the_last_figure_and_the_one_before():
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", render(make_report()))
    start = cells.index("share quarantined")
    assert cells[start + 1 : start + 5] == ["0.20 %", "0.10 %", "0.10 %", "0.20 %"]
    start = cells.index("notes")
    assert cells[start + 1 : start + 3] == ["3,000", "–"]


def test_links_lead_to_sections_that_exist():
    for report in (make_report(), make_report(**EMPTY)):
        page = Page(render(report))
        ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
        assert {attrs["href"] for attrs in page.all("a")} <= {f"#{one}" for one in ids}


def test_ids_are_given_once():
    ids = [attrs["id"] for _, attrs in Page(render(make_report())).tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_pictures_have_alternative_texts_and_tables_have_headers():
    page = Page(render(make_report()))
    assert page.all("img")
    assert all(attrs["alt"] for attrs in page.all("img"))
    assert all(attrs["scope"] in {"col", "row"} for attrs in page.all("th"))


def test_headings_never_skip_a_level():
    levels = [int(tag[1]) for tag, _ in Page(render(make_report())).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_empty_sections_are_left_out_or_say_so():
    text = Page(render(make_report(**EMPTY))).text
    for sentence in (
        "no finished stage",
        "Nothing is in quarantine",
        "Recall has not been measured",
        "were not counted",
    ):
        assert sentence in text
    for heading in (
        "Indexes",
        "Similarity",
        "Duplicates",
        "Agreement",
        "Model",
        "Trends",
        "Examples",
        "Browse",
        "Tables",
    ):
        assert heading not in text


def test_the_equation_shows_whether_it_holds():
    assert "3,000 notes in = 97 embedded + 2,897 unchanged + 6 quarantined" in Page(render(make_report())).text
    text = Page(render(make_report(reconciliation=Reconciliation(3000, 97, 2895, 6, 0, 0, 0)))).text
    assert "3,000 notes in ≠ 97 embedded" in text
    assert "2 notes lost" in text
    text = Page(render(make_report(reconciliation=Reconciliation(3000, 98, 2897, 6, 0, 0, 0)))).text
    assert "1 note too many" in text


def test_the_worst_pairs_of_duplicates_are_shown():
    text = Page(render(make_report())).text
    assert "61 notes in 28 groups, of which the largest has 5 notes" in text
    assert "longest chain of duplicates links 9 notes" in text
    assert "0.9950n000007 三步做好番茄牛腩n000003 番茄牛腩 in three steps" in text
    assert "0.9822n000007 三步做好番茄牛腩n000009 <b>stew</b>" in text


def test_what_the_model_did_not_see_is_said():
    text = Page(render(make_report())).text
    assert "a part of the text of 30 notes (1.0 %; 4,100 tokens, of 12 notes estimated from characters)" in text
    assert "and images of 5 notes (0.17 %; 7 images)." in text
    assert "Not seen by the model" not in Page(render(make_report(cuts=None))).text


@pytest.mark.parametrize("step", [0.013, 3e-5, 2e-7])
def test_scores_of_neighbours_can_be_told_apart(step):
    html = render(make_report(examples=make_examples(2, 8, step)))
    scores = re.findall(r'class="score">([^<]+)<', html)
    assert len(scores) == 16
    assert len(set(scores[:8])) == 8


def test_topics_shared_with_the_query_are_marked_and_come_first():
    query = ExampleNote("q", "q", "", ("tea", "杭州"))
    neighbour = ExampleNote("n", "n", "", ("coffee", "tea"), score=0.9)
    html = render(make_report(examples=(ExampleRow(query, (neighbour,)),)))
    assert re.findall(r"<li[^>]*>#([^<]+)</li>", html) == ["tea", "杭州", "tea", "coffee"]
    assert html.count('<li class="shared">#') == 1


def test_chinese_text_is_marked_as_chinese():
    query = ExampleNote("q", "杭州咖啡", "plain words")
    html = render(make_report(examples=(ExampleRow(query, ()),)))
    assert re.search(r'<h3[^>]* lang="zh"[^>]*>杭州咖啡', html)
    assert not re.search(r'lang="zh"[^>]*>(<span>)?plain words', html)


def test_an_encoder_that_finds_everything_alike_is_pointed_out():
    assert "hardly tells notes apart" in render(make_report(similarity=make_histogram(0.9991, 0.9999)))
    assert "hardly tells notes apart" not in render(make_report())


def test_scores_of_the_model_and_agreement_are_shown():
    page = render(make_report())
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", page)
    start = cells.index("image → text")
    assert cells[start + 1 : start + 8] == ["0.5000", "0.6200", "–", "0.0500", "0.0417", "240", "240"]
    start = cells.index("neighbour lists")
    assert cells[start + 1 : start + 5] == ["91.0 %", "80.0 %", "90.0 %", "–"]
    assert "From: column category, which the encoder does not read. 2,984 sampled notes have one." in Page(page).text
    assert "Measured on held-out notes of this lake." in Page(page).text


def test_one_report_always_gives_the_same_page():
    assert render(make_report()) == render(make_report())


def test_the_order_of_notes_is_shown_beside_their_recall():
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", render(make_report()))
    for name, values in (("w64", ["0.2500", "0.3750", "-0.1250"]), ("text only", ["0.1250", "0.5000", "–"])):
        places = [place for place, cell in enumerate(cells) if cell == name]
        assert values in [cells[place + 1 : place + 4] for place in places]


def test_tables_of_other_vectors_are_shown_with_those_that_have_none():
    further = FurtherTable("looks_alike", HOSTILE, 1200, 34, Estimate(0.987, 0.98, 0.993))
    html = render(make_report(further=(further,)))
    assert HOSTILE not in html
    shown = " ".join(Page(html).text.split())
    assert f"looks_alike{HOSTILE} 1,200 34 0.9870 0.9800 to 0.9930" in shown


def test_what_was_judged_is_shown_with_its_intervals_and_a_diagram():
    judged = make_judged()
    html = render(make_report(judged=(judged, Judged(HOSTILE, "clicks", 12, None))))
    page = Page(html)
    assert HOSTILE not in html
    assert len([one for one in page.all("circle") if one.get("class") == "dot" and one["r"] == "5"]) == 10
    quality = judged.quality
    assert f"Calibration error {quality.error:.3f}; a perfect map would show {quality.perfect_error:.3f}" in page.text
    assert share(quality.by_cosine[0].precision) in page.text
    assert "12 judged pairs are in the lists; figures take 300 of both kinds" in page.text
