"""A study as a sampler sees it while it proposes: Optuna's storage with one more trial, which is in no database.

Only an accepted proposal becomes a trial; what a sampler notes of a rejected one is gone with it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

PENDING = -1


class PendingStorage(BaseStorage):
    """Reads from `storage`; writes go to the pending trial, except for what a sampler notes of the study."""

    def __init__(self, storage: BaseStorage, study_id: int, number: int) -> None:
        self._storage = storage
        self._study_id = study_id
        self.trial = FrozenTrial(
            number=number, trial_id=PENDING, state=TrialState.RUNNING, value=None, datetime_start=None,
            datetime_complete=None, params={}, distributions={}, user_attrs={}, system_attrs={}, intermediate_values={},
        )

    def get_trial(self, trial_id: int) -> FrozenTrial:  # noqa: D102
        return self.trial if trial_id == PENDING else self._storage.get_trial(trial_id)

    def get_all_trials(  # noqa: D102
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self._storage.get_all_trials(study_id, deepcopy=deepcopy, states=states)
        return [*trials, self.trial] if states is None or TrialState.RUNNING in states else trials

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:  # noqa: D102
        self._only_pending(trial_id)
        self.trial.system_attrs[key] = value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:  # noqa: D102
        self._only_pending(trial_id)
        self.trial.user_attrs[key] = value

    def set_trial_param(  # noqa: D102
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self._only_pending(trial_id)
        self.trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        self.trial.distributions[param_name] = distribution

    def set_trial_state_values(  # noqa: D102
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        raise RuntimeError(f"trial {trial_id} is only a proposal and cannot become {state.name} ({values})")

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:  # noqa: D102
        raise RuntimeError(f"trial {trial_id} is only a proposal and reports nothing ({step}: {intermediate_value})")

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:  # noqa: D102
        raise RuntimeError(f"a sampler of study {study_id} must not create trials ({template_trial})")

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:  # noqa: D102
        raise RuntimeError(f"a sampler must not create studies ({study_name}, {directions})")

    def delete_study(self, study_id: int) -> None:  # noqa: D102
        raise RuntimeError(f"a sampler must not delete study {study_id}")

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:  # noqa: D102
        self._storage.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:  # noqa: D102
        self._storage.set_study_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:  # noqa: D102
        return self._storage.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:  # noqa: D102
        return self._storage.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:  # noqa: D102
        return self._storage.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:  # noqa: D102
        return self._storage.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:  # noqa: D102
        return self._storage.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[Any]:  # noqa: D102
        return self._storage.get_all_studies()

    def _only_pending(self, trial_id: int) -> None:
        if trial_id != PENDING:
            raise RuntimeError(f"a sampler must not change trial {trial_id}")


def pending_study(
    study: optuna.Study, number: int, sampler: optuna.samplers.BaseSampler
) -> tuple[optuna.Study, FrozenTrial]:
    """`study` with one pending trial, and that trial."""
    storage = PendingStorage(study._storage, study._study_id, number)
    return optuna.Study(study.study_name, storage, sampler=sampler), storage.trial
