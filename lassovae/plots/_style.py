"""One restrained style for every figure, and saving that never leaves half a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import findfont, get_font

from lassovae._files import make_folder, replacing

P = ParamSpec("P")
R = TypeVar("R")

COLUMN_INCHES = 3.4  # one column of a journal page
PAGE_INCHES = 7.0  # both columns

IMAGE_MAP = "gray"
SEQUENTIAL_MAP = "magma"
DIVERGING_MAP = "RdBu_r"

# Okabe and Ito's colours, told apart with every common colour vision deficiency
COLORS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "gray": "#595959",
}
CYCLE = tuple(COLORS[name] for name in ("blue", "orange", "green", "purple", "vermillion", "sky", "gray"))
MODE_COLORS = {
    "sequential": COLORS["gray"],
    "embedded": COLORS["orange"],
    "end_to_end": COLORS["blue"],
    "block_mean": COLORS["green"],
    "recommended": COLORS["vermillion"],
}
MODE_NAMES = {"end_to_end": "end-to-end", "block_mean": "block mean", "no_skip": "no skip"}

_SETTINGS: dict[str, object] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so figures look the same on every machine
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 0.9,
    "image.interpolation": "nearest",
    "image.origin": "upper",
    "text.hinting": "none",  # hinted at this size, signs such as = and − come out bold
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
}


@contextmanager
def style() -> Iterator[None]:
    """The style as a context; every function of this package draws in it, and `save` saves in it.

    Example:
        >>> with style():
        ...     figure = new_figure(3.4, 2.0)
    """
    # None of the settings is of matplotlib's deprecated kind; the caller's own are back when the context ends
    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]  # the stub wants literal keys
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function inside `style`."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            if args and isinstance(args[0], Axes):
                dress(args[0])
            return draw(*args, **kwargs)

    return inside


def dress(ax: Axes) -> None:
    """Give an axes the style even if it was made outside it: an axes keeps the sizes it was made with."""
    ax.tick_params(labelsize=mpl.rcParams["xtick.labelsize"], width=0.6, length=2.5)
    for text in (ax.xaxis.label, ax.yaxis.label):
        text.set_fontsize(mpl.rcParams["axes.labelsize"])
    for side, spine in ax.spines.items():
        spine.set_linewidth(0.6)
        spine.set_visible(side in ("left", "bottom"))


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """An empty figure without a GUI backend, whose parts make room for one another."""
    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def use_figure(figure: Figure | SubFigure | None, width: float, height: float) -> Figure | SubFigure:
    """The caller's figure, or a new one of the given inches."""
    return new_figure(width, height) if figure is None else figure


def panel_title(ax: Axes, text: str, letter: str | None = None) -> None:
    """Title at the left of a panel, after a bold letter to which it is tied, so that the two cannot overlap."""
    size = mpl.rcParams["axes.titlesize"]
    if letter is None:
        ax.set_title(text, loc="left", fontsize=size)
        return
    anchor = ax.set_title(letter, loc="left", fontsize=size, fontweight="bold")
    ax.annotate(
        text, (1, 0), xycoords=anchor, xytext=(5, 0), textcoords="offset points", va="bottom", fontsize=size
    )


def mode_color(name: str, index: int) -> str:
    """A mode of the library keeps its colour in every figure; other names take turns."""
    return MODE_COLORS.get(name, CYCLE[index % len(CYCLE)])


def mode_name(name: str) -> str:
    """A mode as words."""
    return short_name(MODE_NAMES.get(name, name))


def short_name(name: object, longest: int = 24) -> str:
    """A name that somebody else chose, fit to be drawn: no formula, no sign the font lacks, and not too long.

    Args:
        name: of a run, a condition, a model.
        longest: characters; of a longer one the middle is left out, since names often differ at their ends.
    """
    font = get_font(findfont("DejaVu Sans"))
    text = "".join(
        c if c == " " or (c.isprintable() and font.get_char_index(ord(c))) else "□" for c in str(name)
    )
    if len(text) > longest:
        tail = longest // 2 - 1
        text = f"{text[: longest - tail - 1]}…{text[-tail:]}"
    return text.replace("$", r"\$")  # two of them would begin a formula


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 160) -> Path:
    """Write a figure under a temporary name in the same folder, then rename it: never half a file.

    Args:
        figure: any Figure of this package.
        path: where to; the suffix chooses the format (.png, .pdf, .svg). Missing folders are made.
        dpi: dots per inch of a raster format; a figure of 7 inches becomes 1120 pixels wide at 160.

    Returns:
        The path written.

    Raises:
        InputError: the system refuses to write.
    """
    target = Path(path)
    make_folder(target.parent)
    with replacing(target) as place, style():
        for _ in range(3):  # square images and their colour bars settle over several layouts, not in one
            figure.draw_without_rendering()
        figure.savefig(place, dpi=dpi, format=target.suffix[1:] or "png")
    return target
