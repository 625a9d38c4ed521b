"""Topics of the table and the home."""

from __future__ import annotations

from uninote.demo.words import Topic, words

FOOD = (
    Topic(
        "coffee",
        "food",
        ("cup",),
        ("COFFEE", "LATTE", "OPEN 8-20", "ROAST"),
        words(
            "手冲咖啡",
            "手冲,拿铁,浅烘豆,磨豆机,咖啡馆",
            "水温控制在9{n}度，粉水比一比十五。",
            "这支浅烘豆有柑橘和蜂蜜的味道。",
            "拉花练了{n}周，终于有点像样。",
        ),
        words(
            "pour-over coffee",
            "latte art,light roast,hand grinder,espresso,coffee bar",
            "Water at 9{n} degrees, one part coffee to fifteen parts water.",
            "This light roast tastes of orange and honey.",
            "It took {n} weeks before my latte art looked like anything.",
        ),
    ),
    Topic(
        "tea",
        "food",
        ("teapot",),
        ("TEA", "OOLONG", "GREEN TEA"),
        words(
            "围炉喝茶",
            "乌龙茶,白茶,茶具,功夫茶,茶馆",
            "第一泡只要{n}秒，后面慢慢加时间。",
            "老白茶煮出来有枣香，秋天喝最舒服。",
            "茶馆在{place}老城区，人均{price}元。",
        ),
        words(
            "loose leaf tea",
            "oolong,white tea,tea ware,gongfu brewing,tea house",
            "The first infusion takes only {n} seconds.",
            "Old white tea smells of dates once it simmers.",
            "The tea house in {place} asks {price} dollars for a whole afternoon.",
        ),
    ),
    Topic(
        "baking",
        "food",
        ("cake", "bread"),
        ("BAKERY", "CAKE", "FRESH BREAD"),
        words(
            "家庭烘焙",
            "戚风蛋糕,吐司,奶油,烤箱,低糖甜品",
            "面团要发酵{n}个小时，表面不粘手才行。",
            "烤箱上下火一百八，2{n}分钟。",
            "奶油打到有纹路就停，不然会出水。",
        ),
        words(
            "home baking",
            "sponge cake,sourdough,frosting,oven,low sugar dessert",
            "The dough proves for {n} hours until it no longer sticks.",
            "Bake it for 2{n} minutes at 180 degrees.",
            "Stop whipping the cream as soon as it holds a line.",
        ),
    ),
    Topic(
        "noodles",
        "food",
        ("bowl",),
        ("RAMEN", "NOODLE BAR", "SPICY"),
        words(
            "拉面探店",
            "拉面,牛肉面,汤底,溏心蛋,深夜食堂",
            "汤底熬了1{n}个小时，浓但不腻。",
            "面可以选硬度，我每次都要偏硬。",
            "排队{n}0分钟，人均{price}元。",
        ),
        words(
            "ramen hunting",
            "ramen,beef noodles,broth,soft egg,late supper",
            "The broth simmers for 1{n} hours, rich but never heavy.",
            "You choose how firm the noodles are; take them firm.",
            "We queued for {n}0 minutes and paid {price} dollars.",
        ),
    ),
    Topic(
        "fruit",
        "food",
        ("apple", "watermelon"),
        ("FRUIT", "SWEET", "FARM"),
        words(
            "当季水果",
            "苹果,西瓜,果园,鲜榨果汁,水果摊",
            "挑西瓜要听声音，闷的才熟。",
            "果园自己摘，一斤才{n}块钱。",
            "冰箱冷藏{n}个小时以后最甜。",
        ),
        words(
            "seasonal fruit",
            "apples,watermelon,orchard,fresh juice,fruit stand",
            "Knock on a watermelon: a dull sound means ripe.",
            "Pick your own at the orchard for {n} dollars a kilo.",
            "It is sweetest after {n} hours in the fridge.",
        ),
    ),
)

HOME = (
    Topic(
        "lighting",
        "home",
        ("lamp",),
        ("LAMP", "2700K", "HOME"),
        words(
            "卧室灯光",
            "台灯,暖光,氛围灯,床头灯,无主灯",
            "色温选两千七，晚上看书不刺眼。",
            "书桌和床头各放一盏，一共{price}元。",
            "调光有{n}档，最暗的适合起夜。",
        ),
        words(
            "bedroom lighting",
            "warm light,bedside lamp,dimmer,desk lamp,mood light",
            "2700 kelvin is easy on the eyes at night.",
            "One by the desk, one by the bed, {price} dollars together.",
            "It has {n} levels; the lowest is right for a night light.",
        ),
    ),
    Topic(
        "seating",
        "home",
        ("sofa", "chair"),
        ("SALE", "SOFA", "NEW IN"),
        words(
            "客厅改造",
            "布艺沙发,单椅,小户型,软装,收纳",
            "客厅只有1{n}平，沙发选了窄扶手。",
            "旧椅子自己刷漆，用了{n}天。",
            "面料可以拆洗，家里有猫也不怕。",
        ),
        words(
            "living room makeover",
            "fabric sofa,armchair,small flat,slipcover,storage",
            "The room has only 1{n} square metres, so I took narrow arms.",
            "I repainted the old chairs in {n} days.",
            "The cover comes off and goes in the washing machine.",
        ),
    ),
    Topic(
        "clocks",
        "home",
        ("clock",),
        ("VINTAGE", "12 30", "ANTIQUE"),
        words(
            "复古挂钟",
            "挂钟,中古,跳蚤市场,机械钟,墙面装饰",
            "跳蚤市场淘来的，老板说有{n}0年历史。",
            "每{n}天上一次发条，走时还很准。",
            "挂在餐厅白墙上，正好填满空位。",
        ),
        words(
            "vintage clocks",
            "wall clock,flea market,clockwork,dial,wall decor",
            "The dealer says it is {n}0 years old.",
            "I wind it every {n} days and it still keeps time.",
            "It fills the white wall above the table.",
        ),
    ),
    Topic(
        "candles",
        "home",
        ("candle",),
        ("SOY WAX", "CEDAR", "NO. 5"),
        words(
            "香薰蜡烛",
            "大豆蜡,雪松,香薰,手工蜡烛,放松",
            "第一次要烧满{n}个小时，蜡面才会平。",
            "雪松加一点柑橘，冬天闻着很暖。",
            "棉芯剪到半厘米，就不会冒黑烟。",
        ),
        words(
            "scented candles",
            "soy wax,cedar,home fragrance,candle making,slow evening",
            "Let it burn for {n} hours the first time, or it tunnels.",
            "Cedar with a little orange is winter to me.",
            "Trim the wick to half a centimetre and it will not smoke.",
        ),
    ),
)
