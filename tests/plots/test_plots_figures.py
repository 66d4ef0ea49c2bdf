"""Every figure draws on real arrays, saves, leaves its inputs alone, and keeps the promises of its docstring."""

import imageio.v3 as iio
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyArrowPatch

from lassovae import plots
from lassovae._errors import InputError

H, W, GRID = 32, 48, (4, 6)
NODES = 24


def drawn(figure, tmp_path):
    """Save a figure, read it back: something is on it, and nothing reaches its outermost pixels."""
    pixels = iio.imread(plots.save(figure, tmp_path / "figure.png", dpi=100))[..., :3]
    assert pixels.min() < 100
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert edge.min() > 250
    return pixels


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    rows, columns = np.indices((H, W))
    footprints = np.stack(
        [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 9) for r, c in rng.random((5, 2)) * 30]
    )
    mean = 0.3 + 0.1 * rng.random((H, W)) + 0.2 * footprints.sum(axis=0)
    latents = rng.normal(size=(40, *GRID))
    coupling = np.zeros((2, 5, 5))
    coupling[0, 1, 0], coupling[1, 3, 2] = 0.4, -0.2
    arrays = {
        "rng": rng,
        "mean": mean,
        "frame": mean + 0.02 * rng.normal(size=(H, W)),
        "footprints": footprints,
        "latents": latents,
        "coupling": coupling,
        "drivers": np.array([True, False, True, False, False]),
        "traces": rng.random((40, 5)),
        "coef": rng.normal(size=(2, NODES, NODES)) * (rng.random((2, NODES, NODES)) < 0.1),
        "delta": rng.random((8, 8)),
    }
    for value in arrays.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False  # a function that changes its input fails at once
    return arrays


def axes():
    figure = plots.new_figure(3.0, 2.5)
    return figure, figure.subplots()


def test_image_with_everything(scene, tmp_path):
    figure, ax = axes()
    returned = plots.image(
        ax, scene["frame"], title="t", letter="a", pixel_size_um=2.0, colorbar_label="intensity"
    )
    assert returned is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), scene["frame"])
    assert [text.get_text() for text in ax.texts] == ["t", "20 µm"]
    assert ax.child_axes[0].get_ylabel() == "intensity"
    drawn(figure, tmp_path)


@pytest.mark.parametrize(
    ("size", "length"), [(0.5, "5 µm"), (1.0, "10 µm"), (3.7, "20 µm"), (1000.0, "10000 µm")]
)
def test_scale_bar_has_its_true_length(scene, size, length):
    _, ax = axes()
    plots.image(ax, scene["frame"], pixel_size_um=size)
    assert ax.texts[-1].get_text() == length
    assert np.ptp(ax.lines[0].get_xdata()) * size == pytest.approx(float(length.split()[0]))


def test_differences_and_latents_have_symmetric_limits(scene):
    for draw in (
        lambda ax: plots.image(ax, scene["frame"] - 0.2, symmetric=True),
        lambda ax: plots.image(ax, scene["frame"], symmetric=True, limits=(-0.1, 0.4)),
        lambda ax: plots.latent_map(ax, scene["latents"][3] + 1.0),
    ):
        _, ax = axes()
        low, high = draw(ax).images[0].get_clim()
        assert low == -high < 0


def test_a_constant_image_is_drawn(tmp_path):
    for symmetric in (False, True):
        figure, ax = axes()
        plots.image(ax, np.zeros((4, 6)), symmetric=symmetric, colorbar_label="z")
        low, high = ax.images[0].get_clim()
        assert low < 0 < high
        figure.draw_without_rendering()


def test_skip_figure(scene, tmp_path):
    z, x = scene["latents"], scene["frame"]
    figure = plots.skip_figure(
        z[0] + 2, z[0], x, x - scene["mean"], x, scene["mean"], frame_index=263, pixel_size_um=1
    )
    panels = figure.axes[:6]
    assert panels[2].images[0].get_clim() == panels[5].images[0].get_clim()
    assert [ax.get_title(loc="left") for ax in panels] == list("abcdef")
    low, high = panels[4].images[0].get_clim()
    assert low == -high
    drawn(figure, tmp_path)
    with pytest.raises(InputError, match="reconstruction has shape"):
        plots.skip_figure(z[0], z[0], x, x, x, x[1:])
    with pytest.raises(InputError, match="latent_with has shape"):
        plots.skip_figure(z[0], z[0][1:], x, x, x, x)


