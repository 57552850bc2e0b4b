"""Which parameters a sampler models together: those that all finished trials of a study have, kept between two asks.

A sampler is made anew for every ask, so that a proposal depends on seed and number alone; Optuna's would then compare
every distribution of every trial each time, which takes most of an ask from a thousand trials on.
"""

from __future__ import annotations

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial


class Together:
    """The parameters that samplers of `nas.search.samplers` model together, of one study after the other."""

    def __init__(self) -> None:
        self._of: tuple[BaseStorage, int] | None = None
        self._spaces: dict[bool, IntersectionSearchSpace] = {}

    def look_at(self, study: optuna.Study) -> None:
        """What follows is asked about this study."""
        if self._of is None or self._of[0] is not study._storage or self._of[1] != study._study_id:
            self._of = study._storage, study._study_id  # the storage too: every one in memory begins with the same id
            self._spaces = {pruned: IntersectionSearchSpace(include_pruned=pruned) for pruned in (False, True)}

    def space(self, sampler: BaseSampler, view: optuna.Study, pending: FrozenTrial) -> dict[str, BaseDistribution]:
        """What `sampler.infer_relative_search_space` says of a view on the study, see `nas.search.pending`."""
        match sampler:
            case TPESampler():
                found = self._spaces[True].calculate(view)
            case GPSampler() | NSGAIISampler():
                found = self._spaces[False].calculate(view)
            case _:
                return sampler.infer_relative_search_space(view, pending)
        return {name: distribution for name, distribution in found.items() if not distribution.single()}
