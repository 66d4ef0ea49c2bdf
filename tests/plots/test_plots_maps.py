"""Maps over the mean frame and the path of the l1 strength: what lies where, at which scale, and what is refused."""

import imageio.v3 as iio
import numpy as np
import pytest

from lassovae import plots
from lassovae._errors import InputError

H, W = 16, 24


@pytest.fixture
def mean_frame(rng):
    return rng.uniform(0.2, 0.6, (H, W))


def saved(figure, tmp_path):
    return iio.imread(plots.save(figure, tmp_path / "figure.png", dpi=80))[..., :3].astype(int)


def test_an_overlay_is_orange_above_zero_blue_below_and_clear_at_zero(mean_frame, tmp_path):
    values = np.zeros((H, W))
    values[:, :8], values[:, 16:] = 1.0, -1.0
    figure = plots.new_figure(3, 2)
    ax = plots.overlay(figure.subplots(), values, mean_frame, limit=1.0, colorbar_label="Ω")
    below, above = ax.images
    assert above.get_clim() == (-1.0, 1.0)
    np.testing.assert_array_equal(below.get_array(), mean_frame)
    colours = above.to_rgba(values)
    assert tuple(np.round(255 * colours[0, 0]).astype(int)) == (0xE6, 0x9F, 0x00, 255)
    assert tuple(np.round(255 * colours[0, 20]).astype(int)) == (0x56, 0xB4, 0xE9, 255)
    assert (above.to_rgba(values)[:, 8:16, 3] < 0.01).all()
    picture = saved(figure, tmp_path)
    assert ((picture[..., 0] > 200) & (picture[..., 2] < 30)).any()
    with pytest.raises(InputError, match="values has shape"):
        plots.overlay(figure.subplots(), values[1:], mean_frame)


@pytest.mark.parametrize("number", [1, 2, 5, 13])
def test_every_run_has_a_map_of_one_scale(number, mean_frame, rng, tmp_path):
    maps = rng.normal(size=(number, H, W))
    names = [f"run {i}" for i in range(number)]
    figure = plots.run_maps_figure(maps, names, mean_frame)
    panels = [ax for ax in figure.axes if len(ax.images) == 2]
    assert [ax.get_title(loc="left") for ax in panels] == names
    assert len({ax.images[1].get_clim() for ax in panels}) == 1
    for ax, values in zip(panels, maps, strict=True):
        np.testing.assert_array_equal(ax.images[1].get_array(), values)
    saved(figure, tmp_path)
    with pytest.raises(InputError, match="names has"):
        plots.run_maps_figure(maps, [*names, "more"], mean_frame)


def test_what_is_within_twice_its_error_is_left_out_of_the_third_column(mean_frame, rng, tmp_path):
    maps = {c: (rng.normal(size=(H, W)), rng.uniform(0.2, 1.0, (H, W))) for c in ("F", "N", "rest")}
    figure = plots.condition_maps_figure(maps, mean_frame)
    rows = np.asarray(figure.axes[:9]).reshape(3, 3)
    for row, (mean, error) in zip(rows, maps.values(), strict=True):
        np.testing.assert_array_equal(row[0].images[1].get_array(), mean)
        np.testing.assert_array_equal(row[1].images[0].get_array(), error)
        kept = row[2].images[1].get_array()
        np.testing.assert_array_equal(kept != 0, np.abs(mean) > 2 * error)
        np.testing.assert_array_equal(kept[kept != 0], mean[kept != 0])
    assert len({row[1].images[0].get_clim() for row in rows}) == 1
    saved(figure, tmp_path)
    with pytest.raises(InputError, match="maps is empty"):
        plots.condition_maps_figure({}, mean_frame)
    with pytest.raises(InputError, match=r"maps\['F'\]\[1\]"):
        plots.condition_maps_figure({"F": (mean_frame, mean_frame[1:])}, mean_frame)


def test_the_path_marks_the_strength_used_and_the_lowest_error(tmp_path):
    lams, error = np.array([0.08, 0.04, 0.02, 0.01]), np.array([0.9, 0.5, 0.4, 0.6])
    figure = plots.lam_path_figure(lams, [1.0, 3.0, 8.0, 20.0], error, used=0.01)
    for ax in figure.axes:
        assert ax.get_xscale() == "log"
        assert {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"} == {0.01}
    (marked,) = figure.axes[1].collections
    assert marked.get_offsets().tolist() == [[0.02, 0.4]]
    saved(figure, tmp_path)
    with pytest.raises(InputError, match="have 4, 3 and 4 entries"):
        plots.lam_path_figure(lams, [1.0, 2.0, 3.0], error, used=0.01)
    with pytest.raises(InputError, match="must be above 0"):
        plots.lam_path_figure(lams, error, error, used=0.0)