@pytest.mark.parametrize("models", [["embedded"], ["embedded", "end_to_end", "mine"]])
def test_contribution_figure(scene, tmp_path, models):
    maps = {m: (scene["mean"] * (i + 1), scene["frame"]) for i, m in enumerate(models)}
    figure = plots.contribution_figure(maps, footprints=scene["footprints"], pixel_size_um=2.0)
    for row, (first, second) in enumerate(maps.values()):
        left, middle, right = figure.axes[3 * row : 3 * row + 3]
        assert left.images[0].get_clim() == middle.images[0].get_clim()
        low, high = right.images[0].get_clim()
        assert low == -high
        np.testing.assert_allclose(right.images[0].get_array(), first - second)
        assert len(right.collections) == 5
    drawn(figure, tmp_path)


def test_contribution_figure_names_what_does_not_fit(scene):
    with pytest.raises(InputError, match="maps is empty"):
        plots.contribution_figure({})
    with pytest.raises(InputError, match=r"maps\['b'\]\[1\] has shape"):
        plots.contribution_figure({"a": (scene["mean"],) * 2, "b": (scene["mean"], scene["mean"][1:])})
    with pytest.raises(InputError, match="footprints have frames"):
        plots.contribution_figure({"a": (scene["mean"],) * 2}, footprints=np.ones((2, 4, 4)))


def test_forecast_figure_aligns_forecasts_with_the_last_frames(scene, tmp_path):
    z = scene["latents"]
    forecasts = {0.03: 0.2 * z[5:].reshape(35, -1), 0.003: z[5:]}
    rebuilt = {0.003: scene["mean"], 0.01: scene["mean"], 0.03: scene["frame"]}
    figure = plots.forecast_figure(
        z, forecasts, [2, 7], scene["frame"], rebuilt, frame_index=20, frame_rate_hz=10.0, pixel_size_um=2.0
    )
    traces = figure.axes[0]
    reference, exact = traces.lines[0], traces.lines[2]
    np.testing.assert_allclose(reference.get_xdata(), np.arange(40) / 10)
    np.testing.assert_allclose(exact.get_xdata(), np.arange(5, 40) / 10)
    np.testing.assert_allclose(exact.get_ydata(), reference.get_ydata()[5:])
    assert to_rgba(reference.get_color()) == to_rgba("black")
    assert traces.get_xlabel() == "time (s)"
    assert [text.get_text() for text in traces.get_legend().get_texts()] == [
        "latent",
        "λ = 0.003",
        "λ = 0.03",
    ]
    np.testing.assert_array_equal(figure.axes[3].images[0].get_array(), scene["frame"])
    assert len({ax.images[0].get_clim() for ax in figure.axes[1:4]}) == 1
    drawn(figure, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": [24]}, "out of range"),
        ({"nodes": []}, "must not be empty"),
        ({"forecasts": {0.1: np.zeros((35, 5))}}, "has 5 nodes"),
        ({"forecasts": {0.1: np.zeros((50, 24))}}, "50 frames"),
        ({"latents": np.zeros(4)}, "latents has shape"),
        ({"frame_rate_hz": 0.0}, "frame_rate_hz"),
    ],
)
def test_forecast_traces_name_what_does_not_fit(scene, change, message):
    given = {"latents": scene["latents"], "forecasts": {0.1: scene["latents"][5:]}, "nodes": [0]} | change
    with pytest.raises(InputError, match=message):
        plots.forecast_traces(axes()[1], **given)


def test_training_curves(scene, tmp_path):
    rng = np.random.default_rng(1)
    curves = {
        "embedded": {"step": np.arange(60), "loss": rng.random(60) + 0.1, "relative_error": rng.random(60)},
        "end_to_end": {"step": np.arange(30), "loss": rng.random(30) + 0.1},
    }
    figure = plots.training_curves(curves)
    assert len(figure.axes) == 2
    assert figure.axes[0].get_yscale() == "log"
    assert len(figure.axes[1].lines) == 2  # the raw line and the smoothed one
    drawn(figure, tmp_path)
    flat = plots.training_curves({"a": {"step": np.arange(9), "loss": np.full(9, 2.0)}}, smoothing=5)
    np.testing.assert_allclose(flat.axes[0].lines[-1].get_ydata(), 2.0)  # a mean, at the ends too
    with pytest.raises(InputError, match="no 'step'"):
        plots.training_curves({"a": {"loss": np.ones(3)}})
    with pytest.raises(InputError, match="4 values for 3 steps"):
        plots.training_curves({"a": {"step": np.arange(3), "loss": np.ones(4)}})
    with pytest.raises(InputError, match="hold none of"):
        plots.training_curves({"a": {"step": np.arange(3)}})


