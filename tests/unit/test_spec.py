"""The study file: every key, every default, and every message that a mistake gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nas.errors import SpecError
from nas.layers import ACTIVATIONS
from nas.spec import SAMPLERS, Bound, StudySpec, load_spec, parse_spec

STAGE: dict[str, Any] = {"block": "conv", "channels": 8}
MINIMAL: dict[str, Any] = {
    "study": {"name": "s"}, "input": {"shape": [3, 32, 32]}, "stages": [STAGE], "objectives": {"params": "minimize"},
}


def parsed(**sections: Any) -> StudySpec:
    return parse_spec({**MINIMAL, **sections}, "s.toml")


def refused(**sections: Any) -> str:
    with pytest.raises(SpecError) as told:
        parsed(**sections)
    return str(told.value)


def without(section: str) -> str:
    with pytest.raises(SpecError) as told:
        parse_spec({key: value for key, value in MINIMAL.items() if key != section}, "s.toml")
    return str(told.value)


# --- what a file says, and what it means where it says nothing


@pytest.mark.parametrize("place, default", [
    ("study.trials", 100), ("study.timeout", None), ("study.patience", None), ("study.sampler", "auto"),
    ("study.seed", 0), ("study.enqueue", ()), ("study.warm_start", None),
    ("input.resolution", None), ("input.classes", 1000),
    ("network.act", ("silu",)), ("network.norm.eps", 1e-3), ("network.norm.momentum", 0.1), ("network.drop_path", (0.2,)),
    ("network.stem.channels", (24,)), ("network.stem.kernel", (3,)), ("network.stem.stride", (2,)),
    ("network.stem.pool", (False,)), ("network.stem.act", None),
    ("network.head.channels", (1280,)), ("network.head.hidden", (0,)), ("network.head.dropout", (0.2,)),
    ("network.head.act", None),
    ("constraints", {}), ("columns", {}), ("plugins", ()),
])
def test_every_key_that_may_be_left_out_has_this_default(place, default):
    found: Any = parsed()
    for part in place.split("."):
        found = getattr(found, part)
    assert found == default


def test_every_key_of_a_stage_that_may_be_left_out_has_a_default():
    (stage,) = parsed().stages
    assert (stage.block, stage.repeats, stage.channels, stage.stride) == (("conv",), (1,), (8,), (1,))
    assert (stage.named, stage.tables) == ({}, {})


def test_every_key_can_be_written():
    spec = parsed(
        study={"name": "A.b-c_1", "trials": 7, "sampler": "tpe", "seed": 3},
        input={"shape": [1, 64, 64], "resolution": [32, 64], "classes": 5},
        network={"act": ["relu", "gelu"], "norm": {"eps": 1e-5, "momentum": 0.01}, "drop_path": [0, 0.1],
                 "stem": {"channels": [8, 16], "kernel": ["1x7", 3], "stride": [1, 2], "pool": [False, True], "act": "mish"},
                 "head": {"channels": [0, 64], "hidden": [0, 32], "dropout": [0.0, 0.5], "act": ["relu", "silu"]}},
        stages=[{"block": ["conv", "mbconv"], "repeats": [0, 2], "channels": [8, 16], "stride": 1, "kernel": [3, 5],
                 "mbconv": {"expand": [1, 4.0], "se": 0.25}}],
        objectives={"latency_ms": "minimize", "accuracy": "maximize"},
        constraints={"params": ["<= 25e6", ">= 5e6"], "latency_ms": "<= 8.0"},
        columns={"accuracy": {"data": "digits", "epochs": 3}, "server_ms": {"metric": "latency_ms", "batch": 8}},
        plugins=["my_blocks.py"],
    )
    assert spec.network.stem.kernel == ("1x7", 3)
    assert spec.network.drop_path == (0, 0.1)
    assert spec.stages[0].named == {"kernel": (3, 5)}
    assert spec.stages[0].tables == {"mbconv": {"expand": (1, 4), "se": (0.25,)}}
    assert list(spec.objectives) == ["latency_ms", "accuracy"]
    assert spec.columns["server_ms"].metric == "latency_ms"
    assert spec.columns["server_ms"].options == {"batch": 8}
    assert spec.columns["accuracy"].metric is None


def test_a_bare_value_is_a_list_of_one_and_4_is_4_point_0():
    assert parsed(stages=[STAGE | {"expand": 4.0}]).stages == parsed(stages=[STAGE | {"expand": [4]}]).stages


def test_the_order_of_choices_and_of_objectives_is_the_files():
    spec = parsed(stages=[STAGE | {"kernel": [5, 3]}], objectives={"macs": "minimize", "b": "maximize", "a": "minimize"})
    assert spec.stages[0].named["kernel"] == (5, 3)
    assert list(spec.objectives) == ["macs", "b", "a"]


def test_a_choice_can_be_none_of_python_only_by_leaving_it_to_the_block():
    assert parsed(stages=[STAGE | {"act": [None, "relu"]}]).stages[0].named == {"act": (None, "relu")}


def test_a_study_is_a_frozen_value():
    assert parsed() == parsed()
    with pytest.raises(ValidationError):
        parsed().study.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_can_be_named(sampler):
    assert parsed(study={"name": "s", "sampler": sampler}).study.sampler == sampler


def test_plugins_are_relative_to_the_study_file():
    spec = parse_spec(MINIMAL | {"plugins": ["blocks.py", "/abs/more.py"]}, "folder/s.toml")
    assert spec.plugin_files == (Path("folder/blocks.py"), Path("/abs/more.py"))


# --- constraints


def test_bounds_are_values_in_the_order_of_the_file():
    spec = parsed(constraints={"params": ["<= 25e6", ">=5e6"], "macs": " <=  1e9 "})
    assert [str(bound) for bound in spec.bounds] == ["params <= 25000000", "params >= 5000000", "macs <= 1000000000"]


@pytest.mark.parametrize("operator, value, violation", [
    ("<=", 10, 0.0), ("<=", 15, 0.5), ("<=", 5, -0.5), (">=", 10, 0.0), (">=", 5, 0.5), (">=", 15, -0.5),
])
def test_a_violation_is_relative_to_the_bound_and_at_most_0_where_it_holds(operator, value, violation):
    assert Bound(column="params", operator=operator, bound=10).violation(value) == violation


def test_a_bound_of_0_is_taken_as_it_is():
    assert Bound(column="x", operator="<=", bound=0).violation(0.25) == 0.25


# --- mistakes: file, key, value, remedy


@pytest.mark.parametrize("section", ["study", "input", "objectives"])
def test_a_section_that_a_study_needs(section):
    assert without(section) == f"s.toml: {section}: missing; the study needs it"


@pytest.mark.parametrize("sections, message", [
    ({"colums": {}}, "colums: unknown key (did you mean 'columns'?)"),
    ({"source": "x"}, "source: unknown key"),
    ({"study": {"name": "s", "smpler": "tpe"}}, "study.smpler: unknown key (did you mean 'sampler'?)"),
    ({"input": {"shape": [3, 8, 8], "clases": 2}}, "input.clases: unknown key (did you mean 'classes'?)"),
    ({"network": {"stm": {}}}, "network.stm: unknown key (did you mean 'stem'?)"),
    ({"network": {"stem": {"chanels": 3}}}, "network.stem.chanels: unknown key (did you mean 'channels'?)"),
    ({"network": {"head": {"hiden": 3}}}, "network.head.hiden: unknown key (did you mean 'hidden'?)"),
    ({"network": {"norm": {"esp": 1}}}, "network.norm.esp: unknown key (did you mean 'eps'?)"),
    ({"study": {"name": "s", "zzz": 1}}, "study.zzz: unknown key"),
])
def test_an_unknown_key_is_an_error_with_the_nearest_one(sections, message):
    assert refused(**sections) == f"s.toml: {message}"


@pytest.mark.parametrize("sections, message", [
    ({"study": 3}, "study: must be a table, got 3"),
    ({"study": {}}, "study.name: missing; the study needs it"),
    ({"study": {"name": "-x"}}, "study.name: '-x' must be at most 100 letters, digits and _ . -, a letter or digit first"),
    ({"study": {"name": 3}}, "study.name: Input should be a valid string, got 3"),
    ({"study": {"name": "s", "trials": 0}}, "study.trials: Input should be greater than or equal to 1, got 0"),
    ({"study": {"name": "s", "trials": True}}, "study.trials: Input should be a valid integer, got True"),
    ({"study": {"name": "s", "trials": "9"}}, "study.trials: Input should be a valid integer, got '9'"),
    ({"study": {"name": "s", "timeout": 0}}, "study.timeout: Input should be greater than 0, got 0"),
    ({"study": {"name": "s", "timeout": "1h"}}, "study.timeout: Input should be a valid number, got '1h'"),
    ({"study": {"name": "s", "timeout": float("inf")}}, "study.timeout: Input should be a finite number, got inf"),
    ({"study": {"name": "s", "patience": 0}}, "study.patience: Input should be greater than or equal to 1, got 0"),
    ({"study": {"name": "s", "patience": 1.5}}, "study.patience: Input should be a valid integer, got 1.5"),
    ({"study": {"name": "s", "enqueue": "resnet50"}}, "study.enqueue: must be a list, got 'resnet50'"),
    ({"study": {"name": "s", "enqueue": [["ds_r1"]]}}, "study.enqueue[0]: Input should be a valid string, got ['ds_r1']"),
    ({"study": {"name": "s", "warm_start": "a b"}}, ("study.warm_start: 'a b' must be at most 100 letters, digits and _ . -, a "
     "letter or digit first")),
    ({"study": {"name": "s", "warm_start": "s"}}, "study.warm_start: 's' is this study itself; name an older one"),
    ({"study": {"name": "s", "seed": -1}}, "study.seed: Input should be greater than or equal to 0, got -1"),
    ({"study": {"name": "s", "seed": 2**31}}, f"study.seed: Input should be less than {2**31}, got {2**31}"),
    ({"study": {"name": "s", "sampler": "tpe2"}},
     "study.sampler: unknown sampler 'tpe2' (did you mean 'tpe'?); there are auto, costaware, tpe, nsga2, gp, random"),
])
def test_mistakes_in_study(sections, message):
    assert refused(**sections) == f"s.toml: {message}"


@pytest.mark.parametrize("given, message", [
    ({}, "input.shape: missing; the study needs it"),
    ({"shape": 8}, "input.shape: must be a list, got 8"),
    ({"shape": [3, 8]}, "input.shape[2]: missing; the study needs it"),
    ({"shape": [3, 8, 0]}, "input.shape: [channels, height, width] from 1 to 8192, got [3, 8, 0]"),
    ({"shape": [3, 8, 8193]}, "input.shape: [channels, height, width] from 1 to 8192, got [3, 8, 8193]"),
    ({"shape": [3, 8, 8.5]}, "input.shape[2]: Input should be a valid integer, got 8.5"),
    ({"shape": [3, 8, 8], "classes": 0}, "input.classes: Input should be greater than or equal to 1, got 0"),
    ({"shape": [3, 8, 8], "resolution": []},
     "input.resolution: an empty list leaves nothing to choose; give at least one value, or leave the key out"),
    ({"shape": [3, 8, 8], "resolution": [8, 0]}, "input.resolution: resolutions must be whole numbers from 1 to 8192, got 0"),
    ({"shape": [3, 8, 9], "resolution": [8]}, "input.resolution: searches square inputs, but input.shape is [3, 8, 9]"),
])
def test_mistakes_in_input(given, message):
    assert refused(input=given) == f"s.toml: {message}"


@pytest.mark.parametrize("given, message", [
    ({"act": ["silu", "slu"]},
     f"network.act: unknown activation 'slu' (did you mean 'silu'?); there are {', '.join(ACTIVATIONS)}"),
    ({"drop_path": 1}, "network.drop_path: a rate is a number from 0 to 0.999, got 1"),
    ({"drop_path": True}, "network.drop_path: a rate is a number from 0 to 0.999, got true"),
    ({"norm": {"eps": 0}}, "network.norm.eps must be a number from 1e-12 to 1, got 0.0"),
    ({"norm": {"eps": "x"}}, "network.norm.eps: Input should be a valid number, got 'x'"),
    ({"norm": {"momentum": 2}}, "network.norm.momentum must be a number from 0 to 1, got 2.0"),
    ({"stem": {"kernel": [3, 4]}}, 'network.stem.kernel: kernel must be an odd int or "HxW" with both odd, got 4'),
    ({"stem": {"kernel": "1x4"}}, 'network.stem.kernel: kernel must be an odd int or "HxW" with both odd, got \'1x4\''),
    ({"stem": {"pool": [False, 1]}},
     "network.stem.pool: it is true or false, got 1"),
    ({"stem": {"stride": 3}}, "network.stem.stride: strides must be whole numbers from 1 to 2, got 3"),
    ({"stem": {"channels": 0}}, "network.stem.channels: channels must be whole numbers from 1 to 1000000, got 0"),
    ({"head": {"channels": -1}}, "network.head.channels: channels must be whole numbers from 0 to 1000000, got -1"),
    ({"head": {"hidden": 0.5}}, "network.head.hidden: hidden must be whole numbers from 0 to 1000000, got 0.5"),
    ({"head": {"dropout": [0.1, 1.5]}}, "network.head.dropout: a rate is a number from 0 to 0.999, got 1.5"),
])
def test_mistakes_in_network_also_in_a_choice_that_is_not_the_first(given, message):
    assert refused(network=given) == f"s.toml: {message}"


@pytest.mark.parametrize("part", ["stem", "head"])
def test_an_unknown_activation_of_stem_or_head(part):
    assert refused(network={part: {"act": "slu"}}).startswith(f"s.toml: network.{part}.act: unknown activation 'slu'")


@pytest.mark.parametrize("stages, message", [
    (3, "stages: a study needs at least one [[stages]] table"),
    ([], "stages: empty; the study needs at least one"),
    ([STAGE, {"block": "conv"}], "stages[1].channels: missing; the study needs it"),
    ([{"channels": 8}], "stages[0].block: missing; the study needs it"),
    ([STAGE | {"block": []}],
     "stages[0].block: an empty list leaves nothing to choose; give at least one value, or leave the key out"),
    ([STAGE | {"kernel": []}],
     "stages[0].kernel: an empty list leaves nothing to choose; give at least one value, or leave the key out"),
    ([STAGE | {"conv": {"kernel": []}}],
     "stages[0].conv.kernel: an empty list leaves nothing to choose; give at least one value, or leave the key out"),
    ([STAGE | {"kernel": [3, 5, 3.0]}], "stages[0].kernel: 3 is listed twice"),
    ([STAGE | {"bias": [0, False]}], "stages[0].bias: 0 and false are one choice to Optuna; keep one of them"),
    ([STAGE | {"kernel": [[3, 5]]}], "stages[0].kernel: a choice is None, bool, int, float or str, not list: [3, 5]"),
    ([STAGE | {"kernel": float("nan")}], "stages[0].kernel: nan is not a finite number"),
    ([STAGE | {"channels": 8.5}], "stages[0].channels: channels must be whole numbers from 1 to 1000000, got 8.5"),
    ([STAGE | {"stride": [1, 3]}], "stages[0].stride: strides must be whole numbers from 1 to 2, got 3"),
    ([STAGE | {"repeats": 1001}], "stages[0].repeats: repeats must be whole numbers from 0 to 1000, got 1001"),
    ([STAGE | {"repeats": True}], "stages[0].repeats: repeats must be whole numbers from 0 to 1000, got true"),
])
def test_mistakes_in_stages(stages, message):
    assert refused(stages=stages) == f"s.toml: {message}"


def test_a_file_without_stages():
    assert without("stages") == "s.toml: stages: a study needs at least one [[stages]] table"


@pytest.mark.parametrize("given, message", [
    ({}, "objectives: empty; the study needs at least one"),
    (3, "objectives: must be a table, got 3"),
    ({"params": "min"}, "objectives.params: Input should be 'minimize' or 'maximize', got 'min'"),
    ({"params": "maximize"}, 'objectives.params: params is better the smaller it is: write "minimize"'),
    ({"arch": "minimize"},
     "objectives.arch: 'arch' is no number to compare; of the fixed columns there are params, macs, flops, activations"),
])
def test_mistakes_in_objectives(given, message):
    assert refused(objectives=given) == f"s.toml: {message}"


@pytest.mark.parametrize("given, message", [
    (5, '5 is not a bound; write "<= x" or ">= x", in quotes, or a list of these'),
    (["<= 5", 3], '3 is not a bound; write "<= x" or ">= x", in quotes, or a list of these'),
    *((text, f'{text!r} is not a bound; write "<= x" or ">= x" with a finite x from 0')
      for text in ("< 5", "5", "<= x", "<= nan", "<= inf", "<= -1", "== 3", "", "<= 3 ms")),
    ([], "an empty list bounds nothing; give a bound, or leave the key out"),
    (["<= 1", ">= 2"], "nothing can be >= 2 and <= 1"),
    (["<= 1", "<= 9", ">= 0.5", ">= 8"], "nothing can be >= 8 and <= 1"),
    (["<= 1", "<= 1.0"], "a bound is given twice"),
])
def test_mistakes_in_a_constraint(given, message):
    assert refused(constraints={"params": given}) == f"s.toml: constraints.params: {message}"


def test_a_fixed_column_that_is_no_number_cannot_be_bounded():
    assert refused(constraints={"outcome": "<= 1"}).startswith("s.toml: constraints.outcome: 'outcome' is no number to compare")


@pytest.mark.parametrize("given, message", [
    ({"params": {}}, "columns.params: 'params' is a fixed column of every report; choose another name"),
    ({"pareto": {}}, "columns.pareto: 'pareto' is a fixed column of every report; choose another name"),
    ({"Latency": {}}, "columns.Latency: a column's name is lower case letters, digits and underscores"),
    ({"mine": 3}, "columns.mine: must be a table, got 3"),
    ({"mine": {"metric": 3}}, "columns.mine.metric: Input should be a valid string, got 3"),
])
def test_mistakes_in_columns(given, message):
    assert refused(columns=given) == f"s.toml: {message}"


@pytest.mark.parametrize("end", ["low", "high"])
def test_no_column_is_named_like_an_end_of_the_interval_of_another(end):
    told = "in a report, an end of the interval of 'mine' is named so; choose another name for one of the two columns"
    assert refused(columns={f"mine_{end}": {"metric": "naswot"}}, objectives={"mine": "maximize"}) == (
        f"s.toml: columns.mine_{end}: {told}")
    assert refused(constraints={f"mine_{end}": "<= 1"}, columns={"mine": {"metric": "naswot"}}) == (
        f"s.toml: constraints.mine_{end}: {told}")
    assert parsed(columns={f"params_{end}": {"metric": "naswot"}}).columns  # a cost has no interval


@pytest.mark.parametrize("end", ["", "_low", "_high"])
def test_no_column_is_named_like_what_is_verified_of_another(end):
    name = f"mine_verified{end}"
    told = "in a report, what is verified of 'mine' is named so; choose another name for one of the two columns"
    assert refused(columns={name: {"metric": "naswot"}}, objectives={"mine": "maximize"}) == (
        f"s.toml: columns.{name}: {told}")


def test_plugins_are_a_list_of_paths():
    assert refused(plugins="mine.py") == "s.toml: plugins: must be a list, got 'mine.py'"
    assert refused(plugins=[3]) == "s.toml: plugins[0]: Input should be a valid string, got 3"


def test_several_mistakes_are_told_at_once_five_at_most():
    told = refused(study={"name": "s", **{f"key{n}": n for n in range(9)}}).splitlines()
    assert told == [f"s.toml: study.key{n}: unknown key" for n in range(5)]


def test_a_long_value_is_shortened():
    assert refused(columns={"mine": "x" * 500}) == f"s.toml: columns.mine: must be a table, got '{'x' * 56}..."


# --- files


def test_a_file_is_read_and_named_in_its_errors(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text('[study]\nname = "s"\n[input]\nshape = [3, 8, 8]\n[[stages]]\nblock = "conv"\nchannels = 8\n'
                    '[objectives]\nmacs = "minimize"\n', encoding="utf-8")
    spec = load_spec(file)
    assert (spec.study.name, spec.source) == ("s", str(file))
    assert load_spec(str(file)) == spec
    assert load_spec(spec) is spec
    file.write_text(file.read_text() + "latncy = 3\n")
    with pytest.raises(SpecError, match=f"^{file}: objectives.latncy: "):
        load_spec(file)


@pytest.mark.parametrize("content, message", [
    (b"[study\n", "not valid TOML: Expected ']'"),
    (b"a = 1\na = 2\n", "not valid TOML: Cannot overwrite a value"),
    (b"\xff\xfe", "a study is a TOML file in UTF-8, this is neither"),
    (b"x = " + b"[" * 100_000, "not valid TOML: "),
])
def test_a_file_that_is_no_toml(tmp_path, content, message):
    (tmp_path / "s.toml").write_bytes(content)
    with pytest.raises(SpecError) as told:
        load_spec(tmp_path / "s.toml")
    assert str(told.value).startswith(f"{tmp_path / 's.toml'}: {message}")


def test_a_file_that_is_not_there_and_one_that_is_a_directory(tmp_path):
    with pytest.raises(SpecError, match="there is no such study file$"):
        load_spec(tmp_path / "missing.toml")
    with pytest.raises(SpecError, match="a study is a TOML file, this is a directory$"):
        load_spec(tmp_path)


def test_every_study_of_the_project_parses():
    studies = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))
    assert [study.stem for study in studies] == [
        "efficientnet_v2", "nas_bench_macro", "quickstart", "resolution", "spectrogram", "upsample"
    ]
    for study in studies:
        assert load_spec(study).study.name == study.stem
