"""One finished training for all tests that only look at it."""

import pytest
from training_studies import CONFIG, make_study

from lassovae.training import fit


@pytest.fixture(scope="session")
def study():
    return make_study()


@pytest.fixture(scope="session")
def finished(tmp_path_factory, study):
    """(model, folder) of three uninterrupted epochs of the end-to-end mode; not to be written to."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    model = fit(study, CONFIG, run_dir=folder, show_progress=False)
    return model, folder
