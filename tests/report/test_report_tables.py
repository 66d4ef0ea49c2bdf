"""Numbers that only the tables know."""

import math

import numpy as np
import pytest

from lassovae.report._tables import latent_snr


@pytest.mark.parametrize("ratio", [0.5, 4.0])
def test_signal_to_noise_of_slow_waves_under_white_noise(ratio, rng):
    time = np.arange(4000)[:, None]
    waves = np.sqrt(2 * ratio) * np.sin(2 * np.pi * time / 200 + np.arange(5))  # variance: the ratio
    z = waves + rng.standard_normal((4000, 5))
    assert latent_snr(z) == pytest.approx(ratio, rel=0.1)
    assert latent_snr(100 * z.reshape(4000, 5, 1) + 7) == pytest.approx(latent_snr(z))  # units do not matter


def test_noise_alone_has_no_signal_and_constant_nodes_do_not_count(rng):
    noise = rng.standard_normal((4000, 5))
    assert latent_snr(noise) < 0.05
    silent = np.concatenate([noise, np.ones((4000, 9))], axis=1)
    assert latent_snr(silent) == latent_snr(noise)
    assert math.isnan(latent_snr(np.ones((10, 3))))
