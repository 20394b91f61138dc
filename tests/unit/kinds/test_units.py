import pytest

from netpersona.kinds.errors import Refused
from netpersona.kinds.units import Correlation, Duration, Lifetime, Probability, Rate, Size

Quantity = Duration | Rate | Size | Probability


@pytest.mark.parametrize(
    ("kind", "written", "meant"),
    [
        (Duration, "100ms", 100_000_000),
        (Duration, "1.5s", 1_500_000_000),
        (Duration, "10us", 10_000),
        (Duration, "10µs", 10_000),
        (Duration, " 2 min ", 120_000_000_000),
        (Duration, "2m", 120_000_000_000),
        (Duration, "0.4ns", 0),
        (Duration, 0, 0),
        (Duration, "0", 0),
        (Lifetime, "2h", 7_200_000_000_000),
        (Rate, "850kbit", 850_000),
        (Rate, "1.5mbit", 1_500_000),
        (Rate, "1.5 Mbit/s", 1_500_000),
        (Rate, "400gbit", 400_000_000_000),
        (Rate, "2000bit", 2000),
        (Size, 1514, 1514),
        (Size, "15kB", 15_000),
        (Size, "16KiB", 16_384),
        (Probability, "0.5%", 0.005),
        (Probability, "0.005", 0.005),
        (Probability, 0.005, 0.005),
        (Probability, "1%", 0.01),
        (Probability, 1, 1.0),
        (Probability, "1e-3", 0.001),
        (Correlation, "25%", 0.25),
    ],
)
def test_a_quantity_is_read_with_its_one_meaning(kind: type[Quantity], written: object, meant: float) -> None:
    read = kind.parse(written)
    assert read == meant
    assert type(read) is kind


@pytest.mark.parametrize(
    ("kind", "written", "remedy"),
    [
        (Duration, 100, "100ms"),
        (Duration, "100", "100ms"),
        (Duration, "5 parsecs", "ns, us, ms"),
        (Duration, "11min", "0s to 600s"),
        (Duration, "-1ms", "100ms"),
        (Duration, None, "100ms"),
        (Rate, 850, "850kbit"),
        (Rate, "850kbps", "850kbit"),
        (Rate, "850Kibit", "1000 bits"),
        (Rate, "0kbit", "for no limit leave bandwidth out"),
        (Rate, "401gbit", "1kbit to 400gbit"),
        (Size, "15kb", "kB"),
        (Size, 1.5, "15kB"),
        (Size, 0, "1B to"),
        (Probability, 5, "5%"),
        (Probability, "101%", "0.5%"),
        (Probability, -0.1, "0.5%"),
        (Probability, float("nan"), "0.5%"),
        (Probability, "5 ms", "0.5%"),
        (Probability, True, "0.5%"),
        (Correlation, "100%", "below 100%"),
    ],
)
def test_what_is_not_clear_is_refused_with_what_to_write(
    kind: type[Quantity], written: object, remedy: str
) -> None:
    with pytest.raises(Refused) as refused:
        kind.parse(written)
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (Duration(0), "0s"),
        (Duration(1), "1ns"),
        (Duration(1500), "1.5us"),
        (Duration(100_000_123), "100.000123ms"),
        (Duration(90 * 10**9), "90s"),
        (Rate(1000), "1kbit"),
        (Rate(1_500_000), "1.5mbit"),
        (Rate(1_000_001), "1.000001mbit"),
        (Size(1514), "1514B"),
        (Probability(0.005), "0.5%"),
        (Probability(0.01), "1%"),
        (Probability(1 / 3), "33.33333333333333%"),
        (Probability(1e-20), "1e-20"),
    ],
)
def test_a_quantity_is_written_in_one_way_that_reads_back(quantity: Quantity, text: str) -> None:
    assert str(quantity) == f"{quantity}" == text
    assert type(quantity).parse(text) == quantity
