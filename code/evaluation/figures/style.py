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
FONT = "DejaVu Sans"         # comes with matplotlib
BOXES = "Last Resort"        # comes with it, too, and draws a box for any character
matplotlib.rcParams.update({
    "figure.dpi": DPI, "figure.titlesize": BODY + 1, "figure.labelsize": BODY, "font.size": SMALL,
    "axes.labelsize": BODY, "axes.titlesize": BODY, "legend.fontsize": SMALL + 1,
    "xtick.labelsize": SMALL + 1, "ytick.labelsize": SMALL + 1, "grid.color": "#dddddd"})


def png(figure: Figure) -> bytes:
    """Returns a PNG file; the same for the same figure."""
    show_names_as_they_are(figure)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()


def show_names_as_they_are(figure: Figure):
    """Makes a $ in the name of a class or a folder a $, and takes fonts that have its characters.

    matplotlib itself writes mathematics at logarithmic axes, powers of 10.
    """
    powers = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() != "linear":
                powers.update(axis.get_ticklabels(which="both"))
    for text in figure.findobj(Text):
        text.set_parse_math(text in powers)
        if text not in powers and not text.get_text().isascii():
            others = {font_of(character) for character in text.get_text()} - {None, FONT}
            text.set_fontfamily([FONT, *sorted(others)])
            text.set_text(written(text.get_text()))


def written(name: str) -> str:
    """Returns the name with U+732B, for example, in place of a character that no font has."""
    return "".join(character if character.isspace() or font_of(character)
                   else f"U+{ord(character):04X}" for character in name)


@functools.cache
def font_of(character: str) -> str | None:
    """Returns the installed font that has the character, FONT if it does; None if none has it."""
    fonts = [font for font in fontManager.ttflist if not font.name.startswith(BOXES)]
    fonts.sort(key=lambda font: (font.name != FONT, font.name))
    for font in fonts:
        with contextlib.suppress(OSError, RuntimeError):  # a font that was removed, or is damaged
            if get_font(font.fname).get_char_index(ord(character)):
                return font.name
    return None


def shorten(name: str, most: int) -> str:
    """Returns the name of a class with at most that many characters, as it is written."""
    name = written(name)
    return name if len(name) <= most else name[:most - 1] + "…"
