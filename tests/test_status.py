"""The vocabulary of outcomes, and the one exception that turns it into words."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lassovae._errors import SolveError
from lassovae._status import REMEDY, Status, raise_if_failed


class Record(NamedTuple):
    """Stands for any solver's result: the function reads nothing but `status`."""

    status: object


def test_ok_is_zero_and_every_other_member_is_worse_and_has_a_remedy():
    assert Status.OK == 0
    assert [int(member) for member in Status] == list(range(len(Status)))
    assert set(REMEDY) == set(Status) - {Status.OK}
    assert all(len(remedy) > 20 for remedy in REMEDY.values())


@pytest.mark.parametrize(
    "status",
    [
        0,
        np.int32(0),
        np.zeros(4, np.int32),
        np.zeros((2, 3), np.int32),
        np.zeros(0, np.int32),
        jnp.zeros(3, int),
    ],
    ids=["int", "scalar", "targets", "runs-targets", "no-targets", "jax"],
)
def test_a_good_result_comes_back_itself(status):
    record = Record(status)
    assert raise_if_failed(record) is record


@pytest.mark.parametrize("member", [m for m in Status if m is not Status.OK], ids=lambda m: m.name)
def test_each_failure_is_named_counted_and_given_its_remedy(member):
    status = np.zeros(7, np.int32)
    status[[2, 5]] = member
    with pytest.raises(SolveError) as caught:
        raise_if_failed(Record(status))
    assert str(caught.value) == f"2 of 7 targets {member.name} (first: 2): {REMEDY[member]}"


def test_several_kinds_of_failure_are_all_listed():
    status = jnp.asarray([Status.NON_FINITE, 0, Status.MAX_EVENTS, Status.MAX_EVENTS], jnp.int32)
    with pytest.raises(SolveError) as caught:
        raise_if_failed(Record(status))
    first, second = str(caught.value).split("; ")[0], str(caught.value)
    assert first.startswith("2 of 4 targets MAX_EVENTS (first: 2)")
    assert "1 of 4 targets NON_FINITE (first: 0)" in second
    assert "OK" not in str(caught.value)


def test_a_failure_among_runs_names_run_and_target():
    status = np.zeros((3, 4), np.int32)
    status[1, 3] = Status.ILL_CONDITIONED
    with pytest.raises(SolveError, match=r"1 of 12 targets ILL_CONDITIONED \(first: 1, 3\)"):
        raise_if_failed(Record(status))


def test_a_single_target_may_fail():
    with pytest.raises(SolveError, match=r"1 of 1 targets BAD_ARGUMENT"):
        raise_if_failed(Record(jnp.int32(Status.BAD_ARGUMENT)))


def test_the_record_may_come_from_jit():
    record = jax.jit(lambda x: Record(jnp.where(x > 0, Status.OK, Status.NON_FINITE)))(jnp.ones(2))
    assert raise_if_failed(record) is record
