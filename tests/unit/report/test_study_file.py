"""A frozen spec as TOML: what is written reads back as what was frozen."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from nas.report.study_file import study_file

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts
tables = st.recursive(
    st.dictionaries(texts, values | st.lists(values, max_size=3), max_size=4),
    lambda below: st.dictionaries(texts, values | below | st.lists(below, min_size=1, max_size=3), max_size=4),
    max_leaves=8,
)


@given(tables)
def test_reads_back_as_it_was(spec: dict[str, object]) -> None:
    assert tomllib.loads(study_file(spec)) == spec


@given(tables)
def test_is_plain_ascii_without_control_characters(spec: dict[str, object]) -> None:
    assert all(character == "\n" or " " <= character <= "~" for character in study_file(spec))


def test_a_key_without_a_value_is_left_out() -> None:
    assert study_file({"study": {"name": "a", "warm_start": None}}) == '[study]\nname = "a"\n'


def test_networks_to_begin_with_are_kept_and_none_are_left_out() -> None:
    assert study_file({"study": {"name": "a", "enqueue": []}}) == '[study]\nname = "a"\n'
    assert study_file({"study": {"enqueue": ["efficientnet_v2_s"]}}) == '[study]\nenqueue = ["efficientnet_v2_s"]\n'


def test_stages_are_an_array_of_tables() -> None:
    spec = {"stages": [{"block": "conv", "mbconv": {"kernel": [3, 5]}}, {"block": "mbconv"}]}
    text = study_file(spec)
    assert text.count("[[stages]]") == 2
    assert tomllib.loads(text) == spec


def test_one_choice_is_written_bare_and_what_is_empty_is_left_out() -> None:
    spec = {"plugins": [], "network": {"act": ["relu"], "stem": {"channels": [8, 16]}}, "columns": {}}
    assert study_file(spec) == '[network]\nact = "relu"\n\n[network.stem]\nchannels = [8, 16]\n'
