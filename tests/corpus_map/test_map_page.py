"""The page of a map in a real browser, and its size."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from browser import Browser
from sample_map import make_map, picture

from uninote.corpus_map.changes import Change, Totals, change_of
from uninote.corpus_map.data import Branch, CorpusMap, TypicalNote
from uninote.corpus_map.page_data import page_data
from uninote.corpus_map.render import render_map

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture
def open_map(browser, tmp_path):
    def open_it(corpus):
        path = tmp_path / "map.html"
        path.write_text(render_map(corpus), encoding="utf-8")
        browser.told.clear()
        browser.open(path)
        return browser

    return open_it


def small_map(hostile: str = "") -> CorpusMap:
    totals = Totals(160, 100)
    latte = Branch(7, 30, ("latte", "拉花"), (TypicalNote("n2", "Latte art at home"),))
    beans = Branch(
        9, 70, ("beans", hostile or "手冲"), (TypicalNote("n3", "Kenyan beans"),), change=change_of(70, 0, totals)
    )
    coffee = Branch(
        12,
        100,
        ("coffee", "咖啡"),
        (TypicalNote("n1", hostile or "巷子里的咖啡店", picture(1)), TypicalNote(hostile or "n9", "A second")),
        degraded=5,
        truncated=20,
        languages=((hostile or "zh", 60),),
        place=(0.1, 0.9),
        change=change_of(100, 20, totals),
        children=(latte, beans),
    )
    cats = Branch(3, 60, ("cat", "猫咪"), place=(0.8, 0.2), truncated=40, change=change_of(60, 80, totals))
    return CorpusMap(
        hostile or "/lake", "4", "cafe", "2026-11-28", 160, 2, (cats, coffee), "Counted from release 3.", 0.4
    )


def focused(browser):
    return browser.run("document.activeElement.dataset.key || document.activeElement.id")


def rows(browser):
    return browser.run("[...document.querySelectorAll('[role=treeitem]')].map(one => one.dataset.key)")


def test_the_tree_is_walked_by_keys_alone(open_map):
    browser = open_map(small_map())
    assert rows(browser) == ["12", "3"]
    browser.run("document.activeElement.blur()")
    for _ in range(3):  # the search box, the order, and then the tree as one stop
        browser.press("Tab")
    assert focused(browser) == "12"
    browser.press("ArrowRight")
    assert rows(browser) == ["12", "12.9", "12.7", "3"]
    assert browser.run("document.querySelector('[data-key=\"12\"]').getAttribute('aria-expanded')") == "true"
    browser.press("ArrowRight")
    assert focused(browser) == "12.9"
    assert "Kenyan beans" in browser.run("document.getElementById('branch').textContent")
    assert "new" in browser.run("document.getElementById('branch').textContent")
    browser.press("End")
    assert focused(browser) == "3"
    browser.press("ArrowUp")
    assert focused(browser) == "12.7"
    browser.press("ArrowLeft")
    browser.press("ArrowLeft")
    assert (focused(browser), rows(browser)) == ("12", ["12", "3"])
    browser.press("ArrowDown")
    assert "66.7 %" in browser.run("document.getElementById('branch').textContent")
    assert browser.run("document.querySelectorAll('[role=treeitem][tabindex=\"0\"]').length") == 1
    assert browser.told == []


def test_search_finds_words_titles_and_codes(open_map):
    browser = open_map(small_map())
    browser.press("/")
    assert focused(browser) == "query"
    for text, hits in (
        ("拉花", ["12.7"]),
        ("巷子里", ["12"]),
        ("b_9", ["12.9"]),
        ("LATTE home", ["12.7"]),
        ("zebra", []),
    ):
        browser.run("document.getElementById('query').select()")
        browser.write(text)
        assert rows(browser) == hits, text
    assert browser.run("document.getElementById('found').textContent") == "0 branches found"
    browser.run("document.getElementById('query').select()")
    browser.write("kenyan")
    browser.press("Enter")
    assert focused(browser) == "12.9"
    browser.press("Escape")
    assert (focused(browser), browser.run("document.getElementById('query').value")) == ("12.9", "")
    assert rows(browser) == ["12", "12.9", "12.7", "3"]
    assert browser.told == []


def test_an_address_names_a_branch_and_another_order_shows_where_it_is_worst(open_map, tmp_path):
    browser = open_map(small_map())
    browser.run("location.hash = '#12.7'")
    browser.run("new Promise(done => setTimeout(done, 50))")
    assert "Latte art at home" in browser.run("document.getElementById('branch').textContent")
    browser.run("document.getElementById('order').value = 'truncated'")
    browser.run("document.getElementById('order').dispatchEvent(new Event('change'))")
    assert rows(browser)[0] == "3"
    browser.run("document.querySelector('#plane circle[data-key=\"12\"]').dispatchEvent(new MouseEvent('click'))")
    assert browser.run("location.hash") == "#12"
    assert browser.run("document.querySelector('#branch img').naturalWidth") == 72
    assert browser.told == []


def test_no_text_of_a_note_becomes_html_or_runs(open_map):
    browser = open_map(small_map(HOSTILE))
    for _ in range(4):
        browser.press("Tab")
    browser.run("document.querySelector('[role=treeitem]').focus()")
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Home"):
        browser.press(key)
    assert HOSTILE in browser.run("document.getElementById('branch').textContent")
    assert browser.run("document.title").startswith("Map of")
    assert browser.run("document.querySelectorAll('script').length") == 2
    assert browser.run("document.querySelectorAll('img:not([src^=\"data:\"])').length") == 0
    assert browser.told == []


def test_nothing_else_may_run_or_be_fetched(open_map):
    browser = open_map(small_map())
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    browser.run("new Promise(done => setTimeout(done, 100))")
    assert browser.run("document.title").startswith("Map of")
    assert any("Content Security Policy" in one for one in browser.told)


def test_items_of_the_tree_have_names_states_and_levels_for_screen_readers(open_map):
    browser = open_map(small_map())
    browser.run("document.querySelector('[role=treeitem]').focus()")
    browser.press("ArrowRight")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    items = [one for one in nodes if one.get("role", {}).get("value") == "treeitem"]
    assert len(items) == 4
    names = [one["name"]["value"] for one in items]
    assert any("coffee" in name and "100" in name for name in names)
    levels = sorted(p["value"]["value"] for one in items for p in one["properties"] if p["name"] == "level")
    assert levels == [1, 1, 2, 2]
    search = [one for one in nodes if one.get("role", {}).get("value") == "searchbox"]
    assert search[0]["name"]["value"].startswith("Search branches")
    unnamed = [
        one for one in nodes if one.get("role", {}).get("value") in ("combobox", "tree") and not one["name"]["value"]
    ]
    assert unnamed == []


def test_a_million_notes_stay_below_two_megabytes_and_answer_at_once(open_map, tmp_path):
    corpus = make_map(256, 256, 1_000_000)
    page = render_map(corpus)
    assert len(page.encode()) < 2_000_000
    browser = open_map(corpus)
    assert len(rows(browser)) == 256
    assert browser.run("document.querySelectorAll('*').length") < 6_000
    script = """(() => {
        const box = document.getElementById('query'), begin = performance.now();
        box.value = 'coffee'; box.dispatchEvent(new Event('input'));
        return performance.now() - begin;
    })()"""
    assert browser.run(script) < 1_000
    assert len(rows(browser)) == 200
    assert browser.told == []


def test_what_is_too_much_for_a_page_is_counted():
    children = tuple(Branch(code, 1 + code, ("<&>" * 30,), (TypicalNote("n", "<" * 200),)) for code in range(70_000))
    corpus = replace(small_map(), branches=(Branch(0, 10**9, children=children), Branch(1, 1)))
    assert len(render_map(corpus).encode()) < 2_000_000
    first, second = page_data(corpus)["children"]
    assert (len(first["notes"]), first["folded"]) == (1 << 16, [4_464, sum(range(1, 4_465))])
    assert first["steps"][:2] == [4_465, 1]
    assert (second["notes"], second["folded"]) == ([], [0, 0])
    assert first["labels"][-1]
    assert not first["labels"][0]


def test_branches_of_the_first_level_are_counted_where_they_are_too_many(open_map):
    branches = tuple(
        Branch(code, 2 + code, ("word",), children=(Branch(7, 2 + code),), place=(0, 1)) for code in range(5_000)
    )
    corpus = replace(small_map(), branches=branches, notes=sum(branch.notes for branch in branches))
    assert len(render_map(corpus).encode()) < 2_000_000
    data = page_data(corpus)
    left, notes = data["folded"]
    assert 0 < left == 5_000 - len(data["branches"])
    assert data["codes"] == list(range(left, 5_000))
    assert notes == sum(2 + code for code in range(left))
    browser = open_map(corpus)
    assert f"{left:,} smaller branches, of {notes:,} notes, are not shown" in browser.run("document.body.innerText")
    assert browser.told == []


def test_changes_without_number_leave_the_page_small():
    change = Change("growing", 5, 1.25)
    children = tuple(Branch(code, 10**7 + code, degraded=999, truncated=9_999, change=change) for code in range(256))
    corpus = replace(small_map(), branches=tuple(Branch(code, 256 * 10**7, children=children) for code in range(256)))
    page = render_map(corpus)
    assert len(page.encode()) < 2_000_000
    data = page_data(corpus)
    marked = sum(len(rows["changes"]) for rows in data["children"])
    assert marked > 1_000
    assert data["unmarked"] == 256 * 256 - marked
    assert f"{data['unmarked']:,} smaller changes of the second level are not marked in the tree" in page
    left_out = sum(rows["folded"][0] for rows in data["children"])
    assert 0 < left_out < 1 << 15


def test_long_texts_are_cut_and_a_branch_without_words_shows_its_note(open_map):
    long = Branch(
        1, 5, ("w" * 500,), (TypicalNote("n", "t" * 9_000),), children=(Branch(0, 5, (), (TypicalNote("m", "标题"),)),)
    )
    corpus = replace(small_map(), branches=(long,), notes=5)
    assert len(re.findall("t{91}", render_map(corpus))) == 0
    browser = open_map(corpus)
    browser.run("document.querySelector('[role=treeitem]').focus()")
    browser.press("ArrowRight")
    assert "(标题)" in browser.run("document.querySelector('[data-key=\"1.0\"]').textContent")


def test_a_map_without_branches_opens(open_map):
    browser = open_map(replace(small_map(), branches=(), notes=0))
    assert rows(browser) == []
    assert browser.told == []
