"""What the compiled programs contain, and that two of them can run at once."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lassovae.lasso import solve_lasso

LAPACK = {
    "cholesky",
    "triangular_solve",
    "lu",
    "qr",
    "geqrf",
    "householder_product",
    "eigh",
    "svd",
    "custom_call",
}

TWO_AT_ONCE = """
import jax, jax.numpy as jnp, numpy as np
from lassovae.lasso import solve_lasso

def loss(X, Y):
    return (solve_lasso(X, Y, 0.05).coef ** 2).sum()

@jax.jit
def both(X, Y):
    return jax.grad(loss)(X[0], Y[0]), jax.grad(loss)(X[1], Y[1])

rng = np.random.default_rng(0)
X = jnp.asarray(rng.normal(size=(2, 40, 80)), jnp.float32)
Y = jnp.asarray(rng.normal(size=(2, 40, 64)), jnp.float32)
first = both(X, Y)
for _ in range(50):
    again = both(X, Y)
    for a, b in zip(first, again):
        assert np.array_equal(a, b)
print("finished")
"""


def equations(jaxpr):
    """Every equation of a jaxpr and of the jaxprs inside its parameters."""
    for equation in jaxpr.eqns:
        yield equation
        waiting = list(equation.params.values())
        while waiting:
            value = waiting.pop()
            if isinstance(value, (tuple, list)):
                waiting.extend(value)
            elif hasattr(value, "eqns"):
                yield from equations(value)
            elif hasattr(value, "jaxpr"):
                yield from equations(value.jaxpr)


def loss(X, Y, lam):
    return (solve_lasso(X, Y, lam).coef ** 2).sum()


ARGUMENTS = (jnp.ones((40, 80)), jnp.ones((40, 3)), jnp.asarray(0.1))
PROGRAMS = {
    "solve": solve_lasso,
    "gradient": jax.grad(loss, argnums=(0, 1, 2)),
    "vmap of jit": jax.vmap(jax.jit(loss)),
}


def program(name):
    arguments = ARGUMENTS if name != "vmap of jit" else tuple(jnp.stack([a, a]) for a in ARGUMENTS)
    return list(equations(jax.make_jaxpr(PROGRAMS[name])(*arguments).jaxpr))


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_lapack_kernel(name):
    """Batched LAPACK kernels of the CPU runtime deadlock when two run at once on a pool of two threads."""
    names = {equation.primitive.name for equation in program(name)}
    assert "while" in names, "the loop was not found: the walk misses inner jaxprs"
    assert not names & LAPACK


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_product_asks_for_the_highest_precision(name):
    products = [equation for equation in program(name) if equation.primitive.name == "dot_general"]
    assert len(products) > 5
    wanted = (lax.Precision.HIGHEST, lax.Precision.HIGHEST)
    assert [e.params["precision"] for e in products if e.params["precision"] != wanted] == []


def test_the_walk_finds_what_it_looks_for():
    def hidden(x):
        return lax.while_loop(
            lambda s: s.sum() < 0,
            jax.jit(lambda s: lax.cond(s[0, 0] > 0, jnp.linalg.cholesky, jnp.abs, s)),
            x @ x,
        )

    found = list(equations(jax.make_jaxpr(jax.vmap(hidden))(jnp.ones((2, 3, 3))).jaxpr))
    assert "cholesky" in {equation.primitive.name for equation in found}
    assert [e.params["precision"] for e in found if e.primitive.name == "dot_general"] == [None]


def test_two_solves_at_once_finish():
    """In a process of its own, because a deadlock would hang this one."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", TWO_AT_ONCE], capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        pytest.fail("two independent solves in one program did not finish in 120 s: a deadlock")
    assert answer.stdout.strip() == "finished", answer.stderr[-2000:]


def test_shapes_and_dtypes_alone_decide_what_is_compiled():
    """New values, and lam as a Python number or an array, reuse the program."""
    traces = []

    @jax.jit
    def counted(X, Y, lam):
        traces.append(1)
        return solve_lasso(X, Y, lam).coef

    rng = np.random.default_rng(0)
    for lam in (0.1, 0.2, 0.0):
        counted(rng.normal(size=(6, 6)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32), lam)
    assert len(traces) == 1
