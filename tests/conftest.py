"""Fixtures that every test may use; the CPU unless JAX_PLATFORMS says otherwise."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # read when jax is imported, so before the imports below
os.environ.setdefault("MPLBACKEND", "Agg")
# Most of the suite's time goes into compiling: what has not changed since the last run is taken from there.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", os.path.join(os.path.dirname(__file__), "..", ".jax_cache")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from compile_flags import FOR_USERS, XLA_FLAGS

# Programs of tests are run once: compiled quickly, in a third of the time. Doctests are compiled as for users.
os.environ.setdefault("XLA_FLAGS", XLA_FLAGS)  # read when JAX first computes

import jax

# They have single tests that take a minute or more: begun last, they would be waited for (`make test` keeps the order).
LONGEST = ("test_example.py", "test_training_devices.py")

# Jobs in the background of a shell ignore Ctrl-C, and what they start does, too; tests are of what it does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DOUBLE_PRECISION = jax.config.jax_enable_x64  # of the process, before any test asks for its own
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings: LASSOVAE_RECORDINGS, or shared/recordings beside the checkout."""
    beside = ROOT.parent / "shared" / "recordings"
    folder = Path(os.environ.get("LASSOVAE_RECORDINGS", beside))
    if not folder.is_dir():
        pytest.skip(
            f"no real recordings at {folder}: they are not part of the project; set LASSOVAE_RECORDINGS to "
            "the folder that holds fmi_2p and thunder_mouse_2p_64px"
        )
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with the same seed in every test, so that tests do not depend on their order."""
    return np.random.default_rng(20260308)


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision within the test, left as it was afterwards."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def skbio_distance() -> ModuleType:
    """skbio.stats.distance; importing it turns double precision on for all of JAX, which is turned back here."""
    from skbio.stats import distance

    jax.config.update("jax_enable_x64", DOUBLE_PRECISION)
    module: ModuleType = distance
    return module


@pytest.fixture
def as_for_users() -> dict[str, int | bool]:
    """compiler_options of `jax.jit` for a claim about rounding: it is that of the programs that users run."""
    return dict(FOR_USERS)


@pytest.fixture(autouse=True, scope="module")
def compiled_programs_are_let_go() -> Iterator[None]:
    """Each keeps memory maps, of which a process may have 65 530: beyond them the compiler dies of a bad pointer."""
    yield
    jax.clear_caches()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
