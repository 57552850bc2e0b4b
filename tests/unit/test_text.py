"""How others' text and numbers of things are written."""

from __future__ import annotations

import pytest

from nas.text import several


@pytest.mark.parametrize(
    ("number", "thing", "said"),
    [(1, "network", "1 network"), (2, "network", "2 networks"), (0, "pair", "0 pairs"), (1, "pass", "1 pass"),
     (3, "process", "3 processes")],
)
def test_one_thing_is_one_and_several_are_several(number: int, thing: str, said: str) -> None:
    assert several(number, thing) == said
