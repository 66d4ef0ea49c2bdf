"""One compiled step for equal settings, and one finished training for all tests that only look at it."""

import pytest
from training_studies import CONFIG, make_study, shared_make_step

from lassovae.training import _loop, fit


@pytest.fixture(autouse=True)
def _compile_once(monkeypatch):
    monkeypatch.setattr(_loop, "make_step", shared_make_step)


@pytest.fixture(scope="session")
def study():
    return make_study()


@pytest.fixture(scope="session")
def finished(tmp_path_factory, study):
    """(model, folder) of three uninterrupted epochs of the end-to-end mode; not to be written to."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_loop, "make_step", shared_make_step)
        model = fit(study, CONFIG, run_dir=folder, show_progress=False)
    return model, folder
