"""Grey pictures as text: coloured half blocks where the terminal has colours, ten plain characters where not.

Either way two rows of pixels make one line, since a character is about twice as high as wide.
"""

from __future__ import annotations

import numpy as np
from rich.color import Color
from rich.style import Style
from rich.text import Text

SHADES = " .:-=+*#%@"
HALF_BLOCK = "▀"


def in_colour(picture: np.ndarray) -> Text:
    """uint8 (2 h, w) as h lines of w half blocks: the upper pixel is the text's colour, the lower its ground."""
    lines = Text()
    for upper, lower in zip(picture[0::2], picture[1::2], strict=True):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            lines.append(HALF_BLOCK, Style(color=_grey(above), bgcolor=_grey(below)))
        lines.append("\n")
    lines.rstrip()
    return lines


def in_characters(picture: np.ndarray) -> Text:
    """uint8 (2 h, w) as h lines of w ASCII characters: the denser, the brighter the mean of two pixels."""
    mean = picture.reshape(-1, 2, picture.shape[1]).mean(axis=1)
    levels = np.minimum(mean * len(SHADES) / 256, len(SHADES) - 1).astype(int)
    return Text("\n".join("".join(SHADES[level] for level in row) for row in levels))


def _grey(value: int) -> Color:
    return Color.from_rgb(value, value, value)
