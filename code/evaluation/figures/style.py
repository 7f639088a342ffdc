"""Figures -> PNG, without a display, and the look they share (sheets.py, charts.py)."""
import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

DPI = 150
SMALL, BODY = 7, 9  # points
# Okabe and Ito: colour-blind readers tell them apart, and so does a grey printer.
BLUE, ORANGE, RED = "#0072B2", "#E69F00", "#D55E00"


def png(figure: Figure) -> bytes:
    """-> a PNG file; the same for the same figure."""
    show_names_as_they_are(figure)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()


def show_names_as_they_are(figure: Figure):
    """A $ in the name of a class or a folder is a $, and does not begin mathematics.

    matplotlib itself writes mathematics at logarithmic axes, powers of 10.
    """
    powers = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() != "linear":
                powers.update(axis.get_ticklabels(which="both"))
    for text in figure.findobj(Text):
        text.set_parse_math(text in powers)


def shorten(name: str, most: int) -> str:
    """-> the name of a class with at most that many characters"""
    return name if len(name) <= most else name[:most - 1] + "…"
