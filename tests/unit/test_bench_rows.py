"""A figure says no when its bound is missed, and not when chance alone may have missed it."""

import pytest
from lab.rows import Figure


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("time", 2.0, "ms", upper=1.5), False),
        (Figure("time", 1.5, "ms", upper=1.5), True),
        (Figure("share", 0.97, "of bare", lower=0.98), False),
        (Figure("share", 0.97, "of bare", lower=0.98, within=(0.95, 0.99)), True),
        (Figure("share", 0.90, "of bare", lower=0.98, within=(0.88, 0.97)), False),
        (Figure("time", 2.0, "ms", upper=1.5, within=(1.4, 2.6)), True),
        (Figure("time", 2.0, "ms", upper=1.5, within=(1.6, 2.6)), False),
        (Figure("time", 2.0, "ms"), None),
    ],
)
def test_a_bound_is_missed_where_all_of_the_interval_is_beyond(figure: Figure, holds: bool | None) -> None:
    assert figure.holds is holds
