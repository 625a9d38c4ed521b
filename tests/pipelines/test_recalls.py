"""Recalls under the names that the ledger has for them, and rules as the join obeys them; no Spark."""

from __future__ import annotations

from uninote.config.sections.neighbours import RuleConfig
from uninote.evaluation.estimates import Estimate
from uninote.neighbours.by_rule.attributes import Attribute, attributes_of
from uninote.neighbours.by_rule.rules import Rule
from uninote.pipelines.neighbours.planning.attributes import rule_of
from uninote.pipelines.neighbours.recall import Recalls

STORED = {
    "recall_sample": 500.0,
    "recall_at_k": 0.99,
    "recall_low_at_k": 0.985,
    "recall_high_at_k": 0.994,
    "recall_w64": 1.0,
    "recall_w16": 0.8,
    "recall_of_w16": 0.97,  # a table may be named like anything
    "recall_of_same_category": 0.96,
    "recall_low_of_same_category": 0.95,
    "recall_high_of_same_category": 0.97,
}


def test_recalls_come_back_from_the_ledger_as_numbers():
    others = {"hub_skewness_spread": 0.2, "hub_skewness_spread_before": 1.5}
    recalls = Recalls.of(STORED | others)
    lists = Estimate(0.99, 0.985, 0.994)
    by_rule = {"w16": Estimate(0.97), "same_category": Estimate(0.96, 0.95, 0.97)}
    assert recalls == Recalls(500, lists, by_rule, {64: Estimate(1.0), 16: Estimate(0.8)})
    assert recalls.by_table == {"neighbours": lists, **by_rule}
    assert recalls.metrics() == STORED


def test_freshness_is_one_more_attribute_with_one_allowed_value():
    month = RuleConfig(fresh_days=30, only={"language": ["zh", "en"]}, duplicates="exclude")
    assert rule_of(month, 0.99) == Rule(only=(("language", ("zh", "en")), ("fresh_30", ("yes",))), max_score=0.99)
    week = RuleConfig(fresh_days=7, same=("category",))
    assert rule_of(week, 0.99) == Rule(same=("category",), only=(("fresh_7", ("yes",)),))
    assert attributes_of([month, week, month, RuleConfig()]) == (
        Attribute("category"),
        Attribute("fresh_30", 30),
        Attribute("fresh_7", 7),
        Attribute("language"),
    )