def test_ablation_figure(tmp_path):
    rng = np.random.default_rng(2)
    errors = {m: 1e-4 * rng.random(12) for m in ("sequential", "embedded", "end_to_end")}
    relative = {m: rng.random(12) for m in errors}
    figure = plots.ablation_figure(errors, relative, mean_frame_error=1.2e-4)
    left, right = figure.axes
    for index, mode in enumerate(errors):
        points = left.collections[index].get_offsets()
        exponent = int(np.floor(np.log10(max(e.max() for e in errors.values()))))
        np.testing.assert_allclose(points[:, 1] * 10.0**exponent, errors[mode])
        np.testing.assert_allclose(right.collections[index].get_offsets()[:, 1], relative[mode])
    assert "10^" in left.get_ylabel()
    assert "10^" not in right.get_ylabel()
    drawn(figure, tmp_path)
    with pytest.raises(InputError, match="different modes"):
        plots.ablation_figure(errors, {"embedded": rng.random(3)})
    with pytest.raises(InputError, match="values is empty"):
        plots.run_points(axes()[1], {}, label="x")


def test_swap_matrix_puts_groups_together(scene, tmp_path):
    figure, ax = axes()
    labels = list("FNFNFNFN")
    plots.swap_matrix(ax, scene["delta"], labels, title="t", letter="a")
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    shown = ax.images[0].get_array()
    assert np.diagonal(shown.mask).all()
    assert shown.mask.sum() == 8
    np.testing.assert_array_equal(shown.data, scene["delta"][np.ix_(order, order)])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["F", "N"]
    drawn(figure, tmp_path)
    _, ax = axes()
    plots.swap_matrix(ax, scene["delta"], labels, group=False)
    assert len(ax.get_xticklabels()) == 8


def test_swap_matrix_names_what_does_not_fit(scene):
    with pytest.raises(InputError, match="delta has shape"):
        plots.swap_matrix(axes()[1], scene["delta"][1:], list("FNFNFNFN"))
    with pytest.raises(InputError, match="labels has 3 entries"):
        plots.swap_matrix(axes()[1], scene["delta"], list("FNF"))


def test_differences_figure(scene, tmp_path):
    difference = np.linspace(-2, 1, scene["mean"].size).reshape(scene["mean"].shape)
    kept = np.where(np.abs(difference) > 1.5, difference, 0.0)
    edges = np.zeros((NODES, NODES))
    edges[8, 1], edges[20, 3] = 0.4, -0.1  # target, source
    figure = plots.differences_figure(
        difference, np.abs(difference) / 3, kept, edges, GRID, scene["mean"], conditions=("A", "B"), rate=0.1
    )
    first, error, third, network = figure.axes[:4]
    assert first.images[0].get_clim() == third.images[0].get_clim()  # what is kept looks as it did
    np.testing.assert_array_equal(third.images[0].get_array(), kept)
    assert error.images[0].get_clim()[0] == 0
    assert len([patch for patch in network.patches if isinstance(patch, FancyArrowPatch)]) == 2
    assert network.texts[0].get_text() == "Edges that differ (2)"
    assert third.texts[0].get_text() == "A − B, false-discovery rate 0.1"
    assert [text.get_text() for text in network.get_legend().get_texts()] == [
        "more positive in A",
        "more positive in B",
    ]
    drawn(figure, tmp_path)
    with pytest.raises(InputError, match="thresholded"):
        plots.differences_figure(difference, difference, kept[1:], edges, GRID, scene["mean"])


def test_influence_network_draws_from_source_to_target(scene, tmp_path):
    coef = np.zeros((2, NODES, NODES))
    coef[0, 8, 1], coef[1, 20, 3] = 2.0, -1.0  # target, source
    coef[0, 5, 5] = 9.0
    figure, ax = axes()
    plots.influence_network(ax, coef, GRID, scene["mean"], num_edges=30, pixel_size_um=2.0)
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 2  # neither zero edges nor a node's own past
    (start, end) = arrows[-1]._posA_posB
    np.testing.assert_allclose(start, [1.5 * 8 - 0.5, 0.5 * 8 - 0.5])
    np.testing.assert_allclose(end, [2.5 * 8 - 0.5, 1.5 * 8 - 0.5])
    assert arrows[-1].get_linewidth() > arrows[0].get_linewidth()
    assert arrows[-1].get_edgecolor()[:3] == to_rgba(plots.COLORS["orange"])[:3]
    assert arrows[0].get_edgecolor()[:3] == to_rgba(plots.COLORS["sky"])[:3]
    drawn(figure, tmp_path)


