"""Figures become PNG files, without a display; the look they share (sheets.py, charts.py)."""
import contextlib
import functools
import io

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text

DPI = 150
SMALL, BODY = 7, 9  # points
# Okabe and Ito: colour-blind readers tell them apart, and so does a grey printer.
BLUE, ORANGE, RED = "#0072B2", "#E69F00", "#D55E00"
FONT = "DejaVu Sans"  # comes with matplotlib
matplotlib.rcParams.update({
    "figure.dpi": DPI, "figure.titlesize": BODY + 1, "figure.labelsize": BODY, "font.size": SMALL,
    "axes.labelsize": BODY, "axes.titlesize": BODY, "legend.fontsize": SMALL + 1,
    "xtick.labelsize": SMALL + 1, "ytick.labelsize": SMALL + 1, "grid.color": "#dddddd"})


def png(figure: Figure) -> bytes:
    """Returns a PNG file; the same for the same figure.

    A $ in the name of a class or a folder stays a $, and fonts are taken that have the characters.
    """
    for text in figure.findobj(Text):
        words = text.get_text()
        # matplotlib itself writes powers of 10 at logarithmic axes
        text.set_parse_math("$" not in words or "mathdefault" in words)
        others = {font_of(character) for character in words if not character.isascii()}
        text.set_fontfamily([FONT, *sorted(others - {FONT, None})])
        text.set_text(written(words))
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()


@functools.cache
def font_of(character: str) -> str | None:
    """Returns an installed font that has the character: FONT if it does, None if none has it."""
    # the last one is matplotlib's, and draws a box for any character
    fonts = [font for font in fontManager.ttflist if not font.name.startswith("Last Resort")]
    for font in sorted(fonts, key=lambda font: (font.name != FONT, font.name)):
        with contextlib.suppress(OSError, RuntimeError):  # a font that was removed, or is damaged
            if get_font(font.fname).get_char_index(ord(character)):
                return font.name
    return None


def written(name: str) -> str:
    """Returns the name with U+732B, for example, in place of a character that no font has."""
    return "".join(character if character.isascii() or font_of(character)
                   else f"U+{ord(character):04X}" for character in name)


def shorten(name: str, most: int) -> str:
    """Returns the name of a class with at most that many characters."""
    name = written(name)
    return name if len(name) <= most else name[:most - 1] + "…"
