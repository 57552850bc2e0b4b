"""Architectures as values: their text is strict and read back exactly, and every wrong value is named."""

from __future__ import annotations

import hashlib
import pickle
import re
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas
from nas.arch import MAX_REPEATS, MAX_SIZE, MAX_TEXT, STAGE_KEYS, kernel_size
from nas.choices import MAX_WHOLE, Choice, Params

WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
KERNELS = st.one_of(
    st.integers(0, 20).map(lambda half: 2 * half + 1),
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda halves: f"{2 * halves[0] + 1}x{2 * halves[1] + 1}"),
)
CHOICES = st.one_of(
    st.none(), st.booleans(), st.integers(-MAX_WHOLE, MAX_WHOLE), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12), st.sampled_from(["1x7", "none", ")", "(", '"', "\\", ",", "a=b", " ", "head(", "\n"]),
)
SIZES = st.integers(1, MAX_SIZE)
RATES = st.floats(0, 0.999)
STEMS = st.builds(nas.Stem, SIZES, KERNELS, st.sampled_from([1, 2]), st.booleans(), st.text(max_size=12))
HEADS = st.builds(nas.Head, st.integers(0, MAX_SIZE), st.integers(0, MAX_SIZE), RATES, st.text(max_size=12))
NORMS = st.builds(nas.Norm, st.floats(1e-12, 1), st.floats(0, 1))
STAGES = st.builds(
    nas.Stage, WORDS, SIZES, st.integers(1, MAX_REPEATS), SIZES, st.sampled_from([1, 2]),
    st.dictionaries(WORDS.filter(lambda name: name not in STAGE_KEYS), CHOICES, max_size=6).map(Params),
)
ARCHITECTURES = st.builds(
    nas.Architecture, st.tuples(SIZES, SIZES, SIZES), st.lists(STAGES, max_size=5).map(tuple), STEMS, HEADS, SIZES,
    st.text(max_size=12), NORMS, RATES,
)

ROWS = [[2, 3, 1, 1, 24, 24, 0, 0], [4, 3, 2, 4, 24, 48, 0, 0], [4, 3, 2, 4, 48, 64, 0, 0], [6, 3, 2, 4, 64, 128, 1, 0.25],
        [9, 3, 1, 6, 128, 160, 1, 0.25], [15, 3, 2, 6, 160, 256, 1, 0.25]]
TEXT = (
    "input(1x8x8) net(act=silu,drop_path=0.2,norm_eps=0.001,norm_momentum=0.1) "
    "stem(channels=8,kernel=3,stride=2,pool=false,act=silu) "
    'conv@1(repeats=2,channels=16,stride=2,act=none,kernel="1x7") '
    "head(channels=1280,hidden=0,dropout=0.2,act=silu) classes(10)"
)
ARCH = nas.Architecture(
    (1, 8, 8), (nas.Stage("conv", 1, 2, 16, 2, Params({"kernel": "1x7", "act": None})),), nas.Stem(8), classes=10
)


@given(ARCHITECTURES)
def test_an_architecture_is_read_back_from_its_text(arch: nas.Architecture) -> None:
    again = nas.Architecture.parse(str(arch))
    assert again == arch
    assert again.arch_id == arch.arch_id
    assert str(again) == str(arch)


@given(ARCHITECTURES, ARCHITECTURES)
def test_different_architectures_have_different_texts(one: nas.Architecture, other: nas.Architecture) -> None:
    assert (one.text == other.text) == (one == other)


@given(ARCHITECTURES)
def test_the_text_is_one_line_of_printable_ascii_and_white_space_around_its_tokens_means_nothing(
    arch: nas.Architecture,
) -> None:
    assert re.fullmatch(r"[ -~]+", arch.text)
    assert nas.Architecture.parse(f"\n {arch.text}\t\n") == arch


@given(ARCHITECTURES, st.data())
def test_a_text_with_a_character_missing_is_refused_or_means_an_architecture_that_is_read_back(
    arch: nas.Architecture, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(arch.text) - 1))
    try:
        other = nas.Architecture.parse(arch.text[:place] + arch.text[place + 1 :])
    except nas.SpecError:
        return
    assert nas.Architecture.parse(other.text) == other


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_spec_error(text: str) -> None:
    with pytest.raises(nas.SpecError):
        nas.Architecture.parse(text)


