"""Small pictures for the examples."""

from __future__ import annotations

import io

from PIL import Image

QUALITY = 82


def thumbnail(image: Image.Image, size: int = 160) -> bytes:
    """Return the picture as a JPEG that fits into a square of `size` pixels. What is transparent becomes white."""
    small = image.convert("RGBA") if image.has_transparency_data else image.convert("RGB")
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()
