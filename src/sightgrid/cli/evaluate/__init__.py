"""``sightgrid evaluate``: numbers we may quote."""

from __future__ import annotations

from importlib import import_module

import click

# the module is imported when its evaluation is asked for, as in sightgrid.cli.main
_EVALUATIONS = {
    "calibration": "Which threshold keeps my budget of mistakes?",
    "clustering": "Are strangers told apart when nobody is enrolled?",
    "report": "What does each detector, pack and head give, side by side?",
    "grid": "Are trajectories right on a simulated camera grid?",
    "verification": "Do two photos show one person?",
    "identification": "Who is it, if anybody enrolled?",
    "detection": "Are faces found, and nothing else?",
    "speed": "What does a camera cost?",
    "tracking": "Were faces followed, and under one identity?",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_EVALUATIONS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _EVALUATIONS:
            return None
        command: click.Command = import_module(f"sightgrid.cli.evaluate.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _EVALUATIONS[name]) for name in sorted(_EVALUATIONS)])


@click.group("evaluate", cls=_LazyGroup)
def command() -> None:
    """Measure how well faces are found and recognised, on your own data or a public set.

    Each evaluation prints its figures and what they say; --plots adds plots and a page.
    """
