"""What can be drawn: the subjects of the scenes and the colours they come in."""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour word; `paint` is how a subject wears it, `wall` how a background does."""

    zh: str
    paint: RGB
    wall: RGB


COLOURS: dict[str, Colour] = {
    "red": Colour("红色", (214, 40, 40), (240, 128, 128)),
    "orange": Colour("橙色", (242, 130, 20), (250, 190, 120)),
    "yellow": Colour("黄色", (246, 205, 30), (252, 236, 140)),
    "green": Colour("绿色", (46, 150, 70), (150, 215, 150)),
    "blue": Colour("蓝色", (38, 90, 210), (140, 185, 245)),
    "purple": Colour("紫色", (125, 55, 170), (195, 160, 225)),
    "pink": Colour("粉色", (245, 110, 170), (252, 200, 222)),
    "brown": Colour("棕色", (125, 78, 40), (196, 160, 124)),
    "white": Colour("白色", (248, 248, 246), (246, 246, 242)),
    "black": Colour("黑色", (42, 42, 48), (70, 70, 78)),
    "gray": Colour("灰色", (140, 144, 150), (188, 192, 196)),
}

BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
ANY = (*BRIGHT, "white", "black")
FUR = ("black", "white", "orange", "gray", "brown")
WALLS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "gray")


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing that scenes show. `measure` is its Chinese measure word."""

    zh: str
    measure: str
    en: str
    plural: str
    colours: tuple[str, ...] = ANY


SUBJECTS: dict[str, Subject] = {
    "cup": Subject("杯子", "只", "cup", "cups"),
    "teapot": Subject("茶壶", "把", "teapot", "teapots"),
    "cake": Subject("蛋糕", "块", "cake", "cakes", ("pink", "brown", "white", "yellow", "purple", "green")),
    "bread": Subject("面包", "个", "loaf of bread", "loaves of bread", ("brown", "orange", "yellow")),
    "bowl": Subject("面碗", "只", "noodle bowl", "noodle bowls"),
    "apple": Subject("苹果", "个", "apple", "apples", ("red", "green", "yellow")),
    "watermelon": Subject("西瓜", "块", "watermelon slice", "watermelon slices", ("red", "yellow", "orange")),
    "mountain": Subject("山", "座", "mountain", "mountains", ("green", "blue", "purple", "brown", "gray")),
    "sailboat": Subject("帆船", "艘", "sailboat", "sailboats"),
    "lighthouse": Subject("灯塔", "座", "lighthouse", "lighthouses", ("red", "blue", "black", "orange", "green")),
    "tent": Subject("帐篷", "顶", "tent", "tents", BRIGHT),
    "tower": Subject("高楼", "栋", "skyscraper", "skyscrapers", ("gray", "blue", "purple", "brown", "black", "green")),
    "cat": Subject("猫", "只", "cat", "cats", FUR),
    "dog": Subject("狗", "只", "dog", "dogs", FUR),
    "bone": Subject("骨头", "根", "bone", "bones", ("white", "yellow", "brown", "pink")),
    "fish": Subject("鱼", "条", "fish", "fish"),
    "parrot": Subject("鹦鹉", "只", "parrot", "parrots", (*BRIGHT, "white", "gray")),
    "shoe": Subject("跑鞋", "只", "running shoe", "running shoes"),
    "dumbbell": Subject("哑铃", "个", "dumbbell", "dumbbells", (*BRIGHT, "black", "gray")),
    "ball": Subject("足球", "个", "football", "footballs"),
    "bicycle": Subject("自行车", "辆", "bicycle", "bicycles", (*BRIGHT, "black")),
    "lipstick": Subject("口红", "支", "lipstick", "lipsticks", ("red", "pink", "orange", "purple", "brown")),
    "perfume": Subject("香水瓶", "个", "perfume bottle", "perfume bottles"),
    "mirror": Subject("化妆镜", "面", "hand mirror", "hand mirrors"),
    "jar": Subject("面霜罐", "个", "cream jar", "cream jars"),
    "lamp": Subject("台灯", "盏", "lamp", "lamps"),
    "sofa": Subject("沙发", "张", "sofa", "sofas", (*ANY, "gray", "brown")),
    "chair": Subject("椅子", "把", "chair", "chairs", (*ANY, "brown")),
    "clock": Subject("挂钟", "个", "clock", "clocks", (*BRIGHT, "black", "brown")),
    "candle": Subject("蜡烛", "支", "candle", "candles"),
    "book": Subject("书", "本", "book", "books", (*ANY, "brown")),
    "pencil": Subject("铅笔", "支", "pencil", "pencils"),
    "rocket": Subject("火箭", "枚", "rocket", "rockets"),
    "magnifier": Subject("放大镜", "个", "magnifying glass", "magnifying glasses", (*BRIGHT, "black", "brown")),
    "phone": Subject("手机", "部", "phone", "phones"),
    "laptop": Subject("笔记本电脑", "台", "laptop", "laptops", ("gray", "black", "white", "blue", "pink", "purple")),
    "camera": Subject("相机", "台", "camera", "cameras"),
    "headset": Subject("耳机", "副", "headset", "headsets"),
    "gamepad": Subject("游戏手柄", "个", "game controller", "game controllers"),
    "cactus": Subject("仙人掌", "盆", "cactus", "cacti", ("green", "blue", "yellow", "purple")),
    "tulip": Subject("郁金香", "朵", "tulip", "tulips", (*BRIGHT, "white")),
    "tree": Subject("树", "棵", "tree", "trees", ("green", "orange", "yellow", "red", "pink")),
    "mushroom": Subject("蘑菇", "朵", "mushroom", "mushrooms", ("red", "brown", "orange", "purple", "blue", "white")),
    "handbag": Subject("手提包", "个", "handbag", "handbags", (*ANY, "brown")),
    "dress": Subject("连衣裙", "条", "dress", "dresses"),
    "hat": Subject("帽子", "顶", "hat", "hats", (*ANY, "brown")),
    "sunglasses": Subject("墨镜", "副", "pair of sunglasses", "pairs of sunglasses"),
    "umbrella": Subject("雨伞", "把", "umbrella", "umbrellas"),
}
