"""Topics of looks: beauty, fashion."""

from __future__ import annotations

from uninote.demo.words import Topic, words

BEAUTY = (
    Topic(
        "lipsticks",
        "beauty",
        ("lipstick",),
        ("MATTE", "NO. 12", "LIPS"),
        words(
            "口红试色",
            "口红,试色,哑光,显白,唇釉",
            "黄皮涂这个颜色很显白。",
            "喝了{n}杯水也没怎么掉色。",
            "薄涂日常，厚涂有气场。",
        ),
        words(
            "lipstick swatches",
            "matte,swatches,lip gloss,everyday look,long lasting",
            "The shade is kind to warm skin.",
            "{n} glasses of water later it is still there.",
            "One layer for the office, two for the evening.",
        ),
    ),
    Topic(
        "perfumes",
        "beauty",
        ("perfume",),
        ("EAU", "50 ML", "ROSE"),
        words(
            "香水分享",
            "香水,木质调,留香,小众香,花果香",
            "前调是佛手柑，{n}分钟后变成木头味。",
            "留香大概{n}个小时，冬天更久。",
            "五十毫升{price}元，送礼也合适。",
        ),
        words(
            "perfume notes",
            "woody,long wear,niche scent,floral,sample set",
            "It opens with bergamot and turns to wood after {n} minutes.",
            "It stays for {n} hours, longer in winter.",
            "Fifty millilitres for {price} dollars, a fair present.",
        ),
    ),
    Topic(
        "makeup",
        "beauty",
        ("mirror",),
        ("GLOW", "MAKEUP", "STEP 1"),
        words(
            "日常妆容",
            "底妆,眼影,新手化妆,通勤妆,补妆",
            "通勤妆{n}分钟搞定，步骤很少。",
            "底妆用湿粉扑拍，{n}个小时不卡粉。",
            "眼影只用两个颜色就够。",
        ),
        words(
            "everyday makeup",
            "foundation,eye shadow,beginner makeup,office look,touch up",
            "The office look takes {n} minutes.",
            "A damp sponge keeps the base smooth for {n} hours.",
            "Two eye shadows are plenty.",
        ),
    ),
    Topic(
        "skincare",
        "beauty",
        ("jar",),
        ("CREAM", "SPF 30", "30 ML"),
        words(
            "护肤流程",
            "面霜,敏感肌,保湿,防晒,成分党",
            "敏感肌用了{n}周，没有泛红。",
            "先爽肤水再面霜，等{n}分钟上防晒。",
            "成分表很短，没有香精。",
        ),
        words(
            "skincare routine",
            "face cream,sensitive skin,moisture,sunscreen,ingredients",
            "{n} weeks on sensitive skin and no redness.",
            "Toner, cream, wait {n} minutes, sunscreen.",
            "The list of ingredients is short and without perfume.",
        ),
    ),
)

FASHION = (
    Topic(
        "bags",
        "fashion",
        ("handbag",),
        ("SALE 30%", "OUTLET", "BAG"),
        words(
            "包包分享",
            "包包,通勤包,真皮,大容量,奥莱",
            "能装下1{n}寸电脑，通勤正好。",
            "奥莱打{n}折，到手{price}元。",
            "皮子软，用了{n}个月更有光泽。",
        ),
        words(
            "handbag finds",
            "tote,leather,office bag,outlet,strap",
            "It holds a 1{n} inch laptop.",
            "The outlet sold it at {n}0 percent off, {price} dollars in the end.",
            "The leather is soft and shines after {n} months.",
        ),
    ),
    Topic(
        "dresses",
        "fashion",
        ("dress",),
        ("NEW IN", "SIZE M", "SUMMER"),
        words(
            "裙装穿搭",
            "连衣裙,法式,小个子,约会穿搭,夏日",
            "小个子一米5{n}穿到小腿，刚好。",
            "收腰设计，显高{n}厘米。",
            "面料是棉麻，夏天不闷。",
        ),
        words(
            "dress outfits",
            "summer dress,petite,date night,linen,midi",
            "I am one metre 5{n} and it ends at the calf.",
            "The waist makes me look {n} centimetres taller.",
            "Linen and cotton, never sticky in summer.",
        ),
    ),
    Topic(
        "hats",
        "fashion",
        ("hat",),
        ("HAT", "SUN", "UPF 50"),
        words(
            "帽子搭配",
            "帽子,遮阳,渔夫帽,大头围,旅行穿搭",
            "帽檐{n}厘米，遮阳很够。",
            "大头围也能戴，后面可以调节。",
            "折起来放包里也不变形。",
        ),
        words(
            "hat styling",
            "sun hat,brim,travel outfit,felt,bucket hat",
            "A brim of {n} centimetres is enough shade.",
            "It adjusts at the back and fits a large head.",
            "Fold it into a bag and it keeps its shape.",
        ),
    ),
    Topic(
        "eyewear",
        "fashion",
        ("sunglasses",),
        ("UV400", "COOL", "SHADES"),
        words(
            "墨镜穿搭",
            "墨镜,偏光,修饰脸型,街头,开车",
            "偏光镜片，开车看路很清楚。",
            "圆脸选方框，显脸小。",
            "只有{n}0克，鼻梁没有印子。",
        ),
        words(
            "eyewear",
            "polarised,face shape,street style,driving,frames",
            "The lenses are polarised, good for driving.",
            "A round face wants a square frame.",
            "It weighs {n}0 grams and leaves no marks.",
        ),
    ),
    Topic(
        "rainwear",
        "fashion",
        ("umbrella",),
        ("RAIN", "STORM", "10 RIBS"),
        words(
            "雨天穿搭",
            "雨伞,雨靴,梅雨季,防水外套,晴雨两用",
            "1{n}根伞骨，台风天也没翻。",
            "收起来只有{n}0厘米，包里随手放。",
            "梅雨季连下了{n}天，全靠它。",
        ),
        words(
            "rainy day style",
            "folding umbrella,rain boots,waterproof,monsoon,raincoat",
            "1{n} ribs, and no storm has turned it yet.",
            "Folded it is {n}0 centimetres long.",
            "It rained for {n} days and this saved me.",
        ),
    ),
)
