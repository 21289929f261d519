"""Sums that do not depend on the order of addition."""

import threading
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from picluster.worker.compute.stage import summand
from picluster.worker.wire.links import Links, Mailroom, ring_sum
from tests.unit.worker.fake_engine import TIMEOUT_SECONDS, FakeNetwork

PLACE = (1, 2, 0)
QUANTUM = Fraction(1, 1 << 46)
small_numbers = st.floats(-2, 2, width=32)


def ring(ranks: tuple[int, ...], vectors: list[Tensor], rounded: int = 0) -> list[Links]:
    """One `ring_sum` among threads; the vectors are changed in place."""
    network = FakeNetwork()
    links = [Links(network.engine(rank), Mailroom(), rank) for rank in ranks]

    def work(one: Links, vector: Tensor) -> None:
        ring_sum(one, ranks, vector.numpy(), PLACE, rounded=rounded)
        one.flush()

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in zip(links, vectors, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    return links


@pytest.mark.parametrize("ranks", [(0,), (0, 1), (2, 0, 1), (3, 5, 7, 9), (4, 3, 2, 1, 0)])
@pytest.mark.parametrize("size", [0, 1, 2, 4, 5, 7, 1003])
def test_the_ring_gives_every_worker_the_exact_sum(ranks: tuple[int, ...], size: int) -> None:
    random = torch.Generator().manual_seed(size)
    vectors = [summand(torch.randn(size, generator=random)) for _ in ranks]
    expected = [float(sum(Fraction(vector[at].item()) for vector in vectors)) for at in range(size)]
    ring(ranks, vectors)
    assert [vector.tolist() for vector in vectors] == [expected] * len(ranks)


@pytest.mark.parametrize("ranks", [(0, 1), (2, 0, 1), (4, 3, 2, 1, 0)])
@pytest.mark.parametrize("rounded", [0, 1, 5, 6, 7, 1001, 1003])
def test_some_sums_come_rounded_to_every_worker_and_all_others_exact(ranks: tuple[int, ...], rounded: int) -> None:
    random = torch.Generator().manual_seed(rounded)
    vectors = [summand(torch.randn(1003, generator=random)) for _ in ranks]
    exact = torch.stack(vectors).sum(0)
    expected = torch.cat([exact[:rounded].float().double(), exact[rounded:]])
    ring(ranks, vectors, rounded)
    assert all(torch.equal(vector, expected) for vector in vectors)
    assert rounded == 0 or not torch.equal(exact, expected)


@pytest.mark.parametrize(("rounded", "bytes_a_value"), [(False, 16), (True, 12)])
@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5])
def test_each_worker_sends_and_receives_what_the_ring_promises(workers: int, rounded: bool, bytes_a_value: int) -> None:
    size = 60 * workers
    vectors = [torch.zeros(size, dtype=torch.float64) for _ in range(workers)]
    for links in ring(tuple(range(workers)), vectors, size if rounded else 0):
        promised = (workers - 1) * size * bytes_a_value // workers
        assert sum(links.clock.sent_payload_to.values()) == links.clock.received_payload_bytes == promised


@given(numbers=st.lists(small_numbers, min_size=1, max_size=50), data=st.data())
def test_sums_of_summands_are_exact_in_any_order_and_grouping(numbers: list[float], data: st.DataObject) -> None:
    rounded = [value.item() for value in summand(torch.tensor(numbers))]
    exact = sum(map(Fraction, rounded))
    terms = data.draw(st.permutations(rounded))
    while len(terms) > 1:
        at = data.draw(st.integers(0, len(terms) - 2)) if len(terms) < 8 else len(terms) // 2
        terms[at : at + 2] = [terms[at] + terms[at + 1]]
    assert Fraction(terms[0]) == exact


def test_sums_are_exact_up_to_the_promised_size() -> None:
    just_below_32 = 32 - 2.0**-46
    values = summand(torch.tensor([just_below_32] * 4, dtype=torch.float64))
    assert Fraction(values.sum().item()) == 4 * Fraction(just_below_32)


@given(value=st.floats(-32, 32, exclude_min=True, exclude_max=True))
def test_rounding_costs_at_most_half_a_quantum_and_gives_multiples_of_it(value: float) -> None:
    rounded = Fraction(summand(torch.tensor([value], dtype=torch.float64)).item())
    assert abs(rounded - Fraction(value)) <= QUANTUM / 2
    assert (rounded / QUANTUM).denominator == 1


@given(value=small_numbers)
def test_summands_are_fp64_and_symmetric(value: float) -> None:
    positive, negative = summand(torch.tensor([value])), summand(torch.tensor([-value]))
    assert positive.dtype == torch.float64
    assert torch.equal(positive, -negative)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [(float("inf"), float("-inf")), (float("nan"), 1.0), (1e300, 1e300)])
def test_sums_that_are_no_number_or_too_large_are_passed_on_without_a_word(values: tuple[float, float]) -> None:
    vectors = [torch.full((4,), value, dtype=torch.float64) for value in values]
    expected = sum(vectors).float().double()  # type: ignore[union-attr]
    ring((0, 1), vectors, rounded=4)
    assert all(torch.equal(vector.nan_to_num(7), expected.nan_to_num(7)) for vector in vectors)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(value: float) -> None:
    assert not summand(torch.tensor([value])).isfinite().any()
