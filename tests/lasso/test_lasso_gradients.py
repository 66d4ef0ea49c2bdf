"""Gradients against central differences and exact identities, and under every transformation."""

import jax
import jax.numpy as jnp
import lasso_references as ref
import numpy as np
import pytest
from jax import lax

from lassovae.lasso import lam_max, solve_lasso, solve_lasso_designs


def pullback(X, Y, lam, G):
    """Gradients of sum(G * coef) in the design, the targets and the strength."""
    return jax.grad(lambda *data: (G * solve_lasso(*data).coef).sum(), argnums=(0, 1, 2))(X, Y, lam)


def pullback_designs(X, Y, lam, G):
    """The same for a stack of designs, which do not see each other."""
    return jax.grad(lambda *data: (G * solve_lasso_designs(*data).coef).sum(), argnums=(0, 1, 2))(X, Y, lam)


pullback_designs_jitted = jax.jit(pullback_designs)
pullback_jitted = jax.jit(pullback)


@pytest.mark.parametrize(
    ("rows", "predictors", "ratio"),
    [(30, 8, 0.1), (12, 20, 0.3), (12, 20, 0.05)],
    ids=["tall", "wide", "wide, deep"],
)
def test_central_differences(x64, rng, rows, predictors, ratio):
    """Along a random direction of each argument, with the four-point rule: its error is h^4 and eps / h."""
    count, targets, h = 60, 2, 1e-4
    X, Y = rng.normal(size=(count, rows, predictors)), rng.normal(size=(count, rows, targets))
    lam = ratio * np.abs(np.einsum("dnp,dnk->dkp", X, Y)).max(axis=-1) / rows
    G = rng.normal(size=(count, predictors, targets))
    data = (X, Y, lam)
    # the data and the four points of the three arguments as one stack of designs, thirteen times as long
    directions = [rng.normal(size=a.shape) for a in (X, Y)] + [lam * rng.normal(size=lam.shape)]
    points = [[a] for a in data]
    for argument in range(3):
        for step in (-2 * h, -h, h, 2 * h):
            for other in range(3):
                points[other].append(data[other] + (step * directions[other] if other == argument else 0))
    solution = solve_lasso_designs(*(np.concatenate(p) for p in points))
    # a kink closer than the differences reach: their first-order change of the level, with room to spare
    far = np.asarray(solution.kink_margin)[:count].min(axis=1) > 50 * h
    assert far.mean() > 0.5, "too many problems skipped"
    coef = np.asarray(solution.coef)[count:]
    values = (coef.reshape(3, 4, count, predictors, targets) * G).sum(axis=(3, 4))
    differences = (values[:, 0] - 8 * values[:, 1] + 8 * values[:, 2] - values[:, 3]) / (12 * h)
    for argument, gradient in enumerate(pullback_designs_jitted(*data, G)):
        axes = tuple(range(1, gradient.ndim))
        slope = np.asarray((gradient * directions[argument]).sum(axis=axes))
        # relative to the gradient's length: along one direction it may vanish
        size = np.linalg.norm(gradient.reshape(count, -1), axis=1)
        error = np.abs(slope - differences[argument])[far] / np.maximum(size, 1e-3 * np.abs(slope))[far]
        assert np.median(error) <= 1e-9
        assert error.max() <= 1e-6


def test_exact_identities(x64, rng):
    """With more than 16 active of 40 rows; test_lasso_twins.py has a smaller problem, and wrong rules."""
    X, Y = ref.gaussian(31, 40, 80, 10)
    found = broken_identities(jax.jit(solve_lasso), X, Y, 0.02 * np.ones(10), rng.normal(size=(80, 10)))
    assert found == []


