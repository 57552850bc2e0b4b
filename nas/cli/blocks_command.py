"""`nas blocks`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    plugin: Annotated[list[str] | None, typer.Option(help="A local plugin file; may be given again.")] = None,
) -> None:
    """List the blocks that are known, their parameters, and where each comes from."""
    from rich.console import Console
    from rich.table import Table

    from nas.choices import format_choice
    from nas.plugins import load_plugins

    plugins = load_plugins(plugin or ())
    table = Table("block", "version", "parameters (default first)", "from")
    for name, spec in plugins.blocks.items():
        params = "\n".join(f"{key}: {', '.join(map(format_choice, choices))}" for key, choices in spec.params.items())
        table.add_row(name, str(spec.version), params, str(plugins.blocks.origin(name)))
    console = Console()
    console.print(table)
    for broken in plugins.broken:
        console.print(f"did not load: {broken}")
