"""`nas blocks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.choices import shown
from nas.cli import options
from nas.errors import SpecError, nearest, printable

if TYPE_CHECKING:
    from nas.plugins import Plugins
    from nas.registry import Registry
    from nas.runtimes import RuntimeSpec

FORMATS = ("table", "json")


def command(
    format: Annotated[str, typer.Option(metavar="FORMAT", help="table or json.")] = "table",  # noqa: A002  # its name
    plugin: options.PluginFiles = None,
    no_plugins: options.NoPlugins = False,
) -> None:
    """List the blocks, metrics and runtimes that are known, what they take or lack, and where each comes from."""
    from nas.plugins import load_plugins

    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise SpecError(f"--format: unknown format {shown(format)}{nearest(format, FORMATS)}; there are {known}")
    plugins = load_plugins(plugin or (), not no_plugins)
    if format == "json":
        import json

        typer.echo(json.dumps(_listed(plugins), indent=2, default=str))
    else:
        _show(plugins)


def _listed(plugins: Plugins) -> dict[str, Any]:
    """Every block, metric and runtime with its version, origin and source digest, and what did not load."""
    blocks = [
        _of(plugins.blocks, name) | {
            "scale": spec.scale,
            "parameters": [
                {"name": key, "default": choices[0], "choices": list(choices)} for key, choices in spec.params.items()
            ],
        }
        for name, spec in plugins.blocks.items()
    ]
    metrics = [
        _of(plugins.metrics, name) | {
            "unit": spec.unit,
            "direction": spec.direction,
            "cost": spec.cost,
            "options": None if spec.options is None else dict(spec.options),
        }
        for name, spec in plugins.metrics.items()
    ]
    runtimes = [
        _of(plugins.runtimes, name) | {"devices": sorted(spec.devices), "missing": missing(spec)}
        for name, spec in plugins.runtimes.items()
    ]
    broken = [{"origin": each.place, "cause": each.cause} for each in plugins.broken]
    return {"blocks": blocks, "metrics": metrics, "runtimes": runtimes, "broken": broken}


def _of(registry: Registry[Any], name: str) -> dict[str, Any]:
    origin = registry.origin(name)
    return {"name": name, "version": registry[name].version, "origin": str(origin), "digest": origin.digest}


def missing(spec: RuntimeSpec) -> dict[str, str]:
    """Kind of device -> what this machine lacks for the runtime to use it, and what brings that; where it lacks nothing
    that the runtime asks for, the kind is left out. A GPU is missing to a runtime that runs here on nothing else.
    """
    from nas.latency import gpu
    from nas.runtimes import RuntimeOptions

    found = {}
    without_gpu = "cpu" not in spec.devices and not gpu.count()
    for kind, device in (("cpu", "cpu"), ("cuda", "cuda:0")):
        if kind in spec.devices:
            try:
                reason = spec.check(RuntimeOptions(device))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # a stranger's check may raise anything
                reason = f"its check fails: {type(error).__name__}: {error}"
            lacks = ["a CUDA device"] if kind == "cuda" and without_gpu else []
            if lacks := [*lacks, *([reason] if reason else [])]:
                found[kind] = "; ".join(lacks)
    return found


def _show(plugins: Plugins) -> None:
    from rich.table import Table
    from rich.text import Text

    from nas.choices import format_choice

    blocks = Table("block", "version", "parameters (default first)", "from")
    for name, spec in plugins.blocks.items():
        params = "\n".join(f"{key}: {', '.join(map(format_choice, choices))}" for key, choices in spec.params.items())
        blocks.add_row(name, str(spec.version), Text(params), Text(str(plugins.blocks.origin(name))))
    metrics = Table("metric", "version", "unit", "better", "options (default)", "from")
    for name, metric in plugins.metrics.items():
        given = metric.options
        taken = "any" if given is None else "\n".join(f"{key}: {_plain(value)}" for key, value in given.items())
        better = {"minimize": "less", "maximize": "more"}[metric.direction]
        metrics.add_row(name, str(metric.version), Text(printable(metric.unit)), better, Text(printable(taken)),
                        Text(str(plugins.metrics.origin(name))))
    runtimes = Table("runtime", "version", "devices", "missing here", "from")
    for name, runtime in plugins.runtimes.items():
        runtimes.add_row(name, str(runtime.version), ", ".join(sorted(runtime.devices)), Text(_lack(runtime)),
                         Text(str(plugins.runtimes.origin(name))))
    console = options.output()
    for table in (blocks, metrics, runtimes):
        if table.row_count:
            console.print(table)
    for broken in plugins.broken:
        console.print(Text(f"did not load: {printable(broken)}"), soft_wrap=True)


def _plain(value: object) -> str:
    """As a study file has it: "auto", true, 0.5."""
    import json

    return json.dumps(value, default=str)


def _lack(spec: RuntimeSpec) -> str:
    """What is missing, or "nothing"; once where it is the same on all the devices that were asked about."""
    lacks = missing(spec)
    if not lacks:
        return "nothing"
    asked = spec.devices & {"cpu", "cuda"}
    if len(lacks) == len(asked) and len(set(lacks.values())) == 1:
        return printable(next(iter(lacks.values())))
    return printable("\n".join(f"{kind}: {reason}" for kind, reason in lacks.items()))