def broken_identities(solve, X, Y, lam, G, tol=1e-10):
    """Names of the identities that the gradients of `solve` do not satisfy.

    The coefficients are homogeneous in (y, lam), of degree one, and in (X, y, lam -> t^2 lam), of degree zero;
    they do not change with a rotation of the rows; the divergence of the fit is the number of active
    predictors; the optimal objective falls with lam at the rate ||b||_1.
    """
    coef, pull = jax.vjp(lambda *data: solve(*data).coef, X, Y, lam)
    grad_X, grad_Y, grad_lam = (np.asarray(g) for g in pull(jnp.asarray(G)))
    coef = np.asarray(coef)
    found = []

    def expect(name, left, right, size):
        if not np.abs(left - right).max() <= tol * size:
            found.append(name)

    by_y, by_lam = (Y * grad_Y).sum(axis=0), lam * grad_lam
    size = np.abs(Y * grad_Y).sum()
    expect("degree one in (y, lam)", by_y + by_lam, (G * coef).sum(axis=0), size)
    expect("degree zero in (X, y, lam)", (X * grad_X).sum() + by_y.sum() + 2 * by_lam.sum(), 0, size)
    turn = grad_X @ X.T + grad_Y @ Y.T
    expect("rotation of rows", turn, turn.T, np.abs(turn).max())

    # the fit of target 0 in row n has the cotangent x_n for its coefficients; its own target's share of that is
    # d(X b)_n / d y_n
    cotangents = np.zeros((len(X), *coef.shape))
    cotangents[:, :, 0] = X
    rows = np.arange(len(X))
    divergence = np.asarray(jax.vmap(pull)(jnp.asarray(cotangents))[1])[rows, rows, 0].sum()
    expect("degrees of freedom", divergence, np.count_nonzero(coef[:, 0]), coef.shape[0])

    # the objective depends on lam by itself, ||b||_1, and through b, which must add nothing at an optimum
    slope = lam * np.sign(coef) - X.T @ (Y - X @ coef) / len(X)
    by_coef, l1 = np.asarray(pull(jnp.asarray(slope))[2]), np.abs(coef).sum(axis=0)
    expect("fall of the objective", l1 + by_coef, l1, l1.max())
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_gradient_at_lam_max_and_above(dtype):
    X, Y = (a.astype(dtype) for a in ref.gaussian(32, 7, 6, 4))
    with ref.precision_of(dtype):
        for factor in (1.0, 1.5):
            for gradient in pullback_jitted(X, Y, dtype(factor) * lam_max(X, Y), np.ones((6, 4), dtype)):
                assert gradient.dtype == dtype
                assert not np.asarray(gradient).any()


def test_inactive_predictors_have_no_gradient(x64, rng):
    """dX = r v' - (X v) b' vanishes in their columns, exactly, and nowhere else."""
    X, Y = ref.gaussian(33, 12, 20, 1)
    y, lam = Y[:, 0], np.float64(0.1)  # the shapes of the next test's targets: one program for both
    coef = np.asarray(solve_lasso(X, y, lam).coef)
    grad_X, _, _ = pullback_jitted(X, y, lam, rng.normal(size=20))
    np.testing.assert_array_equal(np.asarray(grad_X).any(axis=0), coef != 0)


def test_a_batch_equals_the_sum_over_a_loop(x64, rng):
    X, Y = ref.gaussian(34, 12, 20, 6)
    lam, G = np.geomspace(0.3, 0.01, 6), rng.normal(size=(20, 6))
    grad_X, grad_Y, grad_lam = pullback_jitted(X, Y, lam, G)
    alone = [pullback_jitted(X, Y[:, k], lam[k], G[:, k]) for k in range(6)]
    tol = {"rtol": 0, "atol": 1e-10 * float(jnp.abs(grad_X).max())}
    np.testing.assert_allclose(grad_X, sum(one[0] for one in alone), **tol)
    np.testing.assert_allclose(grad_Y, np.stack([one[1] for one in alone], axis=1), **tol)
    np.testing.assert_allclose(grad_lam, [one[2] for one in alone], **tol)
    # one strength for all of them collects their gradients
    shared, by_target = pullback_jitted(X, Y, 0.05, G)[2], pullback_jitted(X, Y, np.full(6, 0.05), G)[2]
    assert by_target.shape == (6,)
    np.testing.assert_allclose(shared, by_target.sum(), rtol=1e-10)


def test_transformations_agree(x64, rng):
    """jit, vmap and scan around the gradient, and the gradient around jit, vmap and scan."""
    X, Y = rng.normal(size=(3, 12, 20)), rng.normal(size=(3, 12, 2))
    lam, G = np.array([0.3, 0.1, 0.02]), rng.normal(size=(20, 2))
    loop = [pullback_jitted(X[d], Y[d], lam[d], G) for d in range(3)]
    expected = [np.stack([one[i] for one in loop]) for i in range(3)]

    def scanned(X, Y, lam):
        body = lambda total, data: (total + (G * solve_lasso(*data).coef).sum(), None)  # noqa: E731
        return lax.scan(body, 0.0, (X, Y, lam))[0]

    ways = {
        "jit of vmap of grad": jax.jit(jax.vmap(pullback, in_axes=(0, 0, 0, None)))(X, Y, lam, G),
        "jit of grad of scan": jax.jit(jax.grad(scanned, (0, 1, 2)))(X, Y, lam),
        "designs": (*pullback_designs_jitted(X, Y, lam[:, None], G)[:2], expected[2]),
    }
    for way, gradients in ways.items():
        for got, want in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-11 * np.abs(want).max(), err_msg=way)


