"""What a topic consists of, and the words that notes of every topic share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """A topic in one language: its name, its keywords (also its hashtags) and sentences with slots to fill."""

    name: str
    keywords: tuple[str, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A latent topic. `signs` are the Latin words that may be written in its pictures."""

    key: str
    category: str
    subjects: tuple[str, ...]
    signs: tuple[str, ...]
    zh: Words
    en: Words

    def words(self, language: str) -> Words:
        """Return the words of "zh" or "en"."""
        return self.zh if language == "zh" else self.en


def words(name: str, keywords: str, *facts: str) -> Words:
    """Build a topic's words; keywords are separated by commas."""
    return Words(name, tuple(keywords.split(",")), facts)


PLACES = {
    "zh": [
        "上海",
        "成都",
        "杭州",
        "广州",
        "北京",
        "厦门",
        "大理",
        "青岛",
        "西安",
        "长沙",
        "苏州",
        "重庆",
        "南京",
        "昆明",
    ],
    "en": [
        "Lisbon",
        "Kyoto",
        "Berlin",
        "Melbourne",
        "Seoul",
        "Austin",
        "Porto",
        "Vancouver",
        "Dublin",
        "Oslo",
        "Taipei",
        "Bristol",
        "Chicago",
        "Ghent",
    ],
}
DAYS = {
    "zh": ["周一", "周三", "周五", "周六", "周日", "昨晚", "今早", "上周末", "国庆假期", "下班后"],
    "en": [
        "on Monday",
        "on Wednesday",
        "on Friday",
        "on Saturday",
        "on Sunday",
        "last night",
        "this morning",
        "last weekend",
        "on my day off",
        "after work",
    ],
}
FRIENDS = {
    "zh": ["闺蜜", "室友", "同事", "爸妈", "男朋友", "妹妹", "老同学", "邻居阿姨", "表哥"],
    "en": [
        "my sister",
        "my flatmate",
        "a colleague",
        "my parents",
        "an old friend",
        "my neighbour",
        "my cousin",
        "my partner",
    ],
}

TITLES = {
    "zh": (
        "{place}{kw}｜{item}也太好看了吧",
        "{n}个{name}小经验，新手必看",
        "{day}的{name}日记",
        "关于{kw}，我踩过的{n}个坑",
        "被问了{n}次的{item}，今天统一回复",
        "{name}｜和{friend}的{n}小时",
        "只花{price}元，搞定{kw}",
        "{item}真的值得买吗？",
        "{place}{name}攻略，收藏这一篇就够",
        "我的{item}到啦！",
        "{kw}入门第{n}天",
        "为了{item}，我跑了一趟{place}",
    ),
    "en": (
        "{kw}: {n} things I wish I knew",
        "My {item}, finally",
        "A {name} diary from {place}",
        "{n} notes on {kw} for beginners",
        "Is this {item} worth {price} dollars?",
        "{name} with {friend}",
        "What {n} weeks of {name} taught me",
        "The {item} everyone asks about",
        "{place} on a budget: {kw}",
        "Small guide to {kw}",
        "Found {a_item} in {place}",
        "Day {n} of {name}",
    ),
}
OPENINGS = {
    "zh": (
        "{day}和{friend}一起去了{place}，主要是为了{name}。",
        "先说结论：这{item}真的值得。",
        "最近迷上了{kw}，每天都要花{n}0分钟。",
        "很多姐妹问我{item}在哪里买的，今天来说说。",
        "图里就是我的{item}，花了{price}元。",
        "坚持{name}第{n}个月，来交作业啦。",
        "在{place}住了{n}年，终于遇到也爱{kw}的人。",
        "{friend}送了我一份惊喜：{item}！",
    ),
    "en": (
        "I went to {place} with {friend}, mostly for {name}.",
        "Short version: the {item} is worth it.",
        "Lately I spend {n}0 minutes a day on {kw}.",
        "Several people asked where the {item} comes from.",
        "The {item} in the picture cost me {price} dollars.",
        "Month {n} of {name}, time for a report.",
        "After {n} years in {place} I met people who care about {kw}.",
        "A surprise from {friend}: {a_item}!",
        "Took these notes {day}, with {kw} still in my head.",
    ),
}
CLOSINGS = {
    "zh": (
        "总体打分{n}分，满分十分。",
        "有问题评论区见～",
        "{place}的朋友可以去试试，记得避开{day}。",
        "价格{price}元左右，真的不算贵。",
        "下次想和{friend}再来一次。",
        "喜欢{kw}的朋友一起交流呀。",
        "这{item}我会一直用下去。",
        "非广告，自己花钱买的，放心看。",
    ),
    "en": (
        "I would give it {n} out of ten.",
        "Ask me anything in the comments.",
        "If you are in {place}, go there, but not on a holiday.",
        "About {price} dollars in total, which is fair.",
        "Next time I will bring {friend}.",
        "Tell me about your {kw}, please.",
        "I am keeping the {item} for good.",
        "Not an ad, I really paid for it myself.",
    ),
}
