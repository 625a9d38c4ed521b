"""A report like a night's run over a bilingual corpus would give, with drawn pictures."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from uninote.confidence.fitting import measure
from uninote.confidence.judged_pairs import JudgedPairs
from uninote.evaluation.agreement import Shares
from uninote.evaluation.estimates import Estimate
from uninote.report.data import (
    Cuts,
    ExampleNote,
    ExampleRow,
    QuarantineReason,
    Reconciliation,
    Report,
    Sample,
    StageRow,
)
from uninote.report.figures import (
    Agreement,
    DuplicatePair,
    Duplicates,
    Evaluation,
    Histogram,
    IndexRow,
    Judged,
    OrderScores,
    Recall,
    StrategyScores,
    StrengthCut,
    Trend,
    WidthRecall,
)
from uninote.report.thumbnails import thumbnail

LAKE = "/data/notes/lake"
GENERATION = "qwen3vl-3f9c2a7be1d04458"
TEXTS = (
    (
        "周末在杭州喝了一家藏在巷子里的咖啡店",
        "手冲豆子是埃塞俄比亚的，酸度很干净，老板会问你喜欢什么味道。",
        ("咖啡", "探店", "杭州"),
        "美食",
    ),
    (
        "My favourite filter recipe for light roasts",
        "15 g in, 250 g out, 94 °C. Bloom for 40 s.",
        ("coffee", "recipe"),
        "food",
    ),
    (
        "三步做好番茄牛腩",
        "牛腩先焯水，番茄炒出沙再加热水，小火炖一个半小时，最后十分钟放盐。",
        ("家常菜", "番茄牛腩"),
        "美食",
    ),
    (
        "Two days of autumn colours in Kyoto",
        "Tofuku-ji at opening time, then the canal.",
        ("kyoto", "travel"),
        "travel",
    ),
    ("大理骑行环洱海攻略｜一天一圈", "早上七点从才村出发，逆时针，风会小很多。", ("大理", "骑行"), "旅行"),
    ("", "Does anybody else's tabby sleep in the sink all summer?", ("cat",), "pets"),
    ("猫咪换粮的七天过渡表", "第一天旧粮九成新粮一成，观察便便，慢慢加。", ("猫", "养宠"), "宠物"),
    (
        "Beginner's bouldering: shoes, chalk, falling",
        "Rent the shoes for the first five sessions.",
        ("climbing",),
        "sport",
    ),
)
SHADES = ("#c96f4a", "#5b8e7d", "#3f6c9b", "#d9a441", "#8a5a83", "#6d8b3c", "#b5544f", "#4a7f8c")


def make_picture(number: int) -> Image.Image:
    """Draw hills under a sun, portrait or landscape, different for every number."""
    rng = random.Random(number)
    width, height = rng.choice(((640, 480), (480, 640), (500, 500)))
    canvas = Image.new("RGB", (width, height), "#f0e6d2")
    draw = ImageDraw.Draw(canvas)
    x, y, radius = rng.randrange(width), rng.randrange(height // 2), rng.randrange(30, 110)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rng.choice(SHADES))
    for layer in range(3):
        base, swing, phase = height * (0.5 + layer * 0.17), rng.uniform(15, 60), rng.uniform(0, 6)
        ridge = [(x, base + swing * math.sin(x / width * 5 + phase)) for x in range(0, width + 1, 8)]
        draw.polygon([*ridge, (width, height), (0, height)], fill=SHADES[(number + layer) % len(SHADES)])
    return canvas


def make_example_note(number: int, score: float | None = None) -> ExampleNote:
    """Return a note with a picture, every fifth without."""
    title, body, topics, category = TEXTS[number % len(TEXTS)]
    image = thumbnail(make_picture(number)) if number % 5 else None
    return ExampleNote(f"n{number:06d}", title, body, topics, category, image, score)


def make_examples(queries: int = 8, neighbours: int = 8, step: float = 0.013) -> tuple[ExampleRow, ...]:
    """Return queries whose neighbours' scores fall by `step`."""
    return tuple(
        ExampleRow(
            make_example_note(query),
            tuple(make_example_note(query + 8 * n + n // 3, 0.9731 - step * n) for n in range(1, neighbours + 1)),
        )
        for query in range(1, queries + 1)
    )


def make_histogram(low: float = 0.41, high: float = 0.99, bins: int = 30, notes: int = 2994) -> Histogram:
    """Return a lopsided hill."""
    weights = [((n + 0.5) / bins) ** 4 * (1 - (n + 0.5) / bins) for n in range(bins)]
    counts = [round(notes * weight / sum(weights)) for weight in weights]
    edges = tuple(low + (high - low) / bins * n for n in range(bins + 1))
    return Histogram(edges, (counts[0], *counts[1:]))


def make_stages() -> tuple[StageRow, ...]:
    """Return a whole run's stages."""
    return (
        StageRow(
            "ingest", "done", 6.43, {"rows_in": 3003, "inserted": 40, "updated": 57, "deleted": 12, "quarantined": 3}
        ),
        StageRow("embed", "done", 193.2, {"notes_in": 3000, "embedded": 97, "unchanged": 2897, "quarantined": 6}),
        StageRow("index w256", "unchanged", 20.41, {"rows": 2994, "bytes": 412_160}, "2026-03-13 04:11:48 UTC", False),
        StageRow("index w64", "done", 4.07, {"rows": 2994, "nlist": 64, "bytes": 161_792}),
        StageRow("neighbours", "done", 11.9, {"notes": 2994, "k": 20, "width": 256}),
    )


def make_quarantine() -> tuple[QuarantineReason, ...]:
    """Return reasons as broken images and empty notes give them."""
    return (
        QuarantineReason(
            "media_undecodable",
            9,
            (
                ("n000731#image/1", "images/n000731_x.jpg: the file is cut off after 8,192 of 16,411 bytes"),
                ("n001204#image/0", "images/n001204_x.jpg: not a picture; it starts with 'this is not a picture'"),
            ),
        ),
        QuarantineReason("media_missing", 3, (("n000044#image/2", "images/n000044_x.jpg: no such file"),)),
        QuarantineReason("note_empty", 3, (("n002210", "no title, no body, no topics and no image"),)),
    )


def make_indexes() -> tuple[IndexRow, ...]:
    """Return the indexes of two widths."""
    return (
        IndexRow(256, 2994, 64, 4, 2, 412_160, 16, Estimate(0.9604, 0.953, 0.9667), 0.9, 20),
        IndexRow(64, 2994, 64, 4, 2, 161_792, 16, Estimate(0.9312), 0.9, 20),
    )


def make_sample() -> Sample:
    """Return two notes that are each other's neighbours; one has another neighbour that was deleted since."""
    notes = (make_example_note(1), make_example_note(2))
    return Sample(notes, {"n000001": (("n000002", 0.91), ("n000009", 0.5)), "n000002": (("n000001", 0.91),)})


def make_agreement() -> Agreement:
    """Return the shares of a label that an encoder did not read."""
    shares = {
        "neighbour lists": Shares(0.91, 0.8, 0.9, None),
        "TF-IDF, in the sample": Shares(0.7, 0.5, 0.69, 0.3),
        "chance, in the sample": Shares(0.1, 0.1, 0.1, 0.1),
    }
    return Agreement("category", "column category, which the encoder does not read", 2984, shares)


def make_duplicates() -> Duplicates:
    """Return groups whose worst pairs a person should look at."""
    accepted = (DuplicatePair(0.99503, "n000007", "三步做好番茄牛腩", "n000003", "番茄牛腩 in three steps"),)
    apart = (DuplicatePair(0.98217, "n000007", "三步做好番茄牛腩", "n000009", "<b>stew</b>"),)
    return Duplicates(0.995, 61, 28, 5, 9, accepted, apart)


def make_judged():
    """What 400 pairs say, drawn so that a map of them is about right."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((400, 4))
    shares = (rng.random(400) < 1 / (1 + np.exp(-2 * features[:, 0]))).astype(float)
    pairs = JudgedPairs(np.arange(400) // 2, features, shares, np.ones(400), 1 + np.arange(400) % 20)
    return Judged("neighbours", "editors", 400, measure(pairs))


def make_report(**fields: object) -> Report:
    """Return a sound run's report, with `fields` in place of its own."""
    report = Report(
        title="UniNote",
        lake=LAKE,
        generation=GENERATION,
        created_at="2026-03-14 04:12:09 UTC",
        config_hash="9d1c0f4ab2e77310",
        stages=make_stages(),
        reconciliation=Reconciliation(3000, 97, 2897, 6, 12, 15, 2994),
        quarantine=make_quarantine(),
        recall=Recall(20, 500, Estimate(0.98745, 0.984, 0.9902), 0.95, {"similar_other_author": Estimate(0.9712)}),
        width_recalls=(WidthRecall(256, 1.0), WidthRecall(128, 0.9411), WidthRecall(64, 0.8127)),
        indexes=make_indexes(),
        similarity=make_histogram(),
        examples=make_examples(2, 3),
        tables={"notes": f"{LAKE}/notes", "neighbours": f"{LAKE}/{GENERATION}/neighbours"},
        k=20,
        agreements=(make_agreement(),),
        judged=(make_judged(), Judged("other_author", "clicks", 12, None)),
        strengths=(StrengthCut(0, 1.0, 0.0, {"category": 0.8}), StrengthCut(8, 0.037, 0.61, {})),
        evaluation=Evaluation(
            (64, 256),
            ("text_only", "start"),
            (StrategyScores("image_to_text", 240, 240, 0.0417, (0.5, 0.62), (None, 0.05)),),
            "held-out notes of this lake",
            (OrderScores("w64", 0.25, 0.375, -0.125), OrderScores("text_only", 0.125, 0.5, None)),
        ),
        trends=(
            Trend("share quarantined", (("2026-03-13", 0.001), ("2026-03-14", 0.002))),
            Trend("notes", (("2026-03-14", 3000),)),
        ),
        ranks={1: make_histogram(), 5: make_histogram(0.41, 0.99)},
        sample=make_sample(),
        duplicates=make_duplicates(),
        cuts=Cuts(30, 4100, 12, 5, 7, 0, 0.01002, 0.00167),
        run_id="20260314T040811-0c12fe",
        run_seconds=209.0,
    )
    return replace(report, **fields)  # type: ignore[arg-type]
