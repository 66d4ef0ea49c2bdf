"""The strongest edges of a network as lines over the mean frame that answer to rows of a table."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

import imageio.v3 as iio
import numpy as np

from lassovae.plots import robust_limits
from lassovae.report._scene import Scene
from lassovae.report._shown import Cell, cell

MOST_EDGES = 30
WIDTH = 1000.0  # of the drawing, in its own units
BEND = 0.16  # of an edge's length, so that an edge and its return do not coincide
DIM = 0.55  # of the grey scale: edges must stand out from bright cells


@dataclass(frozen=True)
class Edge:
    """One edge.

    Attributes:
        path: of an SVG path from source to target.
        width: of its line.
        positive: whether its strength, mean of the conditions, is above zero.
        label: what it is, in words.
        cells: of its row in the table.
    """

    path: str
    width: float
    positive: bool
    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class EdgeView:
    """The drawing and the table of the strongest edges.

    Attributes:
        image: mean frame as a data URI.
        width, height: of the drawing.
        nodes: (x, y) of the nodes that an edge touches.
        edges: strongest first.
        columns: headings of the table.
        numeric: which of them are sorted as numbers.
        total: number of all edges.
    """

    image: str
    width: float
    height: float
    nodes: tuple[tuple[float, float], ...]
    edges: tuple[Edge, ...]
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    total: int


def _picture(mean_frame: np.ndarray) -> str:
    low, high = robust_limits(np.asarray(mean_frame, np.float64))
    grey = np.clip((mean_frame - low) / (high - low), 0, 1) * 255 * DIM
    data = iio.imwrite("<bytes>", grey.astype(np.uint8), extension=".png")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def _curve(x0: float, y0: float, x1: float, y1: float, gap: float) -> str:
    """A bent line that begins and ends a gap away from the nodes' centres."""
    dx, dy = x1 - x0, y1 - y0
    length = math.hypot(dx, dy)
    cx, cy = (x0 + x1) / 2 - BEND * dy, (y0 + y1) / 2 + BEND * dx

    def towards(x: float, y: float, by: float) -> tuple[float, float]:
        far = math.hypot(cx - x, cy - y)
        return x + (cx - x) * by / far, y + (cy - y) * by / far

    gap = min(gap, length / 4)
    (ax, ay), (bx, by) = towards(x0, y0, gap / 2), towards(x1, y1, gap)
    return f"M{ax:.1f} {ay:.1f}Q{cx:.1f} {cy:.1f} {bx:.1f} {by:.1f}"


def edge_view(scene: Scene) -> EdgeView | None:
    """The strongest edges of the best model; None where it has no network or no edge."""
    model, analysis = scene.results[scene.best]
    if analysis.differences is None or len(analysis.differences.network.sources) == 0:
        return None
    net = analysis.differences.network
    shown = net.conditions[:2]
    strength = np.stack([net.strength(c) for c in shown])
    errors = np.stack([net.strength_error(c) for c in shown])
    size = np.abs(strength).max(axis=0)
    sizes = np.sum([np.abs(net.coef[c]) for c in net.conditions], axis=0)[:, net.targets, net.sources]
    rows, columns = model.latent_shape
    height, width = model.frame_shape
    scale = WIDTH / width
    step_x, step_y = width / columns * scale, height / rows * scale
    order = np.argsort(-size, kind="stable")[:MOST_EDGES]
    edges, used = [], set()
    for rank, i in enumerate(order.tolist(), 1):
        source, target = int(net.sources[i]), int(net.targets[i])
        (r0, c0), (r1, c1) = divmod(source, columns), divmod(target, columns)
        used |= {source, target}
        x0, y0, x1, y1 = (c0 + 0.5) * step_x, (r0 + 0.5) * step_y, (c1 + 0.5) * step_x, (r1 + 0.5) * step_y
        values = [str(rank), f"{r0}, {c0}", f"{r1}, {c1}"]
        cells = [Cell(values[0], values[0]), Cell(values[1], str(source)), Cell(values[2], str(target))]
        cells.append(cell("lag", int(sizes[:, i].argmax()) + 1))
        for s, e in zip(strength[:, i].tolist(), errors[:, i].tolist(), strict=True):
            cells.append(Cell(f"{s:.3f}" if math.isnan(e) else f"{s:.3f} ± {e:.3f}", str(s)))
        if net.edges is not None:
            cells += [
                cell("difference", float(net.edges.difference[i])),
                cell("qvalue", float(net.edges.qvalue[i])),
            ]
        if net.stability is not None:
            cells.append(cell("stability", float(net.stability[:, target, source].max())))
        said = ", ".join(f"{s:.3f} in {c}" for c, s in zip(shown, strength[:, i], strict=True))
        edges.append(
            Edge(
                path=_curve(x0, y0, x1, y1, 16.0),
                width=2.0 + 6.0 * float(size[i]) / (float(size[order[0]]) or 1.0),
                positive=bool(strength[:, i].mean() >= 0),
                label=f"Edge {rank}: node {values[1]} to node {values[2]}, {said}",
                cells=tuple(cells),
            )
        )
    heads = ["#", "source (row, column)", "target (row, column)", "lag", *(f"strength in {c}" for c in shown)]
    heads += ["difference", "q"] if net.edges is not None else []
    heads += ["stability"] if net.stability is not None else []
    nodes = tuple(
        ((node % columns + 0.5) * step_x, (node // columns + 0.5) * step_y) for node in sorted(used)
    )
    return EdgeView(
        image=_picture(scene.prepared.mean_frame),
        width=WIDTH,
        height=height * scale,
        nodes=nodes,
        edges=tuple(edges),
        columns=tuple(heads),
        numeric=(True,) * len(heads),
        total=len(net.sources),
    )