def test_the_text_writes_everything_out_in_a_fixed_order() -> None:
    assert str(ARCH) == TEXT


def test_the_largest_sizes_are_read_back() -> None:
    stage = nas.Stage("conv", MAX_SIZE, MAX_REPEATS, MAX_SIZE, 2, {"n": MAX_WHOLE})
    arch = nas.Architecture((MAX_SIZE,) * 3, (stage,), nas.Stem(MAX_SIZE), nas.Head(MAX_SIZE, MAX_SIZE), MAX_SIZE)
    assert nas.Architecture.parse(arch.text) == arch


def test_arch_id_is_12_hex_digits_of_the_text_s_sha256() -> None:
    assert ARCH.arch_id == hashlib.sha256(TEXT.encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    "other",
    [
        replace(ARCH, input_shape=(1, 8, 16)), replace(ARCH, classes=11), replace(ARCH, act="relu"),
        replace(ARCH, norm=nas.Norm(1e-5)), replace(ARCH, drop_path=0), replace(ARCH, stem=nas.Stem(8, 5)),
        replace(ARCH, head=nas.Head(64)), replace(ARCH, stages=()), replace(ARCH, stages=ARCH.stages * 2),
        replace(ARCH, stages=(replace(ARCH.stages[0], version=2),)),
        replace(ARCH, stages=(replace(ARCH.stages[0], params=Params({"kernel": "7x1", "act": None})),)),
    ],
)
def test_whatever_changes_the_network_changes_arch_id(other: nas.Architecture) -> None:
    assert other.arch_id != ARCH.arch_id
    assert other != ARCH


def test_4_and_4_0_are_one_architecture() -> None:
    stages = [nas.Stage("mbconv", 1, 1, 8, 1, {"expand": expand}) for expand in (4, 4.0, np.float64(4))]
    ids = {nas.Architecture((1, 8, 8), (stage,)).arch_id for stage in stages}
    assert len(ids) == 1


def test_architectures_are_frozen_and_hashable_and_survive_pickling() -> None:
    with pytest.raises(FrozenInstanceError):
        ARCH.classes = 3  # type: ignore[misc]
    assert {ARCH: 1}[nas.Architecture.parse(TEXT)] == 1
    assert pickle.loads(pickle.dumps(ARCH)) == ARCH


