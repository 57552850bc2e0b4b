"""Networks that a study begins with: what of them is the study's, which ones lie in its space, and that each is tried once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from optuna.samplers import NSGAIISampler

import nas
from nas.arch import Architecture
from nas.errors import SpecError
from nas.plugins import load_plugins
from nas.search.enqueue import FOUNDERS, Queue, enqueued
from nas.space import SearchSpace
from nas.spec import load_spec
from nas.store.rows import TrialRecord

STUDIES = Path(__file__).parents[3] / "studies"
FIRST = {"stage0.repeats": 2, "stage0.channels": 12, "stage0.kernel": 5}
OTHER = {"stage0.repeats": 1, "stage0.channels": 16, "stage0.kernel": 3}


@pytest.fixture
def text(make):
    """The text of a choice of the tiny study, with other keys where they are given."""

    def written(values=FIRST, **changes) -> str:
        return replace(make().space.decode(values), **changes).text

    return written


@pytest.fixture
def entries(make):
    """(entries, notices) of a study that enqueues these."""

    def found(*texts: str, study=None, **sections):
        ready = make(study={"enqueue": list(texts), **(study or {})}, **sections)
        return ready.enqueued, ready.notices

    return found


@pytest.fixture
def queue(make, proposer):
    """The queue of a study that enqueues these, and what it says of them beside these records."""

    def looked(*texts: str, records=(), **sections):
        ready = make(study={"enqueue": list(texts)}, **sections)
        waiting = Queue(ready.enqueued, ready.spec, proposer(ready))
        return waiting, waiting.look(records)

    return looked


def record(number: int, arch_id: str, sampler: str, outcome: str = "ok") -> TrialRecord:
    return TrialRecord(number, "COMPLETE", arch_id, outcome, None, sampler, True, 1.0, {})


def test_a_text_of_the_space_is_the_choice_that_decodes_to_it(entries, text, make):
    (found,), notices = entries(text())
    assert found.values == FIRST
    assert (found.key, found.arch_id) == ("study.enqueue[0]", make().space.decode(FIRST).arch_id)
    assert notices == ()


def test_input_classes_norm_drop_path_and_dropout_are_taken_over_from_the_study_with_a_word(entries, text):
    arch = Architecture.parse(text())
    other = text(input_shape=(3, 32, 32), classes=1000, norm=nas.Norm(eps=1e-5), drop_path=0.2,
                 head=replace(arch.head, dropout=0.5))
    (found,), (notice,) = entries(other)
    assert found.values == FIRST
    assert found.arch_id == arch.arch_id
    assert notice.startswith("tiny.toml: study.enqueue[0]: 'input(3x32x32) ")
    assert notice.endswith("... is evaluated as the study has it: input 1x8x8 for 3x32x32, classes 10 for 1000, "
                           "norm.eps 0.001 for 1e-05, drop_path 0 for 0.2, head.dropout 0 for 0.5")


def test_where_the_study_searches_them_the_nearest_choice_is_taken(entries, text):
    network = {"stem": {"channels": 8, "stride": 1}, "head": {"channels": 16, "dropout": [0, 0.2]}, "drop_path": [0, 0.1]}
    sections = {"network": network, "input": {"shape": [1, 8, 8], "resolution": [8, 12, 16], "classes": 10}}
    (found,), (notice,) = entries(text(input_shape=(1, 14, 14), drop_path=0.3), **sections)
    assert found.values == {**FIRST, "resolution": 16, "drop_path": 0.1, "head.dropout": 0}
    assert notice.endswith("input 1x16x16 for 1x14x14, drop_path 0.1 for 0.3")


@pytest.mark.parametrize("changes, said", [
    ({"stage": {"channels": [8, 16]}}, "not in this space: stage0.channels is 12, the study has 8, 16"),
    ({"stage": {"kernel": [3, 7]}}, "not in this space: stage0.kernel is 5, the study has 3, 7"),
    ({"stage": {"block": "mbconv"}}, "not in this space: stage0.block is conv, the study has mbconv"),
])
def test_a_network_outside_of_the_space_is_left_out_and_the_first_difference_is_told(entries, text, changes, said):
    found, (notice,) = entries(text(), **changes)
    assert found == ()
    assert notice.endswith(f"... is left out: {said}")


def test_what_lies_in_the_space_is_tried_whatever_stands_beside_it(entries, text):
    found, (notice,) = entries(text(), text(OTHER), stage={"kernel": 3})
    assert [(entry.key, entry.values["stage0.channels"]) for entry in found] == [("study.enqueue[1]", 16)]
    assert notice.startswith("tiny.toml: study.enqueue[0]: ")


@pytest.mark.parametrize("changes, said", [
    ({"stem": nas.Stem(16, stride=1)}, "not in this space: stem.channels is 16, the study has 8"),
    ({"act": "relu"}, "not in this space: act is relu, the study has silu"),
])
def test_a_network_of_another_stem_or_activation_is_another_network(entries, text, changes, said):
    found, (notice,) = entries(text(**changes))
    assert found == ()
    assert notice.endswith(f"is left out: {said}")


def test_a_network_that_the_studys_input_is_too_small_for_is_left_out(entries):
    found, (notice,) = entries("mobilenet_v2")
    assert found == ()
    assert notice.startswith("tiny.toml: study.enqueue[0]: 'mobilenet_v2' is left out: input 1x8x8 is too small")


def test_one_network_twice_is_tried_once_and_the_repetition_told(entries, text):
    found, (notice,) = entries(text(), text(OTHER), text())
    assert [entry.values for entry in found] == [FIRST, OTHER]
    assert notice.startswith("tiny.toml: study.enqueue[2]: ")
    assert notice.endswith("is left out: it is the same network as study.enqueue[0]")


@pytest.mark.parametrize("entry, said", [
    ("efficientnet_v2", "study.enqueue[1]: unknown network 'efficientnet_v2' (did you mean 'efficientnet_v2_"),
    ("", "study.enqueue[1]: unknown network ''"),
    ("input(1x8x8) net(", "study.enqueue[1]: "),
    ("torchvision:resnet18", "study.enqueue[1]: 'torchvision:resnet18' is of another library, which is known as a whole"),
])
def test_what_is_no_network_is_an_error_with_its_place(entries, text, entry, said):
    with pytest.raises(SpecError) as caught:
        entries(text(), entry)
    assert str(caught.value).startswith(f"tiny.toml: {said}")
    assert len(str(caught.value).splitlines()) <= 4


def test_a_block_of_another_version_is_an_error_with_its_place(entries, text):
    with pytest.raises(SpecError, match=r"tiny.toml: study.enqueue\[0\]: .*conv.*version"):
        entries(text().replace("conv@1", "conv@9"))


def test_efficientnet_v2_s_lies_in_the_study_around_it():
    spec = load_spec(STUDIES / "efficientnet_v2.toml")
    spec = spec.model_copy(update={"study": spec.study.model_copy(update={"enqueue": ("efficientnet_v2_s",)})})
    plugins = load_plugins([])
    space = SearchSpace(spec, plugins.blocks)
    (found,), (notice,) = enqueued(spec, space, plugins)
    assert notice.endswith("efficientnet_v2.toml: study.enqueue[0]: 'efficientnet_v2_s' is evaluated as the study has it: "
                           "input 3x224x224 for 3x384x384")
    published = replace(nas.load("efficientnet_v2_s"), input_shape=(3, 224, 224))
    assert space.decode(found.values) == published


def test_the_queue_gives_each_network_until_a_trial_has_it(queue, text):
    waiting, notices = queue(text(), text(OTHER))
    assert notices == ()
    first = waiting.next(set())
    assert (first.values, first.sampler, first.rejected) == (FIRST, "enqueue", 0)
    assert waiting.next(set()) == first
    second = waiting.next({first.arch.arch_id})
    assert second.values == OTHER
    assert waiting.next({first.arch.arch_id, second.arch.arch_id}) is None


def test_what_an_earlier_run_enqueued_is_done_without_a_word(queue, text, make):
    arch_id = make().space.decode(FIRST).arch_id
    waiting, notices = queue(text(), records=[record(0, arch_id, "enqueue"), record(1, arch_id, "retry")])
    assert (notices, waiting.next(set())) == ((), None)


def test_what_a_sampler_has_proposed_already_is_told(queue, text, make):
    arch_id = make().space.decode(FIRST).arch_id
    waiting, (notice,) = queue(text(), records=[record(7, arch_id, "gp")])
    assert notice.endswith("is left out: it is trial 7 already")
    assert waiting.next(set()) is None


def test_one_that_breaks_a_free_constraint_is_told_with_the_amount(queue, text, make):
    params = nas.count(make().space.decode(FIRST)).params
    waiting, (notice,) = queue(text(), text(OTHER), constraints={"params": f"<= {params - 100}"})
    assert notice.endswith(f"is left out: breaks params <= {params - 100} by 100: it is {params}")
    assert waiting.next(set()).values == OTHER


def test_nsga2_breeds_from_what_it_did_not_propose():
    assert {NSGAIISampler._get_generation_key(): 0} == FOUNDERS
