"""The sampler that knows what is free: exact costs of every network, and a model of what is not.

In this field some objectives are exact and cost nothing (parameters, MACs, activations), some take a second and some
take minutes. A sampler that models them all alike spends most of its trials on learning what anybody can compute.
"""

from __future__ import annotations

from nas.cost.table import CostTable
from nas.outcomes import COST_COLUMNS
from nas.search.columns import Column
from nas.search.costaware.decoder import Decoder
from nas.search.costaware.known import Ask, Free
from nas.search.costaware.sampler import Aim, CostAware
from nas.space import SearchSpace
from nas.spec import StudySpec


def sampler_of(
    spec: StudySpec, space: SearchSpace, columns: tuple[Column, ...], table: CostTable, ask: Ask
) -> CostAware:
    """The sampler of a study. `ask` says all that is free to know of a choice, its metrics included."""
    wanted = [column for column in columns if column.role != "column"]
    aim = Aim(spec.objectives, spec.bounds, [column.name for column in wanted if not column.free])
    decoder = Decoder(space, table)
    metrics = [column.name for column in wanted if column.free and column.name not in COST_COLUMNS]
    return CostAware(aim, decoder, Free(decoder, metrics, ask, spec.bounds), spec.study.seed)
