"""Figures -> PNG, without a display, and the look they share (sheets.py, charts.py)."""
import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 150
SMALL, BODY = 7, 9  # points
# Okabe and Ito: colour-blind readers tell them apart, and so does a grey printer.
BLUE, ORANGE, RED = "#0072B2", "#E69F00", "#D55E00"


def png(figure: Figure) -> bytes:
    """-> a PNG file; the same for the same figure."""
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()


def shorten(name: str, most: int) -> str:
    """-> the name of a class with at most that many characters"""
    return name if len(name) <= most else name[:most - 1] + "…"
