"""The derivative of knots and coefficients: central differences, exact identities, and rules with one thing wrong."""

import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import lasso_references as ref
import numpy as np
import pytest
from test_lasso_path import TALL, WIDE, problem
from test_lasso_programs import LAPACK, equations

import lassovae.lasso._path_rule as rule
from lassovae import Status
from lassovae.lasso._path import lasso_path, lasso_path_gram, path_at
from lassovae.lasso._path_data import Design
from lassovae.lasso._path_rule import PathOptions

KNOTS = 60


def weighted(path, by_lam, by_coef):
    """What is differentiated: a random combination of everything on the path."""
    return (path.lams * by_lam).sum() + (path.coefs * by_coef).sum()


def cotangents(rng, predictors):
    return rng.normal(size=KNOTS), rng.normal(size=(KNOTS, predictors))


def central_difference(f, arguments, which, direction, h):
    values = []
    for step in (-2, -1, 1, 2):
        moved = list(arguments)
        moved[which] = arguments[which] + step * h * direction
        values.append(f(*moved))
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)


@pytest.mark.parametrize("kind", ["weights", "positive gram"])
def test_central_differences(x64, rng, kind):
    """With the four-point rule along a random direction: its error is h^4 and eps / h."""
    X, y = problem(40, WIDE)
    by = cotangents(rng, 20)

    def path_of(*data):
        if kind == "positive gram":
            return lasso_path_gram(data[0], data[1], 12, lam_min=data[2], positive=True, max_knots=KNOTS)
        *data, lam_min, weights = data
        return lasso_path(*data, weights=weights, lam_min=lam_min, max_knots=KNOTS)

    @jax.jit
    def both(*data):
        def scalar(*data):
            path = path_of(*data)
            return weighted(path, *by), path

        return jax.value_and_grad(scalar, argnums=tuple(range(len(data))), has_aux=True)(*data)

    data = (
        (X.T @ X, X.T @ y, np.float64(0.02))
        if kind == "positive gram"
        else (X, y, np.float64(0.02), rng.uniform(0.5, 2, 20))
    )
    (_, path), gradients = both(*data)
    assert int(path.status) == Status.OK
    assert 6 <= int(path.num_knots) < KNOTS
    for which, gradient in enumerate(gradients):
        direction = rng.normal(size=data[which].shape) * (0.01 if which == 2 else 1)
        difference = central_difference(lambda *a: float(both(*a)[0][0]), data, which, direction, 1e-5)
        size = np.linalg.norm(gradient)
        assert abs((gradient * direction).sum() - difference) <= 1e-7 * max(size, abs(difference))
    if kind == "positive gram":
        assert (gradients[0] == gradients[0].T).all()


def broken_identities(pull_back, X, y, w, by_lam, by_coef, tol=1e-11):
    """Names of the identities that do not hold, at every knot together: for random cotangents, down to lam = 0.

    The path is homogeneous: (X, y, w) -> lams, coefs. y -> t y gives t lams, t coefs; X -> t X gives t lams,
    coefs / t; w -> t w gives lams / t; column j and its weight times t give coef_j / t. A rotation of the rows
    changes nothing.
    """
    (lams, coefs), (grad_X, grad_y, grad_w) = pull_back(X, y, w, by_lam, by_coef)
    lams, coefs, grad_X, grad_y, grad_w = map(np.asarray, (lams, coefs, grad_X, grad_y, grad_w))
    of_lams, of_coefs = (lams * by_lam).sum(), (coefs * by_coef).sum(axis=0)
    found = []

    def expect(name, left, right, size):
        if not np.abs(left - right).max() <= tol * size:
            found.append(name)

    expect("scale of y", y @ grad_y, of_lams + of_coefs.sum(), np.abs(y * grad_y).sum())
    expect("scale of X", (X * grad_X).sum(), of_lams - of_coefs.sum(), np.abs(X * grad_X).sum())
    expect("scale of w", w @ grad_w, -of_lams, np.abs(w * grad_w).sum())
    by_column = (X * grad_X).sum(axis=0) + w * grad_w
    expect("scale of a column", by_column, -of_coefs, np.abs(X * grad_X).sum())
    turn = grad_X @ X.T + np.outer(grad_y, y)
    expect("rotation of rows", turn, turn.T, np.abs(turn).max())
    return found


@jax.jit
def pull_back(X, y, w, by_lam, by_coef):
    def path_of(X, y, w):
        path = lasso_path(X, y, weights=w, max_knots=KNOTS)
        return path.lams, path.coefs

    values, pull = jax.vjp(path_of, X, y, w)
    return values, pull((by_lam, by_coef))


def test_exact_identities(x64, rng):
    for seed in range(5):
        X, y = problem(41 + seed, WIDE)
        data = (X, y, rng.uniform(0.5, 2, size=20), *cotangents(rng, 20))
        assert broken_identities(pull_back, *data) == []
    # one knot at a time: <y, dlam_k / dy> = lam_k
    lams = np.asarray(pull_back(*data)[0][0])
    for k in range(KNOTS):
        gradient = pull_back(*data[:3], np.eye(KNOTS)[k], np.zeros((KNOTS, 20)))[1][1]
        assert abs(y @ gradient - lams[k]) <= 1e-12 * lams[0]


