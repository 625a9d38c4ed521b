"""Topics of the shelf and the desk: books, gadgets."""

from __future__ import annotations

from uninote.demo.words import Topic, words

BOOKS = (
    Topic(
        "novels",
        "books",
        ("book",),
        ("READ", "CHAPTER 1", "LIBRARY"),
        words(
            "小说书单",
            "长篇小说,书单,独立书店,读书笔记,纸质书",
            "三百页，{n}个晚上就读完了。",
            "最喜欢第{n}章，主角终于回到故乡。",
            "在{place}的独立书店买到了签名版。",
        ),
        words(
            "reading novels",
            "long novels,reading list,bookshop,paperback,library",
            "Three hundred pages, gone in {n} evenings.",
            "Chapter {n}, where she finally goes home, is the best.",
            "A bookshop in {place} had a signed copy.",
        ),
    ),
    Topic(
        "study",
        "books",
        ("pencil",),
        ("EXAM", "NOTES", "PLAN A"),
        words(
            "学习笔记",
            "备考,手帐,文具,错题本,自习室",
            "每天早上先背{n}0个单词。",
            "错题按章节整理，考前只看这一本。",
            "自习室一天{price}元，安静又有插座。",
        ),
        words(
            "study notes",
            "exam prep,journaling,stationery,flash cards,study room",
            "I learn {n}0 words every morning before breakfast.",
            "Mistakes go into one notebook, sorted by chapter.",
            "The study room costs {price} dollars a week and is silent.",
        ),
    ),
    Topic(
        "scifi",
        "books",
        ("rocket",),
        ("SPACE", "MARS", "APOLLO 11"),
        words(
            "科幻阅读",
            "科幻小说,太空,星际旅行,火星,短篇集",
            "故事从一艘飞了{n}00年的飞船讲起。",
            "硬科幻设定很扎实，轨道计算都没写错。",
            "读完只想抬头看看火星。",
        ),
        words(
            "science fiction",
            "space opera,mars,starships,short stories,hard sf",
            "It opens on a ship that has been flying for {n}00 years.",
            "The science is solid, even the orbits are right.",
            "Afterwards I only wanted to look up at Mars.",
        ),
    ),
    Topic(
        "mystery",
        "books",
        ("magnifier",),
        ("CLUE", "CASE 7", "WHO"),
        words(
            "推理悬疑",
            "推理小说,密室,侦探,本格,反转",
            "密室一共{n}个机关，我只猜中一个。",
            "凶手在第{n}章就出现过，完全没注意。",
            "结尾反转两次，看完立刻重读。",
        ),
        words(
            "mystery reading",
            "locked room,detective,whodunit,plot twist,crime classics",
            "There are {n} tricks in the locked room and I guessed one.",
            "The culprit walks by in chapter {n} and nobody notices.",
            "Two twists at the end; I started again at once.",
        ),
    ),
)

GADGETS = (
    Topic(
        "phones",
        "gadgets",
        ("phone",),
        ("5G", "NEW PHONE", "128 GB"),
        words(
            "手机测评",
            "手机,续航,快充,拍照手机,旗舰机",
            "电池从百分之{n}充满只要四十分钟。",
            "夜景样张比上一代亮很多。",
            "重度使用一天还剩{n}成电。",
        ),
        words(
            "phone reviews",
            "battery life,fast charging,phone camera,flagship,screen",
            "It charges from {n} percent to full in forty minutes.",
            "Night shots are far brighter than last year's.",
            "A heavy day leaves {n}0 percent in the battery.",
        ),
    ),
    Topic(
        "laptops",
        "gadgets",
        ("laptop",),
        ("16 GB", "LAPTOP", "WORK"),
        words(
            "桌面办公",
            "轻薄本,桌搭,远程办公,机械键盘,扩展坞",
            "重一公斤多一点，通勤背着不累。",
            "剪{n}分钟的视频，风扇也不吵。",
            "桌搭一共花了{price}元，线全部藏起来了。",
        ),
        words(
            "desk setup",
            "thin laptop,remote work,keyboard,dock,cable tidy",
            "It weighs just over a kilo, fine for commuting.",
            "It cuts a {n} minute video without any fan noise.",
            "The whole desk cost {price} dollars and no cable shows.",
        ),
    ),
    Topic(
        "cameras",
        "gadgets",
        ("camera",),
        ("ISO 400", "FILM", "50 MM"),
        words(
            "胶片摄影",
            "胶片,街拍,定焦镜头,旁轴,暗房",
            "一卷三十六张，拍了{n}个星期。",
            "五十毫米定焦，逼着自己多走几步。",
            "冲扫一卷{price}元，颜色很温柔。",
        ),
        words(
            "film photography",
            "film,street photos,prime lens,rangefinder,darkroom",
            "Thirty-six frames lasted me {n} weeks.",
            "A fifty millimetre lens makes you walk.",
            "Scanning a roll costs {price} dollars and the colours are soft.",
        ),
    ),
    Topic(
        "audio",
        "gadgets",
        ("headset",),
        ("MUSIC", "HI-FI", "ANC"),
        words(
            "耳机发烧",
            "降噪耳机,无损音乐,头戴式,音质,播客",
            "开了降噪以后地铁里几乎听不见报站。",
            "低音有弹性，女声很靠近。",
            "连着戴{n}个小时，耳朵也不疼。",
        ),
        words(
            "headphone listening",
            "noise cancelling,lossless music,over-ear,sound stage,podcasts",
            "With noise cancelling on, the train simply disappears.",
            "The bass is tight and voices are close.",
            "I wore it for {n} hours and nothing hurt.",
        ),
    ),
    Topic(
        "gaming",
        "gadgets",
        ("gamepad",),
        ("PLAY", "LEVEL 9", "GAME ON"),
        words(
            "主机游戏",
            "主机,手柄,通关,双人游戏,独立游戏",
            "第{n}关的首领打了一整晚。",
            "双人模式最适合周末和{friend}一起玩。",
            "打折时才{price}元，内容有四十小时。",
        ),
        words(
            "console gaming",
            "co-op,boss fight,indie games,speedrun,couch gaming",
            "The boss of level {n} took me a whole night.",
            "Co-op mode is made for weekends with {friend}.",
            "On sale for {price} dollars, and it lasts forty hours.",
        ),
    ),
)
