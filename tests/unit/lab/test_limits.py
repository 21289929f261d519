from __future__ import annotations

import pytest

from picluster.errors import InputError
from picluster.lab.limits import parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "size"), [("1GiB", 1 << 30), ("512MiB", 512 << 20), ("1.5G", 3 << 29), ("64k", 1 << 16)]
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text, "--memory") == size


@pytest.mark.parametrize(("text", "rate"), [("940mbit", 940_000_000), ("1gbit", 10**9), ("2.5Mbit", 2_500_000)])
def test_rates_are_powers_of_1000(text: str, rate: int) -> None:
    assert parse_rate(text, "--rate") == rate


@pytest.mark.parametrize("text", ["", "1", "GiB", "0GiB", "-1GiB", "1GB/s", "1 TB", "nan"])
def test_what_is_no_amount_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(InputError, match="--memory"):
        parse_size(text, "--memory")
    with pytest.raises(InputError, match="--rate"):
        parse_rate(text, "--rate")