def test_plain_lists_and_dicts_become_the_frozen_values_that_they_mean() -> None:
    loose = nas.Architecture(
        [1, 8, 8], [nas.Stage("conv", 1, 2, 16, 2, {"kernel": "1x7", "act": None})], nas.Stem(8), classes=10  # type: ignore[arg-type]
    )
    assert loose == ARCH
    assert hash(loose) == hash(ARCH)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("input(1x8x8) ", "", "is written as input(...) net(...) stem(...) block@version(...) ... head(...) classes(...)"),
        (" classes(10)", "", "is written as"),
        (" classes(10)", " classes(10) classes(10)", "is written as"),
        ("input(1x8x8) net(", "net(", "is written as"),
        ("conv@1(", "conv(", "is written as"),
        ("classes(10)", "classes(10) tail(1)", "is written as"),
        ("head(", "conv@1(repeats=1,channels=8,stride=1) stem(", "is written as"),
        ("input(1x8x8)", "input(8x8)", "such as input(3x224x224)"),
        ("input(1x8x8)", "input(1x8x-8)", "such as input(3x224x224)"),
        ("input(1x8x8)", "input(1x8x0)", "input_shape must be a whole number from 1 to 1000000, got 0"),
        ("classes(10)", "classes(ten)", "classes(ten): expected a number"),
        ("classes(10)", "classes(0)", "classes must be a whole number from 1 to 1000000, got 0"),
        ("classes(10)", "classes 10", "not a token of an architecture: 'classes'"),
        ("classes(10)", "classes(10", "not a token of an architecture: 'classes(10'"),
        ("classes(10)", "classes(10))", "not a token of an architecture"),
        ("classes(10)", "Classes(10)", "not a token of an architecture"),
        ("act=silu,drop_path", "drop_path", "net(...): act missing"),
        ("norm_eps=0.001,", "", "net(...): norm_eps missing"),
        ("norm_eps=0.001", "norm_eps=2", "norm.eps must be a number from 1e-12 to 1, got 2"),
        ("norm_eps=0.001", "norm_eps=0.001,norm_eps=0.001", "net(...): norm_eps is given twice"),
        ("net(act=silu", "net(act=3", "net(...): act: expected the name of an activation, got 3"),
        ("net(act=silu", "net(act=", "net(...): expected key=value at 'act=,"),
        ("net(act=silu", "net(act", "net(...): expected key=value at 'act,"),
        ("drop_path=0.2", "drop_path=1.5", "drop_path must be a number from 0 to 0.999, got 1.5"),
        ("drop_path=0.2", "drop_path=nan", "drop_path must be a number from 0 to 0.999, got 'nan'"),
        ("drop_path=0.2", "drop_path=true", "drop_path must be a number from 0 to 0.999, got True"),
        ("stem(channels=8", "stem(width=8", "stem(...): unknown key 'width'; it has channels, kernel, stride, pool, act"),
        ("stem(channels=8", "stem(channels=8.5", "stem.channels must be a whole number"),
        ("kernel=3", "kernel=4", 'stem.kernel must be an odd int or "HxW" with both odd, got 4'),
        ("pool=false", "pool=0", "stem.pool must be true or false, got 0"),
        ("pool=false,act=silu) ", "pool=false,act=silu,) ", "stem(...): expected key=value"),
        ("hidden=0,", "hidden=0,hidden=0,", "head(...): hidden is given twice"),
        ("dropout=0.2", "dropout=1", "head.dropout must be a number from 0 to 0.999, got 1"),
        ("repeats=2,", "", "conv@1(...): repeats missing"),
        ("repeats=2", "repeats=0", "conv: repeats must be a whole number from 1 to 1000, got 0"),
        ("repeats=2", "repeats=1001", "conv: repeats must be a whole number from 1 to 1000, got 1001"),
        ("conv@1", "conv@0", "conv: version must be a whole number from 1"),
        ("channels=16,stride=2", "channels=16,stride=3", "conv: stride must be 1 or 2, got 3"),
        ("channels=16,stride=2", "channels=16,stride=true", "conv: stride must be 1 or 2, got True"),
        ('kernel="1x7"', 'kernel="1x7",kernel="1x7"', "conv(...): kernel is given twice"),
        ('kernel="1x7"', "kernel=1x7", "conv(...): kernel: '1x7' is not none, true, false, a number, a word"),
        ('kernel="1x7"', 'kernel="1x7', "not a token of an architecture"),
        ('kernel="1x7"', 'Kernel="1x7"', "conv(...): expected key=value"),
        ("act=none", "act=9007199254740993", "is past 2**53"),
    ],
)
def test_a_text_that_is_not_strict_is_refused_with_the_place(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(nas.SpecError) as caught:
        nas.Architecture.parse(TEXT.replace(old, new, 1))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_text_of_any_length_is_answered_at_once() -> None:
    with pytest.raises(nas.SpecError, match=f"at most {MAX_TEXT} characters, this one has {MAX_TEXT + 1}"):
        nas.Architecture.parse("x" * (MAX_TEXT + 1))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nas.Norm(eps=0), "norm.eps must be a number from 1e-12 to 1, got 0"),
        (lambda: nas.Norm(momentum=float("nan")), "norm.momentum must be a number from 0 to 1, got nan"),
        (lambda: nas.Stem(channels=0), "stem.channels must be a whole number from 1 to 1000000, got 0"),
        (lambda: nas.Stem(channels=True), "stem.channels must be a whole number from 1 to 1000000, got True"),
        (lambda: nas.Stem(kernel="3x4"), "stem.kernel must be an odd int"),
        (lambda: nas.Stem(stride=True), "stem.stride must be 1 or 2, got True"),
        (lambda: nas.Head(channels=-1), "head.channels must be a whole number from 0 to 1000000, got -1"),
        (lambda: nas.Head(hidden=1.5), "head.hidden must be a whole number from 0 to 1000000, got 1.5"),
        (lambda: nas.Head(dropout=1.0), "head.dropout must be a number from 0 to 0.999, got 1.0"),
        (lambda: nas.Stage("Conv", 1, 1, 8, 1), "'Conv' is not a block's name"),
        (lambda: nas.Stage("conv", 0, 1, 8, 1), "conv: version must be a whole number from 1 to 1000000, got 0"),
        (lambda: nas.Stage("conv", 1, 0, 8, 1), "conv: repeats must be a whole number from 1 to 1000, got 0"),
        (lambda: nas.Stage("conv", 1, 1, 8.0, 1), "conv: channels must be a whole number from 1 to 1000000, got 8.0"),
        (lambda: nas.Stage("conv", 1, 1, 8, 4), "conv: stride must be 1 or 2, got 4"),
        (lambda: nas.Stage("conv", 1, 1, 8, 1, {"Kernel": 3}), "conv: 'Kernel' is not a parameter's name"),
        (lambda: nas.Stage("conv", 1, 1, 8, 1, {"repeats": 3}), "conv: 'repeats' is a key of every stage, not a parameter"),
        (lambda: nas.Stage("conv", 1, 1, 8, 1, {"kernel": [3]}), "conv: a choice is None, bool, int, float or str, not list"),
        (lambda: nas.Architecture((8, 8), ()), "input_shape is (channels, height, width), got (8, 8)"),
        (lambda: nas.Architecture((1, 8, 0), ()), "input_shape must be a whole number from 1 to 1000000, got 0"),
        (lambda: nas.Architecture((1, 8, 8), (), classes=0), "classes must be a whole number from 1 to 1000000, got 0"),
        (lambda: nas.Architecture((1, 8, 8), (), drop_path=1), "drop_path must be a number from 0 to 0.999, got 1"),
    ],
)
def test_a_value_that_no_network_has_is_named(make: object, said: str) -> None:
    with pytest.raises(nas.SpecError) as caught:
        make()  # type: ignore[operator]
    assert said in str(caught.value)


