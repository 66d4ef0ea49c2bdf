"""Golden numbers: the same across versions of JAX, NumPy and Python, up to the rounding that was measured between them.

The file was made with Python 3.11 and JAX 0.10.2. With Python 3.13 and JAX 0.12.0 on the same processor differences
were, relative to the largest number of an array, at most 5e-7 (var, lasso32), 1e-15 (lasso64), 7e-6 (convolutional) and
3e-6 (soft_roi); the tolerances leave room for other processors.
"""

import numpy as np
import pytest
from make_golden import FILE, PARTS, golden, trained

WITHIN = {"var": 1e-5, "lasso32": 1e-5, "lasso64": 1e-12, "convolutional": 1e-3, "soft_roi": 1e-4}


@pytest.fixture(scope="module")
def kept():
    assert FILE.stat().st_size < 50_000
    with np.load(FILE) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.parametrize("part", PARTS)
def test_numbers_are_those_of_the_golden_file(part, kept):
    wanted = {name.removeprefix(f"{part}/"): x for name, x in kept.items() if name.startswith(f"{part}/")}
    found = golden(part)
    assert wanted.keys() == found.keys()
    within = WITHIN[part.split("/")[0]]
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype, name
        size = np.abs(values).max()
        assert size > 0, name
        np.testing.assert_allclose(found[name], values, rtol=0, atol=within * size, err_msg=name)
        if name in ("coef", "pooled"):  # which coefficients there are is no matter of rounding
            np.testing.assert_array_equal(found[name] != 0, values != 0)


def test_a_change_that_rounding_does_not_make_is_found(kept):
    """A training whose learning rate is a tenth off."""
    values = kept["soft_roi/end_to_end/latents"]
    other = trained("soft_roi", "end_to_end", learning_rate=0.011)["latents"]
    assert np.abs(other - values).max() > 10 * WITHIN["soft_roi"] * np.abs(values).max()
