"""Other lasso solvers under one call: `solve(X, Y, lam, tol, prepared)`, one lam for all targets.

All minimise (1/(2n)) ||y - X b||^2 + lam ||b||_1 without an intercept; SPAMS states it n times larger. Each is
imported only when asked for, outside of the timed calls, and is given the memory order it asks for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np


class Peer(NamedTuple):
    """Another solver.

    Attributes:
        needs: the module to import; the package to install.
        make: number of threads -> solve(X, Y, lam, tol, prepared), both arrays in Fortran order.
        batched: solves all targets in one call; others are looped over a subset of the targets.
        iterative: works to a tolerance, which is chosen for it; the others ignore `tol`.
        prepare: what is computed once for all targets of a design, from X.
        dtype: of the arrays it is given.
    """

    needs: tuple[str, str]
    make: Callable[[int], Callable[..., np.ndarray]]
    batched: bool = False
    iterative: bool = False
    prepare: Callable[[np.ndarray], np.ndarray] | None = None
    dtype: str = "float64"

    def installed(self) -> bool:
        """Whether its module can be found."""
        return find_spec(self.needs[0]) is not None


def _spams(threads: int):
    import spams

    def solve(X, Y, lam, tol, prepared):
        return spams.lasso(Y, D=X, lambda1=len(X) * lam, mode=2, numThreads=threads)

    return solve


def _lars_path_gram(threads: int):
    from sklearn.linear_model import lars_path_gram

    def solve(X, Y, lam, tol, gram):
        coef = np.empty((X.shape[1], Y.shape[1]))
        for k in range(Y.shape[1]):
            coef[:, k] = lars_path_gram(
                X.T @ Y[:, k],
                Gram=gram,
                n_samples=len(X),
                alpha_min=lam,
                max_iter=8 * len(X),
                method="lasso",
                return_path=False,
            )[2]
        return coef

    return solve


def _looped(estimator) -> Callable[..., np.ndarray]:
    """One fit a target of an estimator in scikit-learn's manner; `estimator(X, lam, tol)` makes it."""

    def solve(X, Y, lam, tol, prepared):
        model = estimator(X, lam, tol)
        return np.stack([np.array(model.fit(X, Y[:, k]).coef_).ravel() for k in range(Y.shape[1])], axis=1)

    return solve


def _lasso_lars(threads: int):
    from sklearn.linear_model import LassoLars

    # fit_path=False: the end of the path alone, as the others give; the default cap of 500 events is too low
    return _looped(
        lambda X, lam, tol: LassoLars(
            alpha=lam, fit_intercept=False, precompute=False, max_iter=8 * len(X), fit_path=False
        )
    )


def _celer(threads: int):
    from celer import Lasso

    return _looped(lambda X, lam, tol: Lasso(alpha=lam, fit_intercept=False, tol=tol, max_iter=500))


def _skglm(threads: int):
    from skglm import Lasso

    return _looped(lambda X, lam, tol: Lasso(alpha=lam, fit_intercept=False, tol=tol, max_iter=500))


def quietly(solve: Callable[[], np.ndarray]) -> np.ndarray:
    """A call without the peers' warnings of slow convergence: the gap that is measured says how far they came."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return solve()


def dense(coef) -> np.ndarray:
    """Coefficients as a float64 array; SPAMS gives a sparse matrix."""
    return np.asarray(coef.toarray() if hasattr(coef, "toarray") else coef, np.float64)


PEERS = {
    "spams": Peer(("spams", "spams-bin"), _spams, batched=True),
    "spams-float32": Peer(("spams", "spams-bin"), _spams, batched=True, dtype="float32"),
    "lars_path_gram": Peer(("sklearn", "scikit-learn"), _lars_path_gram, prepare=lambda X: X.T @ X),
    "LassoLars": Peer(("sklearn", "scikit-learn"), _lasso_lars),
    "celer": Peer(("celer", "celer"), _celer, iterative=True),
    "skglm": Peer(("skglm", "skglm"), _skglm, iterative=True),
}
