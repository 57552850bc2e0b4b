"""`nas blocks`."""

from __future__ import annotations

from nas.cli import options


def command(plugin: options.PluginFiles = None, no_plugins: options.NoPlugins = False) -> None:
    """List the blocks that are known, their parameters, and where each comes from."""
    from rich.table import Table
    from rich.text import Text

    from nas.choices import format_choice
    from nas.plugins import load_plugins

    plugins = load_plugins(plugin or (), not no_plugins)
    table = Table("block", "version", "parameters (default first)", "from")
    for name, spec in plugins.blocks.items():
        params = "\n".join(f"{key}: {', '.join(map(format_choice, choices))}" for key, choices in spec.params.items())
        table.add_row(name, str(spec.version), Text(params), Text(str(plugins.blocks.origin(name))))
    console = options.output()
    console.print(table)
    for broken in plugins.broken:
        console.print(Text(f"did not load: {broken}"), soft_wrap=True)
