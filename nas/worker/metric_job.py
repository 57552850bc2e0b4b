"""Metrics, asked in a worker: of a setting before a study starts, and of one candidate after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from nas.arch import Architecture
from nas.cost.result import Cost
from nas.errors import MeasureError
from nas.latency.numerics import compute_as, numerics
from nas.latency.quiet import torch_as_it_was
from nas.metrics import Answer, Estimate, MetricContext, MetricSpec, Setting, ask, ask_setting
from nas.plugins import Plugins, load_plugins
from nas.worker.messages import Tell

if TYPE_CHECKING:
    from torch import nn

BUILDING_LIMIT_S = 300.0
"""Of a stranger's block, too, that does not come to an end."""
LOADING_LIMIT_S = 300.0
"""Of the imports of all plugins, torch's among them, on a cold disk."""
CHECKING_LIMIT_S = 1800.0
"""Of a GPU that hangs at the first call, too. So long, because metrics may read their whole data set meanwhile, and
another machine be sent what it needs."""


def compute(arguments: Mapping[str, Any], tell: Tell) -> object:
    """What a metric says of an architecture: an `Estimate` as a mapping."""
    from nas.network import build_network

    plugins, metric = _loaded(arguments, tell)
    arch = Architecture.parse(arguments["arch"])
    now = block_digests(arch, plugins)
    for block, digest in arguments["blocks"].items():
        _check_source(f"block '{block}'", digest, now[block])
    told: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in arguments["cost"].items()
    }

    def built() -> nn.Module:
        tell.phase("building the network", BUILDING_LIMIT_S)
        network = build_network(arch, plugins.blocks, seed=arguments["seed"])
        tell.phase("computing")
        return network

    context = MetricContext(
        arch, arch.input_shape, arguments["options"], arguments["seed"], arguments["device"],
        built, plugins.runtimes,
        on_report=lambda step, value: tell.report([step, value]),
        on_phase=tell.phase,
        known_cost=Cost(**told),
    )
    tell.phase("computing")
    with torch_as_it_was():
        return asdict(ask(metric, context))


def setting(arguments: Mapping[str, Any], tell: Tell) -> object:
    """What a metric says of a column's setting: an `Answer` as a mapping."""
    plugins, metric = _loaded(arguments, tell)
    shapes = tuple((channels, height, width) for channels, height, width in arguments["input_shapes"])
    asked = Setting(arguments["options"], shapes, arguments["classes"], plugins.runtimes)
    tell.phase("checking", CHECKING_LIMIT_S)
    return asdict(ask_setting(metric, asked))


def block_digests(arch: Architecture, plugins: Plugins) -> dict[str, str]:
    """Block -> digest of the source that it came from, of the architecture's blocks."""
    return {stage.block: plugins.blocks.origin(stage.block).digest for stage in arch.stages}


def request(plugins: Plugins, metric: MetricSpec, options: Mapping[str, object]) -> dict[str, object]:
    """What both jobs need to find the metric again."""
    return {
        "files": list(plugins.files),
        "entry_points": plugins.entry_points,
        "metric": metric.name,
        "source": plugins.metrics.origin(metric.name).digest,
        "options": dict(options),
        "numerics": numerics(),
    }


def estimate_of(answer: Mapping[str, Any]) -> Estimate:
    """The estimate that `compute` answered."""
    return Estimate(**{**answer, "samples": tuple(answer["samples"])})


def answer_of(answer: Mapping[str, Any]) -> Answer:
    """What `setting` answered."""
    return Answer(**{field.name: answer[field.name] for field in fields(Answer)})


def _loaded(arguments: Mapping[str, Any], tell: Tell) -> tuple[Plugins, MetricSpec]:
    """The plugins, and the metric as the owner of the study knows it.

    Raises:
        MeasureError: `contaminated`, where its source has been edited since the owner read it.
    """
    tell.phase("loading plugins", LOADING_LIMIT_S)
    plugins = load_plugins(arguments["files"], arguments["entry_points"])
    compute_as(arguments["numerics"])
    name = arguments["metric"]
    _check_source(f"metric '{name}'", arguments["source"], plugins.metrics.origin(name).digest)
    return plugins, plugins.metrics[name]


def _check_source(what: str, known: str, now: str) -> None:
    if now != known:
        raise MeasureError(f"the source of {what} was changed while the study ran: run it again", "contaminated")
