"""Topics of the open air: journeys, sport."""

from __future__ import annotations

from uninote.demo.words import Topic, words

TRAVEL = (
    Topic(
        "hiking",
        "travel",
        ("mountain",),
        ("SUMMIT", "TRAIL 6", "3200 M"),
        words(
            "徒步登山",
            "徒步,登山,日出,山脊线,轻装备",
            "凌晨{n}点出发，正好赶上日出。",
            "爬升1{n}00米，膝盖要戴护具。",
            "山顶风很大，一定带件冲锋衣。",
        ),
        words(
            "mountain hiking",
            "day hike,summit,sunrise,ridge walk,light pack",
            "We left at {n} in the morning to catch the sunrise.",
            "It climbs 1{n}00 metres, so bring poles.",
            "The wind at the top is fierce: pack a shell.",
        ),
    ),
    Topic(
        "seaside",
        "travel",
        ("sailboat", "lighthouse"),
        ("BEACH", "HARBOR", "PIER 39"),
        words(
            "海边旅行",
            "海岛,帆船,灯塔,日落,赶海",
            "傍晚{n}点的码头，光线最好。",
            "租船出海{n}个小时，一共{price}元。",
            "退潮时可以一直走到灯塔脚下。",
        ),
        words(
            "seaside trips",
            "island,sailing,lighthouse walk,sunset,harbour",
            "The pier is at its best at {n} in the evening.",
            "{n} hours of sailing cost {price} dollars.",
            "At low tide you can walk right up to the lighthouse.",
        ),
    ),
    Topic(
        "camping",
        "travel",
        ("tent",),
        ("CAMP", "CAMP 21", "FIRE"),
        words(
            "露营过夜",
            "露营,帐篷,天幕,篝火,星空",
            "帐篷{n}分钟就能搭好，一个人也可以。",
            "营地有热水，一晚{price}元。",
            "半夜降到{n}度，睡袋要买厚的。",
        ),
        words(
            "overnight camping",
            "tent,tarp,campfire,stars,sleeping bag",
            "The tent goes up in {n} minutes, even alone.",
            "The site has hot water and costs {price} dollars a night.",
            "It fell to {n} degrees, so take the thick sleeping bag.",
        ),
    ),
    Topic(
        "city",
        "travel",
        ("tower",),
        ("METRO", "CITY WALK", "EXIT 4"),
        words(
            "城市漫步",
            "城市漫步,天际线,夜景,老街,地铁",
            "从地铁{n}号口出来，一路走到江边。",
            "观景台门票{price}元，八点亮灯。",
            "老街和高楼只隔一条马路。",
        ),
        words(
            "city walks",
            "skyline,night view,old streets,metro,rooftop",
            "Leave the metro at exit {n} and walk to the river.",
            "The viewing deck is {price} dollars; the lights go on at eight.",
            "Old lanes and glass blocks share one street.",
        ),
    ),
)

FITNESS = (
    Topic(
        "running",
        "fitness",
        ("shoe",),
        ("RUN", "10 KM", "FINISH"),
        words(
            "跑步训练",
            "跑步,半马,配速,晨跑,缓震",
            "今天{n}公里，配速六分半。",
            "鞋子跑了{n}00公里，后跟还没磨平。",
            "间歇跑一周一次就够了。",
        ),
        words(
            "run training",
            "half marathon,pace,morning run,intervals,cushioning",
            "{n} kilometres today at an easy pace.",
            "The soles have {n}00 kilometres on them and still hold.",
            "One interval session a week is enough.",
        ),
    ),
    Topic(
        "weights",
        "fitness",
        ("dumbbell",),
        ("GYM", "20 KG", "NO PAIN"),
        words(
            "力量训练",
            "哑铃,深蹲,增肌,健身房,蛋白质",
            "每个动作{n}组，每组十二个。",
            "从五公斤开始，{n}周加一次重量。",
            "练完半小时内吃够蛋白质。",
        ),
        words(
            "strength training",
            "free weights,squats,muscle,gym,protein",
            "{n} sets of twelve for every exercise.",
            "Start with five kilos and add weight after {n} weeks.",
            "Eat enough protein within the half hour.",
        ),
    ),
    Topic(
        "football",
        "fitness",
        ("ball",),
        ("GOAL", "TEAM B", "2 - 1"),
        words(
            "业余足球",
            "足球,五人制,球队,射门,绿茵场",
            "下半场进了{n}个球，逆转取胜。",
            "场地费每人{n}0元，晚上有灯。",
            "赛前热身十五分钟，少受伤。",
        ),
        words(
            "amateur football",
            "five-a-side,team,goal,pitch,match day",
            "{n} goals in the second half turned the match.",
            "The pitch costs {n} dollars each and has lights.",
            "Warm up for fifteen minutes and you get hurt less.",
        ),
    ),
    Topic(
        "cycling",
        "fitness",
        ("bicycle",),
        ("BIKE", "LAP 3", "RIDE"),
        words(
            "公路骑行",
            "骑行,公路车,环湖,爬坡,头盔",
            "环湖一圈{n}0公里，中间补给两次。",
            "坡度百分之{n}，全靠小齿比。",
            "胎压打到九十，路面感觉刚好。",
        ),
        words(
            "road cycling",
            "road bike,lake loop,climbing,helmet,cadence",
            "The lake loop is {n}0 kilometres with two stops.",
            "The climb is {n} percent, all in the smallest gear.",
            "Ninety psi felt right on that road.",
        ),
    ),
)
