"""`nas`: which convolutional network should run on this device?

The names below are the public ones. They are imported when they are first used: `import nas` loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from nas.version import VERSION

if TYPE_CHECKING:
    from nas.arch import Architecture as Architecture
    from nas.arch import Head as Head
    from nas.arch import Norm as Norm
    from nas.arch import Stage as Stage
    from nas.arch import Stem as Stem
    from nas.bench.duel import duel as duel
    from nas.bench.duel_result import Duel as Duel
    from nas.blocks import BlockIO as BlockIO
    from nas.blocks import BlockSpec as BlockSpec
    from nas.cost.count import count as count
    from nas.cost.result import Cost as Cost
    from nas.errors import BlockError as BlockError
    from nas.errors import MeasureError as MeasureError
    from nas.errors import NasError as NasError
    from nas.errors import NothingFeasibleError as NothingFeasibleError
    from nas.errors import PluginError as PluginError
    from nas.errors import SpecError as SpecError
    from nas.errors import StoreError as StoreError
    from nas.errors import StudyDriftError as StudyDriftError
    from nas.hookspecs import hookimpl as hookimpl
    from nas.latency.measure import measure as measure
    from nas.latency.result import Latency as Latency
    from nas.metrics import Estimate as Estimate
    from nas.metrics import MetricContext as MetricContext
    from nas.metrics import MetricSpec as MetricSpec
    from nas.metrics import Setting as Setting
    from nas.network import build as build
    from nas.report.frame import read_measurements as read_measurements
    from nas.report.frame import read_report as read_report
    from nas.runtimes import DeviceCall as DeviceCall
    from nas.runtimes import RuntimeOptions as RuntimeOptions
    from nas.runtimes import RuntimeSpec as RuntimeSpec
    from nas.runtimes import Sent as Sent
    from nas.search.objective import Objective as Objective
    from nas.search.run import run as run
    from nas.zoo import load as load

_HOME = {
    "Architecture": "nas.arch",
    "Head": "nas.arch",
    "Norm": "nas.arch",
    "Stage": "nas.arch",
    "Stem": "nas.arch",
    "duel": "nas.bench.duel",
    "Duel": "nas.bench.duel_result",
    "BlockIO": "nas.blocks",
    "BlockSpec": "nas.blocks",
    "count": "nas.cost.count",
    "Cost": "nas.cost.result",
    "BlockError": "nas.errors",
    "MeasureError": "nas.errors",
    "NasError": "nas.errors",
    "NothingFeasibleError": "nas.errors",
    "PluginError": "nas.errors",
    "SpecError": "nas.errors",
    "StoreError": "nas.errors",
    "StudyDriftError": "nas.errors",
    "hookimpl": "nas.hookspecs",
    "measure": "nas.latency.measure",
    "Latency": "nas.latency.result",
    "Estimate": "nas.metrics",
    "MetricContext": "nas.metrics",
    "MetricSpec": "nas.metrics",
    "Setting": "nas.metrics",
    "build": "nas.network",
    "read_measurements": "nas.report.frame",
    "read_report": "nas.report.frame",
    "DeviceCall": "nas.runtimes",
    "RuntimeOptions": "nas.runtimes",
    "RuntimeSpec": "nas.runtimes",
    "Sent": "nas.runtimes",
    "Objective": "nas.search.objective",
    "run": "nas.search.run",
    "load": "nas.zoo",
}

__all__ = sorted(_HOME)  # noqa: PLE0605  # one list, of which the imports above are the typed half
__version__ = VERSION


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