def test_influence_network_limits_the_edges_and_names_what_does_not_fit(scene):
    _, ax = axes()
    plots.influence_network(ax, scene["coef"], GRID, scene["mean"], num_edges=7)
    assert len(ax.patches) == 7
    with pytest.raises(InputError, match="12 targets and sources"):
        plots.influence_network(ax, scene["coef"], (3, 4), scene["mean"])
    with pytest.raises(InputError, match="num_edges"):
        plots.influence_network(ax, scene["coef"], GRID, scene["mean"], num_edges=0)


def test_truth_figure(scene, tmp_path):
    figure = plots.truth_figure(
        scene["mean"],
        scene["footprints"],
        scene["drivers"],
        scene["coupling"],
        -scene["coupling"],
        scene["traces"],
        frame_rate_hz=8.0,
        pixel_size_um=2.0,
        num_traces=3,
    )
    assert figure.axes[1].images[0].get_clim() == figure.axes[2].images[0].get_clim() == (-0.4, 0.4)
    names = [tick.get_text() for tick in figure.axes[3].get_yticklabels()]
    assert names == ["cell 0 (driver)", "cell 2 (driver)", "cell 1"]
    drawn(figure, tmp_path)


def test_truth_figure_names_what_does_not_fit(scene):
    given = [scene[k] for k in ("mean", "footprints", "drivers", "coupling", "coupling", "traces")]
    for position, wrong, message in (
        (2, np.array([0, 2]), "drivers"),
        (3, np.zeros((2, 4, 4)), "coupling_a has shape"),
        (5, np.zeros((9, 4)), "traces has 4 cells"),
        (1, np.zeros((5, 4, 4)), "footprints have frames"),
    ):
        arguments = list(given)
        arguments[position] = wrong
        with pytest.raises(InputError, match=message):
            plots.truth_figure(*arguments)


def test_movie_strip(scene, tmp_path):
    frames = np.stack([scene["frame"]] * 3)
    figure = plots.movie_strip(
        frames, 0.9 * frames, frame_indices=[4, 8, 12], frame_rate_hz=4.0, pixel_size_um=2.0
    )
    panels = figure.axes[:9]
    assert len({ax.images[0].get_clim() for ax in panels[:6]}) == 1
    low, high = panels[8].images[0].get_clim()
    assert low == -high
    assert panels[2].get_title(loc="left") == "3.0 s"
    np.testing.assert_allclose(panels[6].images[0].get_array(), 0.1 * frames[0])
    drawn(figure, tmp_path)
    with pytest.raises(InputError, match="reconstructions has shape"):
        plots.movie_strip(frames, frames[:2])
    with pytest.raises(InputError, match="frame_indices has 1"):
        plots.movie_strip(frames, frames, frame_indices=[1])


def test_a_figure_draws_into_a_part_of_another(scene, tmp_path):
    figure = plots.new_figure(7, 5)
    upper, lower = figure.subfigures(2, 1)
    assert plots.contribution_figure({"a": (scene["mean"], scene["frame"])}, figure=upper) is upper
    plots.training_curves({"a": {"step": np.arange(9), "loss": np.ones(9)}}, figure=lower)
    drawn(figure, tmp_path)


def test_regions_have_borders_where_the_owner_changes(scene, tmp_path):
    """Two nodes, left and right of column 20, and a corner of the right half that the left one has as well."""
    left = np.zeros((H, W))
    left[:, :20] = 1.0
    left[:2, 45:] = 0.9
    figure = plots.regions_figure(scene["mean"], np.stack([left, 1 - left]), cells=scene["footprints"])
    sides = {tuple(map(tuple, s)) for s in figure.axes[0].collections[0].get_segments()}
    assert {((19.5, y - 0.5), (19.5, y + 0.5)) for y in range(H)} <= sides
    assert {((x - 0.5, 1.5), (x + 0.5, 1.5)) for x in (45, 46, 47)} <= sides
    assert len(sides) == H + 3 + 2  # and the corner's upright side, two pixels high
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), np.maximum(left, 1 - left))
    drawn(figure, tmp_path)
    with pytest.raises(InputError, match="use one frame"):
        plots.regions_figure(scene["mean"][1:], np.stack([left]))
