"""Letters on a video: names of any script, in fonts that may not be there.

OpenCV draws ASCII only and Pillow's built-in font knows little more, so a name is drawn with a font
of the system that has all its letters or, where there is none, spelled in Latin ones.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sightgrid.domain.geometry import Bytes

SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "arial.ttf",
    "msyh.ttc",
)

# pairs of a letter and how it is spelled; what has no sound of its own stands alone
SPELLED = (
    "аa бb вv гg дd еe ёyo жzh зz иi йy кk лl мm нn оo пp рr сs тt уu фf хkh цts чch шsh "  # noqa: RUF001
    "щshch ъ ыy ь эe юyu яya єye іi їyi ґg ўu јj љlj њnj ћc ђdj џdz "  # noqa: RUF001
    "αa βv γg δd εe ζz ηi θth ιi κk λl μm νn ξx οo πp ρr σs ςs τt υy φf χch ψps ωo "  # noqa: RUF001
    "ßss øo łl đd ðd þth æae œoe ıi …... ’' –- —- ·-"  # noqa: RUF001
)
SPELLINGS = {pair[0]: pair[1:] for pair in SPELLED.split()}

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=2048)
def letters(text: str, *, size: int, most_px: int) -> Bytes:
    """How much ink lies on each pixel of a label, uint8 (h, w), no wider than ``most_px``."""
    font, text = _legible(text.strip(), size)
    pad = max(2, size // 4)
    shown = text
    while len(text) > 1 and font.getlength(shown) + 2 * pad > most_px:
        text = text[:-1]
        shown = text.rstrip() + "..."
    across = min(round(font.getlength(shown)) + 2 * pad, most_px)
    picture = Image.new("L", (across, round(size * 1.25) + pad))
    middle = (pad, picture.height / 2)
    if isinstance(font, ImageFont.FreeTypeFont):
        ImageDraw.Draw(picture).text(middle, shown, fill=255, font=font, anchor="lm")
    else:
        ImageDraw.Draw(picture).text((pad, pad // 2), shown, fill=255, font=font)
    return np.asarray(picture, np.uint8)


def _legible(text: str, size: int) -> tuple[Font, str]:
    """A font that has every letter of ``text``, or the text written in letters we do have."""
    plain = ImageFont.load_default(size)
    if text.isascii():
        return plain, text
    for name in SYSTEM_FONTS:
        font = _system_font(name, size)
        if font is not None and _covers(font, text):
            return font, text
    return plain, latin(text)


@lru_cache(maxsize=64)
def _system_font(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _covers(font: ImageFont.FreeTypeFont, text: str) -> bool:
    def drawing(letter: str) -> tuple[tuple[int, int], bytes]:
        mask = font.getmask(letter)
        return mask.size, bytes(mask)

    missing = drawing("\U0010ffff")
    return all(letter.isspace() or drawing(letter) != missing for letter in text)


def latin(text: str) -> str:
    """``text`` in ASCII: accents dropped, Cyrillic, Greek, kana and Hangul spelled out, and
    ``?`` for what has no spelling (such as Han characters)."""
    return "".join(_spelled(letter) for letter in unicodedata.normalize("NFC", text))


def _spelled(letter: str) -> str:
    if letter.isascii():
        return letter
    spelling = SPELLINGS.get(letter.lower())
    if spelling is not None:
        return spelling.capitalize() if letter.isupper() else spelling
    stripped = "".join(
        part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part)
    )
    if stripped.isascii():
        return stripped
    name = unicodedata.name(letter, "")
    if name.startswith(("HANGUL SYLLABLE ", "HIRAGANA LETTER ", "KATAKANA LETTER ")):
        return name.split()[-1].lower()
    return "?"
