"""The Gaussian process sampler, as Optuna's, with the search for its next point taken for all starts at once.

Optuna climbs from each of ten starting points alone, one evaluation of the acquisition function after the other: in a
space of 36 parameters, in which every parameter has a few choices, that is most of the second that a proposal takes.
The points that are compared are the same here, a batch at a time.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import GPSampler

Points = NDArray[np.float64]
"""A row each, of parameters as Optuna's Gaussian process sees them: categories by index, numbers from 0 to 1."""

_SWEEPS = 100
"""Through all parameters, after which a climb that still goes on is left where it is."""


MOST_NUMBERS = 16
"""Of an ordered parameter, up to which Optuna compares them all."""

log = logging.getLogger("nas")


class BatchedGPSampler(GPSampler):
    """Optuna's `GPSampler` for spaces of choices. Optuna's own search is taken where a parameter is continuous, or has
    so many numbers that Optuna searches along them; and, saying so, where another Optuna is built otherwise inside.
    """

    def _optimize_acqf(self, acqf: Any, best_params: Points | None) -> Points:
        """The point of the largest acquisition that was found; `acqf` is one of Optuna's."""
        try:
            found = self._climbed(acqf, best_params)
        except AttributeError as error:  # Optuna promises nothing of its inside
            warnings.warn(f"this Optuna's Gaussian process is built otherwise ({error}): it proposes by its own "
                          "search, which takes longer; a newer nas may know it", stacklevel=2)
            found = None
        if found is None:
            theirs: Points = super()._optimize_acqf(acqf, best_params)
            return theirs
        return found

    def _climbed(self, acqf: Any, best_params: Points | None) -> Points | None:
        space = acqf.search_space
        choices = space.get_choices_of_discrete_params()
        many = [len(values) > MOST_NUMBERS for values in choices]
        if len(space.continuous_indices) or any(many & ~space.is_categorical):
            return None
        sampled = space.sample_normalized_params(self._n_preliminary_samples, rng=self._rng.rng)
        starts = _starts(sampled, acqf.eval_acqf_no_grad(sampled), best_params, self._n_local_search, self._rng.rng)
        return climb(acqf.eval_acqf_no_grad, starts, choices)


def _starts(
    sampled: Points, values: Points, best: Points | None, number: int, rng: np.random.RandomState
) -> Points:
    """Where to climb from: the best of what was sampled, others of it by roulette, and the best of what is known."""
    first = int(values.argmax())
    chances = np.exp(values - values[first])
    chances[first] = 0.0
    total = chances.sum()
    known = 0 if best is None else len(best)
    others = min(number - known - 1, int(np.count_nonzero(chances / total > 0.0)) if total > 0.0 else 0)
    chosen = sampled[[first]]
    if others > 0:
        drawn = rng.choice(len(sampled), size=others, replace=False, p=chances / total)
        chosen = np.vstack([chosen, sampled[drawn]])
    return chosen if best is None else np.vstack([chosen, best])


def climb(evaluate: Any, starts: Points, choices: list[Points]) -> Points:
    """The best point that is reached from any start by changing one parameter at a time to its best choice.

    Args:
        evaluate: the acquisition of n points, n numbers.
        starts: (starts, parameters).
        choices: the values of each parameter.
    """
    points, reached = starts.copy(), np.asarray(evaluate(starts), dtype=np.float64).copy()
    unchanged = np.zeros(len(points), dtype=int)  # parameters that were looked at since the last change
    for step in range(_SWEEPS * len(choices)):
        place = step % len(choices)
        going = np.flatnonzero(unchanged < len(choices))
        if not len(going):
            break
        unchanged[going] += 1
        options = choices[place]
        if len(options) == 1:
            continue
        stands = np.abs(options - points[going, place][:, None]).argmin(axis=1)  # where its value is known
        others = np.array([np.delete(options, standing) for standing in stands])
        tried = np.repeat(points[going], others.shape[1], axis=0)
        tried[:, place] = others.ravel()
        values = np.asarray(evaluate(tried)).reshape(others.shape)
        best = values.argmax(axis=1)[:, None]
        values, others = np.take_along_axis(values, best, 1)[:, 0], np.take_along_axis(others, best, 1)[:, 0]
        better = values > reached[going]
        moved = going[better]
        points[moved, place], reached[moved], unchanged[moved] = others[better], values[better], 1
    else:
        log.warning("a proposal of the Gaussian process was still climbing after %d sweeps, and left there", _SWEEPS)
    found: Points = points[int(reached.argmax())]
    return found
