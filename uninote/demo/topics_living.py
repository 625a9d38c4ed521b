"""Topics that live and grow: pets, plants."""

from __future__ import annotations

from uninote.demo.words import Topic, words

PETS = (
    Topic(
        "cats",
        "pets",
        ("cat",),
        ("MEOW", "CAT", "LUCKY"),
        words(
            "养猫日常",
            "猫咪,铲屎官,猫粮,领养,猫抓板",
            "今年{n}岁，已经绝育，性格很粘人。",
            "换粮要用{n}天慢慢过渡。",
            "每天凌晨{n}点准时踩我脸。",
        ),
        words(
            "cat life",
            "kitten,adoption,cat food,litter box,scratching post",
            "She is {n} years old, neutered and clingy.",
            "Change the food slowly, over {n} days.",
            "Every night at {n} she walks across my face.",
        ),
    ),
    Topic(
        "dogs",
        "pets",
        ("dog", "bone"),
        ("WOOF", "DOG", "GOOD BOY"),
        words(
            "遛狗训练",
            "狗狗,遛狗,幼犬,磨牙,宠物公园",
            "一天要遛{n}次，下雨也不例外。",
            "坐下和握手练了{n}天就会了。",
            "磨牙期家里的拖鞋全没了。",
        ),
        words(
            "dog training",
            "puppy,dog walks,chew toys,dog park,recall",
            "He needs {n} walks a day, rain or not.",
            "Sit and paw took us {n} days.",
            "While he was teething every slipper died.",
        ),
    ),
    Topic(
        "aquarium",
        "pets",
        ("fish",),
        ("AQUA", "PH 7", "REEF"),
        words(
            "水族鱼缸",
            "鱼缸,水草,养水,过滤,观赏鱼",
            "新缸要养水{n}周，再放鱼。",
            "每次换三分之一的水，温度要一致。",
            "过滤棉{n}天洗一次就行。",
        ),
        words(
            "home aquarium",
            "fish tank,aquatic plants,filter,water change,reef",
            "Cycle a new tank for {n} weeks before any fish.",
            "Change a third of the water at equal temperature.",
            "Rinse the filter every {n} days.",
        ),
    ),
    Topic(
        "birds",
        "pets",
        ("parrot",),
        ("HELLO", "BIRD", "POLLY"),
        words(
            "养鸟记",
            "鹦鹉,学说话,鸟笼,羽毛,放飞",
            "学会了{n}句话，最爱说你好。",
            "每天放飞{n}0分钟，心情才好。",
            "换羽期要补钙。",
        ),
        words(
            "keeping parrots",
            "talking bird,perch,feathers,free flight,bird cage",
            "It knows {n} phrases and loves to say hello.",
            "{n}0 minutes of free flight a day keep it happy.",
            "Give calcium while the feathers change.",
        ),
    ),
)

PLANTS = (
    Topic(
        "succulents",
        "plants",
        ("cactus",),
        ("CACTUS", "DRY", "NO WATER"),
        words(
            "多肉养护",
            "多肉,仙人掌,阳台,颗粒土,控水",
            "半个月浇一次水，宁干勿湿。",
            "颗粒土占{n}成，排水一定要好。",
            "晒足{n}个小时太阳才会上色。",
        ),
        words(
            "succulent care",
            "desert plants,balcony,gritty soil,sunlight,repotting",
            "Water it twice a month and rather less than more.",
            "The soil is {n}0 percent grit, so it drains.",
            "It needs {n} hours of sun to colour up.",
        ),
    ),
    Topic(
        "flowers",
        "plants",
        ("tulip",),
        ("FLOWERS", "SPRING", "TULIP"),
        words(
            "鲜花插花",
            "鲜花,插花,花市,春天,花瓶",
            "花市一把才{price}元，能开{n}天。",
            "斜剪根部，每天换水。",
            "花头喷点水，放在阴凉处醒花。",
        ),
        words(
            "flower arranging",
            "cut flowers,vase,flower market,spring,bouquet",
            "A bunch is {price} dollars at the market and lasts {n} days.",
            "Cut the stems at an angle and change the water daily.",
            "Keep them cool for an hour before arranging.",
        ),
    ),
    Topic(
        "trees",
        "plants",
        ("tree",),
        ("PARK", "GARDEN", "AUTUMN"),
        words(
            "公园看树",
            "银杏,公园,秋色,植物园,树影",
            "这棵树有{n}00多年，要三个人合抱。",
            "最佳观赏期只有{n}天。",
            "植物园门票{price}元，早上人少。",
        ),
        words(
            "tree watching",
            "park,autumn leaves,botanical garden,old oaks,shade",
            "This one is {n}00 years old and takes three people to hug.",
            "The best colours last only {n} days.",
            "The garden is {price} dollars and empty in the morning.",
        ),
    ),
    Topic(
        "foraging",
        "plants",
        ("mushroom",),
        ("WILD", "FOREST", "DO NOT EAT"),
        words(
            "采蘑菇",
            "蘑菇,雨后,森林,野生菌,菌子图鉴",
            "雨后第{n}天出菇最多。",
            "不认识的菌子千万不要吃。",
            "一上午采了{n}斤，回家炖鸡。",
        ),
        words(
            "mushroom walks",
            "wild mushrooms,forest,after rain,field guide,foraging",
            "They come up {n} days after the rain.",
            "Never eat what you cannot name.",
            "One morning gave us {n} kilos for the pot.",
        ),
    ),
)
