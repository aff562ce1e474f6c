"""What is handed out is never more than there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provenance.scan.purse import REQUESTS, Allowance, Grant, Purse


@given(st.data(), st.integers(0, 5000), st.integers(0, 5000), st.integers(1, 6))
def test_the_sum_of_all_that_is_spent_stays_within(data: st.DataObject, nbytes: int, requests: int, size: int) -> None:
    purse = Purse(Allowance(nbytes=nbytes, requests=requests, per_minute=60), per_target=700)
    under_way: dict[str, Grant] = {}
    spent, asked, number = 0, 0, 0
    for step in range(30):
        workers = data.draw(st.integers(1, size))
        if under_way and data.draw(st.booleans()):
            name, grant = under_way.popitem()
            count = data.draw(st.integers(0, grant.nbytes or 0)), data.draw(st.integers(0, grant.requests or 0))
            assert purse.settle(name, nbytes=count[0], requests=count[1]) == grant
            spent, asked = spent + count[0], asked + count[1]
            continue
        granted = purse.grant(str(step), workers)
        if granted is not None:
            number += 1
            under_way[str(step)] = granted
            assert granted.curtailed == (granted.nbytes < 700 or granted.requests < REQUESTS)  # type: ignore[operator]
        assert spent + sum(each.nbytes or 0 for each in under_way.values()) <= nbytes
        assert asked + sum(each.requests or 0 for each in under_way.values()) <= requests
        assert sum(each.per_minute or 0 for each in under_way.values()) <= 60 * (1 + 1e-6)
    # The first is granted whenever there is anything.
    assert bool(number) == (nbytes > 0 and requests > 0)


def test_what_is_lost_counts_as_spent_and_no_limit_is_none() -> None:
    purse = Purse(Allowance(nbytes=1000), per_target=600)
    first = purse.grant("a", 1)
    assert first == Grant(nbytes=600)
    assert purse.grant("b", 1) is None
    # The worker died: nobody knows what it fetched.
    assert purse.grant("a", 1) == Grant(nbytes=400, curtailed=True)
    purse.settle("a", nbytes=400, requests=1)
    assert purse.grant("c", 1) is None
    assert Purse(Allowance(), per_target=None).grant("a", 8) == Grant()
