"""The page `map.html`: one file without a server, in which no text of a note becomes HTML or runs."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment
from markupsafe import Markup

from uninote.codes.printing import print_codes
from uninote.corpus_map.data import CorpusMap
from uninote.corpus_map.page_data import label_text, page_data
from uninote.page_text import clean, digest_of_script, json_for_page, page_templates

LISTED = 100  # changes that the page lists, and branches where there is no script


def render_map(corpus: CorpusMap) -> str:
    """Return the map as one HTML page of less than two megabytes, writable as UTF-8 whatever the notes hold."""
    changes = list(corpus.changed())
    data = page_data(corpus)
    page = (
        _environment()
        .get_template("map.html")
        .render(
            map=corpus,
            second=sum(len(branch.children) for branch in corpus.branches),
            changes=changes[:LISTED],
            largest=sorted(corpus.branches, key=lambda branch: (-branch.notes, branch.code))[:LISTED],
            all_changes=len(changes),
            unmarked=data["unmarked"],
            data=json_for_page(data),
            script=script(),
            digest=digest_of_script(script()),
        )
    )
    return clean(page)


@cache
def script() -> Markup:
    """Return the page's own script: it reads the data and makes text of it, never HTML."""
    return Markup((files("uninote.corpus_map") / "page" / "map.js").read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    environment = page_templates("uninote.corpus_map")
    environment.filters |= {"count": lambda value: f"{value:,}", "share": _share, "times": times, "label": label_text}
    environment.globals["prefix"] = branch_name
    return environment


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def times(effect: float) -> str:
    """Return the ratio of shares that an effect is the logarithm of, as people read it."""
    return f"× {2**effect:.1f}" if effect >= 0 else f"÷ {2**-effect:.1f}"


def branch_name(codes: tuple[int, ...]) -> str:
    """Return the codes of a branch as tokenizers have them."""
    return print_codes(codes)
