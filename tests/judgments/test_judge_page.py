"""The page that asks for pairs, in a real browser: what it shows, which keys it takes, what it saves."""

from __future__ import annotations

import json
import time

import pytest
from browser import Browser
from builders import make_image
from judged_lake import NOTES, make_lake

import uninote
from uninote.cli.command import main as command
from uninote.judgments.drawing import draw
from uninote.judgments.stored import read_judgments
from uninote.lake.takedowns.watch import Taken

COUNT = 12
IDS = [9_007_199_254_740_993 + number for number in range(NOTES)]  # beyond a browser's numbers
BODY = '</script><script>document.title = "run"</script><img src=x onerror="document.title = 1">'


@pytest.fixture
def browser(tmp_path):
    folder = tmp_path / "browser"
    folder.mkdir()
    opened = Browser(folder)
    opened.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def lake(tmp_path):
    make_image(tmp_path / "media" / "red.png")
    fields = {
        "title": "<b>bold</b> & \u202edone",
        "body": BODY,
        "images": [{"uri": "red.png"}],
        "topics": ["<i>food</i>"],
    }
    make_lake(tmp_path / "lake", IDS, dict.fromkeys(IDS, fields), tmp_path / "media")
    return str(tmp_path / "lake")


def wait_for(is_so):
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def press(browser, keys):
    for key in keys:
        browser.press(key)


def count_of_reopened(browser, path):
    browser.open(path)
    return browser.run("document.getElementById('count').textContent")


def page(lake, path, capsys):
    asked = ("judge", "--lake", lake, "--page", str(path), "--count", str(COUNT), "--judge", "Ann", "--json")
    assert command(asked) == 0
    return json.loads(capsys.readouterr().out)


def test_a_person_answers_with_keys_goes_on_later_and_saves_what_is_imported(lake, browser, tmp_path, capsys):
    written = page(lake, tmp_path / "judge.html", capsys)
    assert written["pairs"] == COUNT
    pairs = draw(*uninote.open_release(lake).tables["neighbours"], COUNT, 0, Taken())
    browser.open(tmp_path / "judge.html")

    # A hostile note is text, and its picture is one.
    assert browser.run("document.title") == "Is it relevant? neighbours"
    assert browser.run("document.querySelector('#a h2').textContent") == "<b>bold</b> & \ufffddone"
    assert browser.run("document.querySelector('#a p').textContent") == BODY
    assert browser.run("document.querySelectorAll('article b, article i, article script').length") == 0
    wait_for(lambda: browser.run("document.querySelector('#a img').naturalWidth > 0"))
    ids = [f"document.querySelector('#{side} p:last-child').textContent" for side in "ab"]
    shown = " + ' ' + ".join(ids)
    assert browser.run(shown) == f"{pairs[0].a} {pairs[0].b}"

    browser.press("y")
    assert browser.run(shown) == f"{pairs[1].a} {pairs[1].b}"
    press(browser, "nnu")
    assert browser.run("document.getElementById('count').textContent") == f"2 of {COUNT}"
    press(browser, "sx")
    # Loaded again, it goes on where it was. A browser hands what a page stored to the next page's process a moment later.
    wait_for(lambda: count_of_reopened(browser, tmp_path / "judge.html") == f"3 of {COUNT}")
    browser.run("document.getElementById('yes').click()")
    press(browser, "Y" + "n" * (COUNT - 5))
    assert browser.run("document.getElementById('done').hidden && document.getElementById('pair').hidden") is False
    assert browser.run("document.getElementById('pair').hidden")
    browser.press("n")
    assert browser.run("document.getElementById('count').textContent") == f"{COUNT} of {COUNT}"
    browser.run("document.getElementById('save').click()")
    saved = tmp_path / written["saves"]
    wait_for(saved.exists)
    assert not browser.told

    assert command(["judge", "--import", str(saved), "--lake", lake, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["added"], found["skipped"]) == (COUNT - 1, 1)
    rows = read_judgments(lake).to_pylist()
    relevant = [True, False, None, True, True, *[False] * (COUNT - 5)]
    answered = [(one.a, one.b, said, one.probability) for one, said in zip(pairs, relevant, strict=True)]
    stored = [(row["a"], row["b"], row["relevant"], row["probability"]) for row in rows]
    assert stored == [one for one in answered if one[2] is not None]
    assert {row["judge"] for row in rows} == {"Ann"}
    assert page(lake, tmp_path / "again.html", capsys)["pairs"] == 1


def test_the_page_asks_nobody_for_anything(lake, tmp_path, capsys):
    page(lake, tmp_path / "judge.html", capsys)
    text = (tmp_path / "judge.html").read_text(encoding="utf-8")
    assert "default-src 'none'; img-src data:" in text
    assert "http" not in text.replace("http-equiv", "")
    assert str(tmp_path) not in text
