"""The repair touches the targets that it was asked to, and no others of their group."""

import jax
import jax.numpy as jnp
import lasso_references as ref
import numpy as np

from lassovae.lasso._homotopy import follow_path
from lassovae.lasso._repair import repair
from lassovae.lasso._state import Options, is_active, make_problem


def test_a_repair_in_few_slots_keeps_what_others_have_in_many(x64):
    X, Y = ref.gaussian(81, 150, 160, 2, active=100)
    problem, _ = make_problem(jnp.asarray(X)[None], jnp.ones(160), jnp.zeros(1))
    options = Options(max_active=150, max_events=1200, rank=150)
    level = jnp.asarray([[0.9, 1e-3]]) * np.abs(X.T @ Y).max(axis=0)
    place = follow_path(problem, jnp.asarray(Y.T)[None], level, options)
    num_active = np.asarray(is_active(place, problem).sum(axis=-1))[0]
    assert num_active[0] < 32 < 64 < num_active[1]
    asked = place._replace(suspect=jnp.asarray([[True, False]]))
    after = jax.jit(lambda p: repair(problem, p, (64, place.pull.shape[-1]), options))(asked)
    for name in ("predictor", "pull", "coef", "residual", "gap", "status"):
        got, expected = getattr(after, name)[0, 1], getattr(place, name)[0, 1]
        np.testing.assert_array_equal(got, expected, err_msg=name)
    np.testing.assert_allclose(after.coef[0, 0], place.coef[0, 0], rtol=0, atol=1e-12)
    assert not np.asarray(after.suspect).any()
