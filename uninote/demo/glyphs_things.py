"""How made things are drawn, on a 100 × 100 sheet."""

from __future__ import annotations

from uninote.demo.strokes import Glyph, basin, box, dome, line, oval, poly, ring

OUTDOORS: dict[str, Glyph] = {
    "sailboat": (
        line("wood", 50, 4, 50, 72),
        poly("main", 54, 6, 92, 64, 54, 64),
        poly("light", 46, 18, 46, 64, 16, 64),
        poly("dark", 6, 70, 94, 70, 78, 92, 22, 92),
    ),
    "lighthouse": (
        poly("main", 36, 32, 64, 32, 74, 96, 26, 96),
        poly("paper", 33, 48, 67, 48, 69, 62, 31, 62),
        poly("paper", 29, 78, 71, 78, 73, 88, 27, 88),
        box("glow", 38, 16, 62, 32),
        poly("dark", 32, 16, 50, 2, 68, 16),
        poly("glow", 66, 20, 98, 8, 98, 36, 66, 28),
    ),
    "tent": (
        poly("main", 50, 12, 98, 88, 2, 88),
        poly("dark", 50, 36, 70, 88, 30, 88),
        line("wood", 44, 4, 50, 14, 56, 4),
    ),
    "tower": (
        line("ink", 50, 2, 50, 18),
        box("main", 26, 16, 74, 98),
        *(box("glow", x, y, x + 9, y + 9) for y in (24, 42, 60) for x in (32, 46, 60)),
        box("dark", 42, 80, 58, 98),
    ),
    "shoe": (
        poly("main", 6, 26, 34, 26, 44, 46, 72, 58, 94, 66, 96, 78, 6, 78),
        box("paper", 4, 78, 97, 88),
        line("paper", 42, 40, 54, 34),
        line("paper", 52, 48, 64, 42),
        poly("light", 12, 60, 46, 62, 30, 72),
    ),
    "dumbbell": (
        box("steel", 20, 45, 80, 55),
        box("main", 4, 34, 14, 66),
        box("main", 14, 22, 28, 78),
        box("main", 72, 22, 86, 78),
        box("main", 86, 34, 96, 66),
    ),
    "ball": (
        oval("main", 6, 6, 94, 94),
        poly("paper", 50, 32, 67, 45, 61, 65, 39, 65, 33, 45),
        line("paper", 50, 32, 50, 10),
        line("paper", 67, 45, 90, 38),
        line("paper", 61, 65, 74, 86),
        line("paper", 39, 65, 26, 86),
        line("paper", 33, 45, 10, 38),
    ),
    "bicycle": (
        ring("ink", 2, 46, 44, 88),
        ring("ink", 56, 46, 98, 88),
        line("main", 23, 67, 40, 36, 68, 36, 50, 67, 23, 67),
        line("main", 50, 67, 40, 36, 36, 24),
        line("main", 77, 67, 66, 24, 80, 20),
        line("dark", 28, 24, 46, 24),
    ),
    "rocket": (
        poly("glow", 38, 78, 62, 78, 50, 100),
        poly("dark", 34, 52, 14, 80, 36, 76),
        poly("dark", 66, 52, 86, 80, 64, 76),
        poly("main", 50, 0, 68, 32, 66, 80, 34, 80, 32, 32),
        oval("paper", 40, 30, 60, 50),
    ),
    "umbrella": (
        line("ink", 50, 4, 50, 84, 56, 92, 66, 90, 68, 82),
        dome("main", 4, 10, 96, 94),
        basin("light", 4, 46, 35, 58),
        basin("light", 35, 46, 65, 58),
        basin("light", 65, 46, 96, 58),
    ),
}

