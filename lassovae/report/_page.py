"""One self-contained HTML page: what was asked, what was found, with its limits, and what it rests on."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2

from lassovae.report._drawing import Drawing, Drawn, Missing
from lassovae.report._edges import EdgeView
from lassovae.report._methods import Methods
from lassovae.report._provenance import Provenance
from lassovae.report._shown import Table
from lassovae.report._viewer import Viewer
from lassovae.report._words import Finding

PLAIN_BYTES = 300_000  # of a CSV file that the page holds as it is; a longer one is compressed
MOST_BYTES = 1_200_000  # of a file that the page holds at all, compressed
ALL_BYTES = 4_000_000  # of all of them together

PARTS = {  # part of the page -> (heading, what it holds)
    "maps": ("Where in the image", "Where influence comes from, how surely, and where conditions differ."),
    "network": (
        "Network of influences",
        "Which nodes help to forecast which. Nodes are patches of 8 x 8 pixels, or regions about them, not cells.",
    ),
    "dynamics": (
        "Activity and forecasts",
        "What the model sees, what it forecasts one frame ahead, and what is left.",
    ),
    "path": (
        "Strength of the penalty",
        "λ, the l1 strength, decides how many couplings survive.",
    ),
    "tests": ("Tests", "Every test between conditions, with what its design could have reached."),
    "models": ("Models", "How well each model reconstructs and forecasts, and how it was trained."),
    "runs": ("Runs", "Every run by itself."),
}


@dataclass(frozen=True)
class Download:
    """A file that the page holds, or where it lies.

    Attributes:
        name: of the file.
        href: data URI; empty where the file is too large for the page.
        place: where it lies beside the page.
    """

    name: str
    href: str
    place: str


@dataclass(frozen=True)
class Content:
    """All that the page says.

    Attributes:
        title, question, verdict, basis: the top of the page.
        limits, findings: in words.
        drawings: figures, and those that are missing.
        tables: of results.
        edges: the interactive network; None where there is none.
        viewer: clips.
        origins: versions, hashes, settings.
        methods: for a manuscript.
        settings_of, methods_of: the models that these two are about.
        scaled: whether the size of a pixel is known, and maps have a scale bar.
    """

    title: str
    question: str
    verdict: str
    basis: str
    limits: Sequence[str]
    findings: Sequence[Finding]
    drawings: Sequence[Drawn]
    tables: Sequence[Table]
    edges: EdgeView | None
    viewer: Viewer
    origins: Provenance
    methods: Methods
    settings_of: str
    methods_of: str
    scaled: bool = True


class _Shelf:
    """Files beside the page, as many of them in it as its size allows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.left = folder, ALL_BYTES

    def get(self, place: str) -> Download:
        path = self.folder / place
        data, kind, name = path.read_bytes(), "text/csv;charset=utf-8", path.name
        if len(data) > PLAIN_BYTES:
            data, kind, name = gzip.compress(data, mtime=0), "application/gzip", f"{name}.gz"
        if len(data) > min(MOST_BYTES, self.left):
            return Download(path.name, "", place)
        self.left -= len(data)
        return Download(name, f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}", place)


def _source(name: str) -> str:
    return (resources.files("lassovae.report") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy wants it: what it names may run, and nothing else."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def page(content: Content, folder: Path) -> str:
    """The page as HTML; it needs no other file and no network.

    Args:
        content: what it says.
        folder: that holds figures/*.png, figures/data/*.csv and tables/*.csv.
    """
    shelf = _Shelf(folder)
    style, script = _source("page.css"), _source("page.js")
    images = {
        d.name: "data:image/png;base64,"
        + base64.b64encode((folder / "figures" / f"{d.name}.png").read_bytes()).decode("ascii")
        for d in content.drawings
        if isinstance(d, Drawing)
    }
    parts = []
    for key, (heading, text) in PARTS.items():
        drawings = [d for d in content.drawings if d.section == key]
        figures = [
            (d, images[d.name], [shelf.get(f"figures/data/{stem}.csv") for stem in d.data])
            for d in drawings
            if isinstance(d, Drawing)
        ]
        missing = [d for d in drawings if isinstance(d, Missing)]
        tables = [(t, shelf.get(f"tables/{t.name}.csv")) for t in content.tables if t.section == key]
        extra = (key == "network" and content.edges is not None) or key == "dynamics"
        if figures or missing or tables or extra:
            parts.append((key, heading, text, figures, missing, tables))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        c=content,
        parts=parts,
        edges_file=shelf.get("tables/edges.csv") if content.edges is not None else None,
        viewer_file=shelf.get("figures/data/viewer.csv"),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