def test_inside_a_larger_loss(x64, rng):
    """The solver between two networks' worth of other operations, against central differences."""
    data, weights = rng.normal(size=(30, 10)), rng.normal(size=(10, 6))

    @jax.jit
    def loss(weights):
        latents = jnp.tanh(data @ weights)
        coef = solve_lasso(latents[:-1], latents[1:], 0.01).coef
        return jnp.square(latents[1:] - latents[:-1] @ coef).mean() + 0.1 * jnp.abs(coef).sum()

    direction, h = rng.normal(size=weights.shape), 1e-5
    slope = (jax.grad(loss)(weights) * direction).sum()
    at = [float(loss(weights + step * h * direction)) for step in (-2, -1, 1, 2)]
    np.testing.assert_allclose(slope, (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h), rtol=1e-8)


def test_float32_agrees_with_float64(rng):
    X, Y = (a.astype(np.float32) for a in ref.gaussian(35, 12, 20, 6))
    lam, G = np.float32(0.1), rng.normal(size=(20, 6)).astype(np.float32)
    single = pullback_jitted(X, Y, lam, G)
    with jax.enable_x64(True):
        double = pullback_jitted(*(np.asarray(a, np.float64) for a in (X, Y, lam, G)))
    for got, want in zip(single, double, strict=True):
        assert got.dtype == jnp.float32
        off = np.linalg.norm(np.asarray(got) - np.asarray(want)) / np.linalg.norm(want)
        assert off <= 1e-4


def test_a_capped_target_holds_its_level_constant(x64, rng):
    X, Y = ref.gaussian(36, 12, 20, 10)
    lam, G = np.full(10, 0.02), rng.normal(size=(20, 10))
    lam[7] = 0.9 * np.abs(X.T @ Y[:, 7]).max() / 12
    capped = lambda *data: (G * solve_lasso(*data, max_active=6).coef).sum()  # noqa: E731
    grad_X, grad_Y, grad_lam = jax.grad(capped, argnums=(0, 1, 2))(X, Y, lam)
    np.testing.assert_array_equal(np.asarray(grad_lam) != 0, np.arange(10) == 7)
    assert np.isfinite(grad_X).all()
    assert np.asarray(grad_Y).any(axis=0).all()


def test_a_broken_target_does_not_spoil_the_gradients_of_others(x64, rng):
    """Its coefficients are NaN; a loss that leaves them out has finite gradients, equal to those without it."""
    X, Y = ref.gaussian(37, 12, 20, 2)
    broken = Y.copy()
    broken[3, 1] = np.nan

    def loss(X, Y):
        coef = solve_lasso(X, Y, 0.1).coef
        return jnp.where(jnp.isnan(coef), 0, coef**2).sum()

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    grad_X, grad_Y = gradient(X, broken)
    alone_X, alone_Y = gradient(X, Y[:, :1])
    np.testing.assert_allclose(grad_X, alone_X, rtol=0, atol=1e-12)
    np.testing.assert_allclose(grad_Y[:, :1], alone_Y, rtol=0, atol=1e-12)
    assert not np.asarray(grad_Y)[:, 1].any()


def test_only_the_coefficients_carry_a_gradient(x64):
    X, Y = ref.gaussian(37, 12, 20, 2)

    @jax.grad
    def gradient(Y):
        solution = solve_lasso(X, Y, 0.1)
        return (solution.gap + solution.lam_reached + solution.kink_margin).sum()

    assert not np.asarray(gradient(jnp.asarray(Y))).any()


def test_forward_mode_is_refused_clearly(x64):
    X, Y = ref.gaussian(37, 12, 20, 2)
    with pytest.raises(TypeError, match=r"forward-mode.*custom_vjp"):
        jax.jvp(lambda Y: solve_lasso(X, Y, 0.1).coef, (jnp.asarray(Y),), (jnp.asarray(Y),))
