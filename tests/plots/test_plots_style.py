"""The style stays inside its context, and saving leaves a whole file or none."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

from lassovae import plots
from lassovae._errors import InputError
from lassovae.plots._style import CYCLE


def test_style_and_drawing_leave_the_settings_alone():
    before = dict(mpl.rcParams)
    with plots.style():
        assert mpl.rcParams["font.size"] == 7
    figure = plots.new_figure(2, 2)
    plots.image(figure.subplots(), np.eye(5))
    assert dict(mpl.rcParams) == before


def test_settings_come_back_after_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(InputError, match="frame has shape"):
        plots.image(plots.new_figure(2, 2).subplots(), np.zeros(3))
    assert dict(mpl.rcParams) == before


def test_an_axes_made_outside_the_style_gets_its_sizes():
    figure = plots.new_figure(3, 3)
    ax = figure.subplots()
    plots.swap_matrix(ax, np.ones((4, 4)), list("FFNN"))
    figure.draw_without_rendering()
    assert ax.xaxis.label.get_fontsize() == 7
    assert {tick.get_fontsize() for tick in ax.get_xticklabels()} == {6.5}


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_save_writes_the_named_file_alone(tmp_path, suffix):
    figure = plots.new_figure(1, 1)
    plots.image(figure.subplots(), np.eye(4))
    path = tmp_path / "new" / f"a{suffix}"
    assert plots.save(figure, path) == path
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.stat().st_size > 500


def test_a_failed_save_keeps_the_old_file_and_no_rest(tmp_path, monkeypatch):
    figure = plots.new_figure(1, 1)
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def broken(where, **_):
        with open(where, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", broken)
    with pytest.raises(InputError, match=r"a\.png: cannot be written: disk full"):
        plots.save(figure, path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_dpi_sets_the_pixels(tmp_path):
    import imageio.v3 as iio

    path = plots.save(plots.new_figure(2, 1), tmp_path / "a.png", dpi=100)
    assert iio.imread(path).shape[:2] == (100, 200)


def test_colours_differ_in_luminance_or_hue_for_red_green_blindness():
    """Projected to what a deuteranope sees (Machado 2009, full severity), no two colours coincide."""
    deuteranope = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    )
    seen = np.array([mpl.colors.to_rgb(color) for color in CYCLE]) @ deuteranope.T
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    assert distance[~np.eye(len(CYCLE), dtype=bool)].min() > 0.1


def test_pyplot_is_not_imported():
    code = "import sys, lassovae.plots, lassovae.stats; raise SystemExit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("folder", ["plots", "stats"])
def test_no_file_names_jax(folder):
    import pathlib

    import lassovae

    for path in (pathlib.Path(lassovae.__file__).parent / folder).glob("*.py"):
        assert "jax" not in path.read_text()


def test_names_of_others_are_drawn_as_they_are_or_shortened(tmp_path):
    assert plots.short_name("run 3 (F)") == "run 3 (F)"
    assert plots.short_name("a$b_{c$") == r"a\$b_{c\$"
    assert plots.short_name("x" * 30 + "end", 11) == "xxxxxx…xend"
    assert plots.short_name("日本\n\u200e") == "□" * 4
    figure = plots.new_figure(3, 1)
    figure.subplots().set_title(plots.short_name(r"$\frac{ $^ 日 " * 9))
    plots.save(figure, tmp_path / "name.png")  # a formula that is none would raise, a missing sign would warn
