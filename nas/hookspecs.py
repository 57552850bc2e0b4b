"""The plugin contract: three hooks. A plugin implements any of them with `@nas.hookimpl`."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from nas.blocks import BlockSpec
from nas.metrics import MetricSpec
from nas.runtimes import RuntimeSpec

hookspec = pluggy.HookspecMarker("nas")
hookimpl = pluggy.HookimplMarker("nas")


@hookspec
def nas_blocks() -> Iterable[BlockSpec]:  # type: ignore[empty-body]  # a hook specification has none
    """The blocks of this plugin. Called once at start-up; builds no module."""


@hookspec
def nas_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """The metrics of this plugin: what a column of a report can hold."""


@hookspec
def nas_runtimes() -> Iterable[RuntimeSpec]:  # type: ignore[empty-body]
    """The runtimes of this plugin: how a network can be run to be timed."""
