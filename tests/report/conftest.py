"""Reports of tiny studies, written once: with names as hostile as files may have, and with nothing to compare."""

from dataclasses import replace

import pytest
from report_pages import CONDITIONS, CONFIG, EVIL, RUNS

import lassovae
from lassovae import analyse
from lassovae.data import Study, prepare, simulate_study
from lassovae.report import write_report, write_results


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """(results, study, prepared, folder) of one model of two conditions."""
    simulated = simulate_study(4, num_runs=8, frames=48, frame_shape=(32, 48), num_cells=6, block_size=2)
    label = dict(zip(simulated.conditions, CONDITIONS, strict=True))
    runs = [
        replace(run, name=name, condition=label[run.condition])
        for run, name in zip(simulated, RUNS, strict=True)
    ]
    study = Study(tuple(runs), name=EVIL)
    model = lassovae.fit(study, CONFIG, show_progress=False)
    prepared = prepare(study, CONFIG.preprocess)
    results = {"<i>mine</i>": (model, analyse(model, study, prepared=prepared))}
    folder = tmp_path_factory.mktemp("hostile")
    write_results(folder, results)
    write_report(folder, results, study, prepared)
    return results, study, prepared, folder


@pytest.fixture(scope="session")
def lonely(hostile, tmp_path_factory):
    """(results, study, prepared, folder) of one model of one condition."""
    study = Study(tuple(replace(run, condition="rest") for run in hostile[1]), name="lonely")
    model = hostile[0]["<i>mine</i>"][0]
    results = {"only": (model, analyse(model, study, prepared=hostile[2]))}
    folder = tmp_path_factory.mktemp("lonely")
    path = write_report(folder, results, study, hostile[2], title="A title of one's own")
    assert path == folder / "report.html"
    return results, study, hostile[2], folder
