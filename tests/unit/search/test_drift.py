"""What a study freezes when it is created, and what its file may say later."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import nas
from nas.errors import StudyDriftError
from nas.search.drift import check_drift, registry_snapshot, snapshot
from nas.store.rows import StudyRow


def created(ready, section="blocks", **entry) -> StudyRow:
    """The row of a study as it was created, read back from a database: everything has been JSON."""
    frozen = registry_snapshot(ready)
    frozen[section] = {name: old | entry for name, old in frozen[section].items()}
    spec, frozen = json.loads(json.dumps([snapshot(ready.spec), frozen]))
    return StudyRow("0" * 32, "tiny", 1, "2026-01-01T00:00:00+00:00", "0.1.0", spec, frozen, (), dict(ready.spec.objectives), ())


def drift(before, after, section="blocks", **entry) -> list[str]:
    return check_drift(created(before, section, **entry), after.spec, registry_snapshot(after))


def test_a_snapshot_writes_every_default_out_and_no_path(make):
    frozen = snapshot(make().spec)
    assert frozen["study"] == {
        "name": "tiny", "trials": 4, "timeout": None, "patience": None, "sampler": "random", "seed": 0,
        "durability": "normal", "enqueue": [], "warm_start": None,
    }
    assert frozen["network"]["norm"] == {"eps": 1e-3, "momentum": 0.1}
    assert frozen["network"]["stem"] == {"channels": [8], "kernel": [3], "stride": [1], "pool": [False], "act": None}
    assert frozen["stages"] == [
        {"block": ["conv"], "repeats": [1, 2], "channels": [8, 12, 16], "stride": [2], "kernel": [3, 5]}]
    assert "source" not in frozen


def test_a_registry_snapshot_has_version_digest_and_origin_of_the_blocks_and_metrics_that_are_named(make):
    ready = make(stage={"block": ["mbconv", "conv"]}, columns={"again": {"metric": "slow"}})
    frozen = registry_snapshot(ready)
    assert list(frozen) == ["blocks", "columns"]
    assert list(frozen["blocks"]) == ["conv", "mbconv"]
    origin = ready.plugins.blocks.origin("conv")
    assert frozen["blocks"]["conv"] == {"version": 1, "digest": origin.digest, "origin": origin.place}
    assert list(frozen["columns"]) == ["width", "again"]  # macs is no metric
    origin = ready.plugins.metrics.origin("slow")
    assert frozen["columns"]["again"] == {
        "version": 1, "digest": origin.digest, "origin": origin.place, "metric": "slow", "conditions": {}}


def test_the_same_file_has_not_drifted(make):
    assert drift(make(), make()) == []


def test_writing_a_default_out_is_no_drift(make):
    assert drift(make(), make(network={"stem": {"channels": 8, "stride": 1, "kernel": 3}, "act": "silu",
                                       "head": {"channels": 16, "dropout": 0}, "drop_path": 0.0})) == []


@pytest.mark.parametrize("study", [
    {"trials": 400}, {"timeout": 60.0}, {"patience": 5}, {"enqueue": ["efficientnet_b0"]},
])
def test_how_much_is_asked_for_may_differ_without_a_word(make, study):
    assert drift(make(), make(study=study)) == []


@pytest.mark.parametrize("study, notice", [
    ({"sampler": "tpe"}, "sampler is tpe from here on; the study began with random"),
    ({"seed": 7}, "seed is 7 from here on; the study began with 0"),
])
def test_sampler_and_seed_may_differ_with_a_word(make, study, notice):
    assert drift(make(), make(study=study)) == [notice]


@pytest.mark.parametrize("before, after, notices", [
    (None, "old", ["warm_start = 'old' does nothing: study 'tiny' was created without one"]),
    ("old", "older", ["warm_start = 'older' does nothing: study 'tiny' was created with 'old'"]),
    ("old", "old", []),
    ("old", None, []),
])
def test_a_study_that_is_there_is_warmed_up_by_no_other_one_and_says_so(make, before, after, notices):
    assert drift(make(study={"warm_start": before}), make(study={"warm_start": after})) == notices


@pytest.mark.parametrize("sections, told", [
    ({"stage": {"channels": [8, 12]}}, "stages[0].channels: [8, 12, 16], the file says [8, 12]"),
    ({"stage": {"channels": [8, 12, 24]}}, "stages[0].channels[2]: 16, the file says 24"),
    ({"stage": {"kernel": 3}}, "stages[0].kernel: [3, 5], the file says [3]"),
    ({"stage": {"act": "relu"}}, 'stages[0].act: null, the file says ["relu"]'),
    ({"input": {"shape": [1, 16, 16], "classes": 10}}, "input.shape[1]: 8, the file says 16"),
    ({"input": {"shape": [1, 8, 8], "classes": 9}}, "input.classes: 10, the file says 9"),
    ({"objectives": {"width": "maximize"}}, 'objectives.macs: "minimize", the file says null'),
    ({"constraints": {"params": "<= 9e3"}}, 'constraints.params: null, the file says ["<= 9e3"]'),
    ({"columns": {"slow": {"answers": 3.0}}}, 'columns.slow: null, the file says {"metric": null, "answers": 3.0}'),
    ({"network": {"norm": {"eps": 1e-5}, "stem": {"channels": 8, "stride": 1}, "head": {"channels": 16, "dropout": 0},
                  "drop_path": 0}}, "network.norm.eps: 0.001, the file says 1e-05"),
])
def test_another_space_objectives_or_conditions_name_the_first_key_that_differs(make, sections, told):
    with pytest.raises(StudyDriftError) as error:
        drift(make(), make(**sections))
    assert str(error.value).splitlines() == [
        f"tiny.toml: study 'tiny' was created with another {told}",
        "Give this study file another name, or go on with the one that the study was created with.",
    ]


def test_one_more_stage_is_another_space(make, spec):
    stage = {"block": "conv", "channels": 8}
    with pytest.raises(StudyDriftError, match="another stages: "):
        drift(make(stages=[stage]), make(stages=[stage, stage]))


def test_the_order_of_objectives_is_part_of_the_study(make):
    told = "created with its objectives in another order: width, macs, the file says macs, width\n"
    with pytest.raises(StudyDriftError, match=told):
        drift(make(), make(objectives={"macs": "minimize", "width": "maximize"}))


def test_a_study_resumed_with_its_objectives_swapped_is_refused(spec, plugin, storage):
    nas.run(spec(), trials=1, storage=storage, plugins=[plugin], isolated=False)
    with pytest.raises(StudyDriftError, match="in another order"):
        nas.run(spec(objectives={"macs": "minimize", "width": "maximize"}), trials=2, storage=storage, plugins=[plugin], isolated=False)


def test_another_version_of_a_block_is_refused_with_both(make):
    with pytest.raises(StudyDriftError, match="created with version 3 of block 'conv', installed is version 1"):
        drift(make(), make(), version=3)


def test_another_source_of_the_same_version_goes_on_with_a_word(make):
    assert drift(make(), make(), digest="0" * 12) == ["the source of block 'conv' has changed since the study began"]


def test_another_place_of_the_same_source_is_no_drift(make):
    assert drift(make(), make(), origin="elsewhere/blocks.py") == []


def test_another_version_of_a_metric_is_refused_with_both(make):
    with pytest.raises(StudyDriftError, match="created with version 3 of metric 'width', installed is version 1"):
        drift(make(), make(), "columns", version=3)


def test_another_source_of_a_metric_goes_on_with_one_word_for_all_of_its_columns(make):
    ready = make(columns={"again": {"metric": "width"}})
    told = ["the source of metric 'width' has changed since the study began"]
    assert drift(ready, ready, "columns", digest="0" * 12) == told


@pytest.mark.parametrize("before, after, told", [
    ({"device": "cpu"}, {"device": "cuda:0"}, 'columns.width.device: "cpu", here it is "cuda:0"'),
    ({"threads": [1, 2]}, {"threads": (1, 3)}, "columns.width.threads[1]: 2, here it is 3"),
    ({}, {"environment": "0123456789ab"}, 'columns.width.environment: null, here it is "0123456789ab"'),
    ({"data": "digits"}, {"data": "sounds"}, 'columns.width.data: "digits", here it is "sounds"'),
])
def test_a_study_whose_values_would_not_compare_is_refused_with_the_condition_that_differs(make, before, after, told):
    ready = make()
    here = replace(ready, columns=tuple(replace(column, conditions=after) for column in ready.columns))
    with pytest.raises(StudyDriftError) as error:
        drift(ready, here, "columns", conditions=before)
    assert str(error.value).splitlines() == [
        f"tiny.toml: study 'tiny' was measured under another {told}",
        "Such values do not compare: give this study file another name, or go on where the study was begun"
        + ("." if "data" in after else "; --mix-environments takes them for comparable."),
    ]


def on_other_conditions(make, before, after):
    ready = make()
    here = replace(ready, columns=tuple(replace(column, conditions=after) for column in ready.columns))
    row = created(ready, "columns", conditions=before)
    return check_drift(row, here.spec, registry_snapshot(here), mix_environments=True)


def test_a_study_goes_on_on_another_machine_where_that_is_asked_for_and_says_so(make):
    before = {"device": "cpu", "threads": 1, "environment": "000000000000", "runtime_version": 1}
    told = ("from here on width is measured under another columns.width.threads: 1, here it is 3; "
            "--mix-environments was given")
    assert on_other_conditions(make, before, before | {"environment": "111111111111", "threads": 3}) == [told]
    assert on_other_conditions(make, before, before) == []


def test_mixing_environments_mixes_nothing_else(make):
    with pytest.raises(StudyDriftError, match=r"columns\.width\.runtime_version: 1, here it is 2\n") as error:
        on_other_conditions(make, {"environment": "0", "runtime_version": 1}, {"environment": "1", "runtime_version": 2})
    assert "--mix-environments" not in str(error.value)


def test_the_same_conditions_are_no_drift(make):
    ready = make()
    here = replace(ready, columns=tuple(replace(column, conditions={"cpus": (1, 2)}) for column in ready.columns))
    assert drift(here, here) == []
