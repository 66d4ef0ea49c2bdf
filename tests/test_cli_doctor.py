"""`lassovae doctor` says what is there, and its self-test fails where the solver is wrong."""

import json
import platform

import jax
import numpy as np
import pytest

import lassovae
from lassovae._cli import _doctor, main
from lassovae._cli._doctor import self_test


@pytest.fixture(scope="module")
def tested():
    return self_test()


def test_the_solver_passes(tested):
    assert tested["passed"]
    assert tested["status"] == 0
    assert 0 <= tested["duality_gap"] < 1e-5
    assert tested["error"] < 1e-5


@pytest.mark.parametrize("wrong", [lambda b: b * 1.01, lambda b: b + 1e-3, lambda b: np.roll(b, 1, axis=0)])
def test_a_wrong_solver_does_not(wrong, monkeypatch, capsys):
    right = lassovae.lasso.solve_lasso

    def solve(design, targets, lam):
        solution = right(design, targets, lam)
        return solution._replace(coef=wrong(np.asarray(solution.coef)))

    monkeypatch.setattr("lassovae.lasso.solve_lasso", solve)
    assert not self_test()["passed"]
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["self_test"]["passed"] is False


def test_doctor_says_what_is_there(tested, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(_doctor, "self_test", lambda: tested)
    monkeypatch.setattr(_doctor, "nvidia_gpus", lambda thorough: [])
    monkeypatch.setitem(_doctor.OPTIONAL, "no-such-package", ("what nobody needs", "nothing"))
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert main(["doctor", "--folder", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"{lassovae.__version__} on Python {platform.python_version()}" in said
    assert f"jax {jax.__version__}" in said
    assert "pip install 'lassovae[nothing]'" in said
    assert f"GB free at {tmp_path}" in said
    assert "passed; duality gap" in said
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["libraries"]["numpy"] == np.__version__
    assert found["optional"]["no-such-package"] is None
    assert found["devices"].endswith(("device", "devices")) or jax.default_backend() != "cpu"
    assert found["self_test"] == tested


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="JAX uses the GPU here")
def test_doctor_names_a_gpu_that_goes_unused(tested, monkeypatch, capsys):
    monkeypatch.setattr(_doctor, "self_test", lambda: tested)
    monkeypatch.setattr(_doctor, "nvidia_gpus", lambda thorough: ["GPU 0: NVIDIA H200"])
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "WARNING  this machine has 1 NVIDIA GPU" in said
    assert "GPU 0: NVIDIA H200" in said
