"""`nas blocks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import options
from nas.errors import SpecError, nearest, printable

if TYPE_CHECKING:
    from nas.plugins import Plugins

FORMATS = ("table", "json")


def command(
    format: Annotated[str, typer.Option(metavar="FORMAT", help="table or json.")] = "table",  # noqa: A002  # its name
    plugin: options.PluginFiles = None,
    no_plugins: options.NoPlugins = False,
) -> None:
    """List the blocks that are known, their parameters, and where each comes from."""
    from nas.plugins import load_plugins

    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise SpecError(f"--format: unknown format '{format}'{nearest(format, FORMATS)}; there are {known}")
    plugins = load_plugins(plugin or (), not no_plugins)
    if format == "json":
        import json

        typer.echo(json.dumps(_listed(plugins), indent=2))
    else:
        _show(plugins)


def _listed(plugins: Plugins) -> dict[str, Any]:
    """Every block with its version, origin, source digest and parameters, and what did not load."""
    blocks = [
        {
            "name": name,
            "version": spec.version,
            "origin": str(plugins.blocks.origin(name)),
            "digest": plugins.blocks.origin(name).digest,
            "scale": spec.scale,
            "parameters": [
                {"name": key, "default": choices[0], "choices": list(choices)} for key, choices in spec.params.items()
            ],
        }
        for name, spec in plugins.blocks.items()
    ]
    return {"blocks": blocks, "broken": [{"origin": each.place, "cause": each.cause} for each in plugins.broken]}


def _show(plugins: Plugins) -> None:
    from rich.table import Table
    from rich.text import Text

    from nas.choices import format_choice

    table = Table("block", "version", "parameters (default first)", "from")
    for name, spec in plugins.blocks.items():
        params = "\n".join(f"{key}: {', '.join(map(format_choice, choices))}" for key, choices in spec.params.items())
        table.add_row(name, str(spec.version), Text(params), Text(str(plugins.blocks.origin(name))))
    console = options.output()
    console.print(table)
    for broken in plugins.broken:
        console.print(Text(f"did not load: {printable(broken)}"), soft_wrap=True)