INDOORS: dict[str, Glyph] = {
    "lamp": (
        poly("glow", 26, 54, 74, 54, 90, 90, 10, 90),
        box("ink", 47, 50, 53, 90),
        poly("main", 32, 8, 68, 8, 86, 54, 14, 54),
        oval("dark", 26, 86, 74, 98),
    ),
    "sofa": (
        box("main", 14, 22, 86, 60),
        box("light", 18, 52, 50, 74),
        box("light", 50, 52, 82, 74),
        box("main", 2, 42, 18, 84),
        box("main", 82, 42, 98, 84),
        box("dark", 14, 74, 86, 84),
        box("wood", 8, 84, 14, 94),
        box("wood", 86, 84, 92, 94),
    ),
    "chair": (
        box("main", 22, 4, 34, 96),
        poly("main", 34, 50, 84, 50, 84, 62, 34, 62),
        box("main", 74, 62, 84, 96),
        line("dark", 28, 16, 28, 44),
    ),
    "clock": (
        oval("main", 4, 4, 96, 96),
        oval("paper", 15, 15, 85, 85),
        line("ink", 50, 24, 50, 50, 70, 60),
        *(oval("ink", x - 3, y - 3, x + 3, y + 3) for x, y in ((50, 21), (79, 50), (50, 79), (21, 50))),
    ),
    "candle": (
        oval("dark", 18, 84, 82, 98),
        box("main", 36, 38, 64, 92),
        line("ink", 50, 38, 50, 28),
        poly("glow", 50, 2, 60, 22, 50, 32, 40, 22),
    ),
    "book": (
        poly("main", 2, 20, 50, 30, 98, 20, 98, 84, 50, 94, 2, 84),
        poly("paper", 8, 16, 50, 28, 50, 86, 8, 76),
        poly("paper", 92, 16, 50, 28, 50, 86, 92, 76),
        line("dark", 16, 36, 42, 43),
        line("dark", 16, 52, 42, 59),
        line("dark", 84, 36, 58, 43),
        line("dark", 84, 52, 58, 59),
    ),
    "pencil": (
        poly("main", 14, 70, 72, 12, 88, 28, 30, 86),
        poly("paper", 14, 70, 30, 86, 4, 96),
        poly("ink", 9, 83, 17, 91, 4, 96),
        poly("light", 72, 12, 80, 4, 96, 20, 88, 28),
    ),
    "magnifier": (
        line("dark", 60, 60, 94, 94),
        line("dark", 63, 58, 97, 92),
        oval("main", 4, 4, 72, 72),
        oval("paper", 14, 14, 62, 62),
        line("steel", 26, 42, 42, 24),
    ),
    "phone": (
        box("main", 26, 2, 74, 98),
        box("paper", 31, 12, 69, 82),
        oval("light", 45, 85, 55, 95),
        *(box("steel", x, y, x + 8, y + 8) for y in (20, 36, 52) for x in (35, 46, 57)),
    ),
    "laptop": (
        box("main", 16, 14, 84, 68),
        box("paper", 22, 20, 78, 62),
        poly("dark", 16, 68, 84, 68, 98, 86, 2, 86),
        line("steel", 30, 32, 62, 32),
        line("steel", 30, 46, 52, 46),
    ),
    "camera": (
        box("dark", 34, 14, 66, 30),
        box("main", 4, 28, 96, 86),
        oval("paper", 27, 34, 73, 80),
        oval("ink", 34, 41, 66, 73),
        box("glow", 78, 34, 90, 44),
    ),
    "headset": (
        ring("main", 10, 8, 90, 96),
        box("dark", 2, 46, 24, 86),
        box("dark", 76, 46, 98, 86),
        box("light", 8, 50, 18, 82),
        box("light", 82, 50, 92, 82),
    ),
    "gamepad": (
        oval("main", 2, 32, 42, 88),
        oval("main", 58, 32, 98, 88),
        box("main", 20, 32, 80, 68),
        line("paper", 14, 50, 36, 50),
        line("paper", 25, 39, 25, 61),
        oval("glow", 64, 40, 74, 50),
        oval("light", 76, 50, 86, 60),
    ),
}

WORN: dict[str, Glyph] = {
    "lipstick": (
        poly("main", 36, 46, 36, 20, 64, 4, 64, 46),
        box("glow", 32, 46, 68, 62),
        box("ink", 26, 62, 74, 98),
    ),
    "perfume": (
        box("ink", 40, 4, 60, 20),
        box("glow", 43, 20, 57, 32),
        poly("main", 26, 32, 74, 32, 90, 50, 90, 96, 10, 96, 10, 50),
        box("paper", 28, 56, 72, 80),
    ),
    "mirror": (
        box("main", 44, 62, 56, 98),
        oval("main", 14, 2, 86, 72),
        oval("paper", 23, 10, 77, 64),
        line("steel", 36, 44, 54, 22),
    ),
    "jar": (
        box("paper", 14, 24, 86, 42),
        box("main", 8, 42, 92, 88),
        box("light", 24, 54, 76, 76),
    ),
    "handbag": (
        ring("dark", 28, 6, 72, 66),
        poly("main", 14, 38, 86, 38, 96, 92, 4, 92),
        box("glow", 42, 50, 58, 62),
    ),
    "dress": (
        poly("main", 32, 4, 42, 4, 50, 16, 58, 4, 68, 4, 64, 40, 94, 94, 6, 94, 36, 40),
        poly("dark", 36, 38, 64, 38, 66, 46, 34, 46),
    ),
    "hat": (
        oval("main", 0, 58, 100, 86),
        dome("main", 22, 14, 78, 120),
        poly("dark", 22, 58, 78, 58, 78, 68, 22, 68),
    ),
    "sunglasses": (
        line("dark", 6, 40, 94, 40),
        oval("main", 2, 34, 46, 76),
        oval("main", 54, 34, 98, 76),
        line("light", 14, 58, 26, 44),
        line("light", 66, 58, 78, 44),
    ),
}

THINGS: dict[str, Glyph] = OUTDOORS | INDOORS | WORN