@pytest.mark.parametrize(("kernel", "size"), [(1, (1, 1)), (7, (7, 7)), ("1x7", (1, 7)), ("11x3", (11, 3))])
def test_a_kernel_is_an_odd_number_or_two(kernel: Choice, size: tuple[int, int]) -> None:
    assert kernel_size(kernel) == size


@pytest.mark.parametrize(
    "kernel", [0, 2, -1, 3.0, True, None, "3", "2x3", "3x2", "0x3", "03x3", "3X3", "3x3x3", " 3x3", "3x3\n", "", "99999x1"]
)
def test_another_kernel_is_refused_with_its_value(kernel: Choice) -> None:
    with pytest.raises(nas.SpecError, match=r'kernel must be an odd int or "HxW" with both odd, got ') as caught:
        kernel_size(kernel)
    assert repr(kernel) in str(caught.value)


def test_the_published_rows_of_efficientnet_v2_s_are_its_architecture() -> None:
    arch = nas.Architecture.from_rows(ROWS)
    assert arch.input_shape == (3, 384, 384)
    assert arch.stem == nas.Stem(channels=24, kernel=3, stride=2, act="silu")
    assert arch.head == nas.Head(channels=1280, hidden=0, dropout=0.2, act="silu")
    assert (arch.classes, arch.drop_path, arch.norm) == (1000, 0.2, nas.Norm(eps=1e-3, momentum=0.1))
    assert [(stage.block, stage.repeats, stage.channels, stage.stride) for stage in arch.stages] == [
        ("fused_mbconv", 2, 24, 1), ("fused_mbconv", 4, 48, 2), ("fused_mbconv", 4, 64, 2),
        ("mbconv", 6, 128, 2), ("mbconv", 9, 160, 1), ("mbconv", 15, 256, 2),
    ]
    assert [stage.params["expand"] for stage in arch.stages] == [1, 4, 4, 4, 6, 6]
    assert [stage.params["se"] for stage in arch.stages] == [0, 0, 0, 0.25, 0.25, 0.25]
    assert {stage.params["kernel"] for stage in arch.stages} == {3}