TWINS = {
    None: (),
    "sign of the level": ('- dot("i,i->", g, trail.direction)', '+ dot("i,i->", g, trail.direction)'),
    "sign of kappa": ("along / turn.kappa", "-along / turn.kappa"),
    "sign of dw": ("by_bar - level", "by_bar + level"),
    "M^-1 left out": ("spread(trail, solve_active(data, trail, g))", "spread(trail, g)"),
}


@pytest.mark.parametrize("twin", TWINS)
def test_a_broken_rule_breaks_an_identity(x64, monkeypatch, rng, twin):
    source = Path(rule.__file__).read_text(encoding="utf-8")
    if twin:
        text, replacement = TWINS[twin]
        assert source.count(text) == 1
        source = source.replace(text, replacement)
    copy = types.ModuleType("lassovae_broken_path_rule")
    monkeypatch.setitem(sys.modules, copy.__name__, copy)
    exec(compile(source, copy.__name__, "exec"), copy.__dict__)
    X, Y = ref.gaussian(50, 4, 3, 1)

    @jax.jit
    def pull_back(X, y, w, by_lam, by_coef):
        def path_of(X, y, w):
            padded = Design(jnp.pad(X, ((0, 0), (0, 61))), y)
            bar = jnp.pad(w, (0, 61), constant_values=1)
            path = copy.follow(padded, bar, jnp.asarray(0.0), PathOptions(6, 3, False, False))
            last = jnp.minimum(jnp.arange(6), path.num_knots - 1)
            return path.levels[last], path.coefs[last, :3]

        values, pull = jax.vjp(path_of, X, y, w)
        return values, pull((by_lam, by_coef))

    data = (X, Y[:, 0], np.array([0.7, 1.0, 1.3]), rng.normal(size=6), rng.normal(size=(6, 3)))
    assert bool(broken_identities(pull_back, *data)) == bool(twin)


def test_between_knots_it_is_the_solution_of_the_active_set(x64, rng):
    """The derivative through the knots on both sides is that of b_A = M^-1 (X_A'y - C s)."""
    X, y = problem(51, TALL)
    lams = np.asarray(lasso_path(X, y).lams)
    g = rng.normal(size=8)

    @jax.jit
    def gradients(X, y, lam):
        return jax.grad(lambda X, y, lam: g @ path_at(lasso_path(X, y), lam), argnums=(0, 1, 2))(X, y, lam)

    for k in range(5):
        lam = 0.3 * lams[k] + 0.7 * lams[k + 1]
        b = ref.coordinate_descent(X, y, lam)
        A = b != 0
        v = np.zeros(8)
        v[A] = np.linalg.solve(X[:, A].T @ X[:, A], g[A])
        expected = (np.outer(y - X @ b, v) - np.outer(X @ v, b), X @ v, -20 * np.sign(b) @ v)
        for found, right in zip(gradients(X, y, lam), expected, strict=True):
            assert np.abs(found - right).max() <= 1e-11 * np.abs(right).max()
    found = gradients(X, y, 1.1 * lams[0])
    assert not any(np.asarray(part).any() for part in found)


def test_where_the_path_is_cut_short_or_not_smooth(x64, rng):
    X, y = problem(52, WIDE)

    def total(y, X):
        path = lasso_path(X, y, max_knots=4)
        return weighted(path, 1.0, 1.0), path

    both = jax.jit(jax.value_and_grad(total, has_aux=True))

    def gradient(X, y):
        return both(y, X)[1]

    (value, path), by_y = both(y, X)
    assert int(path.status) == Status.MAX_EVENTS
    assert abs(y @ by_y - value) <= 1e-12 * np.abs(path.coefs).sum()
    assert not np.asarray(gradient(X, 0 * y)).any()
    y[0] = np.nan
    assert np.isfinite(gradient(X, y)).all()
    # all predictors join at once: the first of them counts
    tied = gradient(np.eye(12, 20), np.ones(12))
    assert np.isfinite(tied).all()
    assert abs(tied.sum() - 12 * 3 - 1 / 12) <= 1e-12


def test_batches_precision_and_what_is_compiled():
    X, Y = ref.gaussian(53, *WIDE, 2)
    Y = Y.T

    def gradient(X, y):
        def total(X, y):
            path = lasso_path(X, y)
            return (path.coefs**2).sum() + path.lams.sum()

        return jax.grad(total, argnums=(0, 1))(X, y)

    mapped = jax.jit(jax.vmap(gradient, in_axes=(None, 0)))(X.astype(np.float32), Y.astype(np.float32))
    with jax.enable_x64(True):
        exact = jax.jit(gradient)
        for i in range(2):
            for one, all_ in zip(exact(X, Y[i]), mapped, strict=True):
                assert all_.dtype == np.float32
                assert np.abs(one - np.asarray(all_[i])).max() <= 1e-3 * np.abs(one).max()
        used = {e.primitive.name for e in equations(jax.make_jaxpr(gradient)(X, Y[0]).jaxpr)}
    assert "while" in used
    assert not used & LAPACK
