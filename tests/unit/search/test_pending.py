"""The view of a study while a sampler proposes: one more trial, and nothing of it in any database."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState, create_trial

from nas.search.pending import PENDING, PendingStorage, pending_study

KERNEL = CategoricalDistribution((3, 5))


@pytest.fixture(params=["memory", "file"])
def study(request, storage):
    made = optuna.create_study(study_name="s", directions=["minimize", "maximize"],
                               storage=storage if request.param == "file" else None)
    made.add_trial(create_trial(values=[1, 2], params={"kernel": 3}, distributions={"kernel": KERNEL}))
    made.add_trial(create_trial(state=TrialState.FAIL))
    made.set_user_attr("of", "the study")
    return made


@pytest.fixture
def view(study):
    return pending_study(study, 2, RandomSampler(seed=0))


def test_the_view_has_one_running_trial_more(study, view):
    seen, pending = view
    assert [trial.number for trial in seen.get_trials(deepcopy=False)] == [0, 1, 2]
    assert [trial.state for trial in seen.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING]
    assert len(study.trials) == 2
    assert pending.number == 2


def test_the_pending_trial_is_among_the_running_ones_alone(view):
    seen, _ = view
    assert len(seen.get_trials(states=(TrialState.RUNNING,))) == 1
    assert len(seen.get_trials(states=(TrialState.COMPLETE,))) == 1


def test_the_view_is_of_the_same_study(study, view):
    seen, _ = view
    assert seen.study_name == study.study_name
    assert seen.directions == study.directions
    assert seen.user_attrs == {"of": "the study"}
    assert study.study_name in [summary.study_name for summary in seen._storage.get_all_studies()]
    assert seen._storage.get_study_name_from_id(study._study_id) == study.study_name


def test_what_is_written_to_the_pending_trial_stays_with_it(study, view):
    seen, pending = view
    seen._storage.set_trial_system_attr(PENDING, "generation", 3)
    seen._storage.set_trial_user_attr(PENDING, "note", "x")
    seen._storage.set_trial_param(PENDING, "kernel", 1, KERNEL)
    found = seen._storage.get_trial(PENDING)
    assert found is pending
    assert (found.system_attrs, found.user_attrs, found.params) == ({"generation": 3}, {"note": "x"}, {"kernel": 5})
    assert found.distributions == {"kernel": KERNEL}
    assert [trial.system_attrs for trial in study.trials] == [{}, {}]


def test_what_a_sampler_notes_of_the_study_is_kept(study, view):
    seen, _ = view
    seen._storage.set_study_system_attr(study._study_id, "parents:1", [0])
    seen._storage.set_study_user_attr(study._study_id, "mine", 1)
    assert study._storage.get_study_system_attrs(study._study_id)["parents:1"] == [0]
    assert study.user_attrs["mine"] == 1


def test_other_trials_are_read_but_never_changed(study, view):
    storage = view[0]._storage
    first = study.trials[0]._trial_id
    assert storage.get_trial(first).params == {"kernel": 3}
    for write in (
        lambda: storage.set_trial_system_attr(first, "generation", 1),
        lambda: storage.set_trial_user_attr(first, "note", 1),
        lambda: storage.set_trial_param(first, "kernel", 0, KERNEL),
    ):
        with pytest.raises(RuntimeError, match=f"a sampler must not change trial {first}"):
            write()


@pytest.mark.parametrize("call, message", [
    (lambda storage: storage.set_trial_state_values(PENDING, TrialState.COMPLETE, [1]), "cannot become COMPLETE"),
    (lambda storage: storage.set_trial_intermediate_value(PENDING, 0, 1.0), "reports nothing"),
    (lambda storage: storage.create_new_trial(0), "must not create trials"),
    (lambda storage: storage.create_new_study([]), "must not create studies"),
    (lambda storage: storage.delete_study(0), "must not delete study 0"),
])
def test_what_no_sampler_has_to_do_is_an_error(view, call, message):
    with pytest.raises(RuntimeError, match=message):
        call(view[0]._storage)


def test_every_write_of_a_storage_is_decided_here():
    writes = {name for name in dir(optuna.storages.BaseStorage) if name.split("_")[0] in ("set", "create", "delete")}
    assert writes <= set(vars(PendingStorage))