def test_rows_take_the_classifier_and_the_rates_as_they_are_given() -> None:
    arch = nas.Architecture.from_rows(tuple(map(tuple, ROWS)), 10, 64, 0.5, 0.1, (1, 32, 32))
    assert (arch.classes, arch.head, arch.drop_path) == (10, nas.Head(channels=64, dropout=0.5, act="silu"), 0.1)
    assert arch.input_shape == (1, 32, 32)


def test_rows_written_with_floats_are_the_same_architecture() -> None:
    assert nas.Architecture.from_rows([[float(value) for value in row] for row in ROWS]) == nas.Architecture.from_rows(ROWS)


@pytest.mark.parametrize("index", range(len(ROWS)))
@pytest.mark.parametrize(
    ("position", "value", "said"),
    [
        (0, 0, "repeats must be a whole number from 1 to 1000, got 0"), (0, 1.5, "repeats must be a whole number"),
        (1, 4, "kernel must be an odd int"), (1, "three", "kernel must be an odd int"),
        (2, 3, "stride must be 1 or 2, got 3"), (2, 0, "stride must be 1 or 2, got 0"),
        (3, 0, "expand must be a number from 1e-06 to 1024, got 0"), (3, None, "expand must be a number"),
        (5, 0, "channels must be a whole number from 1 to 1000000, got 0"),
        (6, 2, "operator 2 is neither 0 (fused_mbconv) nor 1 (mbconv)"), (6, "mbconv", "operator 'mbconv' is neither"),
        (6, True, "operator True is neither"),
        (7, -0.25, "se_ratio must be a number from 0 to 1, got -0.25"), (7, 4, "se_ratio must be a number from 0 to 1, got 4"),
        (7, float("nan"), "nan is not a finite number"), (7, [0.25], "not list"),
    ],
)
def test_every_wrong_value_of_a_row_is_refused_with_its_row(index: int, position: int, value: object, said: str) -> None:
    rows: list[list[object]] = [list(row) for row in ROWS]
    rows[index][position] = value
    with pytest.raises(nas.SpecError) as caught:
        nas.Architecture.from_rows(rows)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"rows[{index}]: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("index", range(1, len(ROWS)))
def test_a_broken_chain_of_channels_names_both_rows(index: int) -> None:
    rows = [list(row) for row in ROWS]
    rows[index][4] += 8
    before = rows[index - 1][5]
    with pytest.raises(nas.SpecError) as caught:
        nas.Architecture.from_rows(rows)
    assert str(caught.value) == f"rows[{index}]: takes in {rows[index][4]} channels, but rows[{index - 1}] puts out {before}"


@pytest.mark.parametrize("channels", [0, -24, 24.5])
def test_the_first_row_s_input_is_a_number_of_channels(channels: float) -> None:
    rows = [[2, 3, 1, 1, channels, 24, 0, 0], *ROWS[1:]]
    with pytest.raises(nas.SpecError, match=r"rows\[0\]: in must be a whole number from 1 to 1000000"):
        nas.Architecture.from_rows(rows)


@pytest.mark.parametrize("row", [ROWS[1][:7], [*ROWS[1], 0], [], 3, "4324244800", None])
def test_a_row_of_another_length_is_refused_with_the_names_of_the_eight(row: object) -> None:
    with pytest.raises(nas.SpecError, match=r"rows\[1\]: .* does not have the 8 values \[repeat, kernel, stride, expand"):
        nas.Architecture.from_rows([ROWS[0], row, *ROWS[2:]])  # type: ignore[list-item]


@pytest.mark.parametrize("rows", [[], (), "rows", None, 3])
def test_no_rows_are_refused(rows: object) -> None:
    with pytest.raises(nas.SpecError, match="rows: give at least one row"):
        nas.Architecture.from_rows(rows)  # type: ignore[arg-type]


def test_stem_and_head_take_the_network_s_activation_unless_they_name_one() -> None:
    arch = nas.Architecture((3, 8, 8), (), head=nas.Head(act="relu6"), act="relu")
    assert (arch.stem.act, arch.head.act) == ("relu", "relu6")
    assert "stem(channels=24,kernel=3,stride=2,pool=false,act=relu)" in str(arch)
