"""The ``sightgrid`` command: finds the sub-command, turns errors into one line and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module

import click

from sightgrid import __version__
from sightgrid.domain.errors import SightgridError

# name: (module, what it does); the module is imported when the command is used, so that --help
# stays instant however heavy a command is
_COMMANDS = {
    "attendance": ("attendance", "Sessions, marks and registers."),
    "camera": ("camera", "List, add, try and remove cameras."),
    "backup": ("backup", "Write an encrypted copy of the server's database."),
    "box": ("box", "Enrol boxes, list them, revoke them."),
    "database": ("database", "Bring the server's database to this version."),
    "demo": ("demo", "Try the whole chain on a sample camera grid."),
    "doctor": ("doctor", "Check this installation and say what to do."),
    "edge": ("edge", "Watch the cameras of this box."),
    "evaluate": ("evaluate", "Measure how well faces are found and recognised."),
    "identity": ("identity", "Look into the ledger: who was seen, where, when."),
    "models": ("models", "List, show, add, pull and verify model packs."),
    "people": ("people", "Keep the roster: people, consents, photos."),
    "restore": ("restore", "Fill a new database from a backup."),
    "privacy": ("privacy", "Erase somebody; check the audit."),
    "server": ("server", "Run the central server."),
    "track": ("track", "Turn recordings into trajectories."),
    "train": ("train", "Train a head that names faces."),
    "up": ("up", "Run sightgrid on this machine."),
    "user": ("user", "Add accounts, list them, change what they may do."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"sightgrid.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in sorted(_COMMANDS)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sightgrid")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
def program(debug: bool) -> None:
    """Who, or which anonymous visitor, was seen by which camera, when."""


def main() -> None:
    """Runs the command line and exits."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    # --debug may stand anywhere, as it is usually added to the end of what just failed
    arguments = [argument for argument in arguments if argument != "--debug"]
    sys.exit(run(arguments, debug=debug))


def run(arguments: list[str], *, debug: bool = False) -> int:
    """Runs one command line; returns its exit code and never raises."""
    try:
        result = program.main(arguments, prog_name="sightgrid", standalone_mode=False)
    except SightgridError as error:
        _complain(str(error), error.hint, error, debug=debug)
        return 1
    except click.Abort:
        _say("interrupted")
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        hint = None if context is None else f"see: {context.command_path} --help"
        _complain(error.format_message(), hint, error, debug=debug)
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except BrokenPipeError:
        # the reader of our output has gone away, as with `| head`
        sys.stderr.close()
        return 1
    except OSError as error:
        what = error.filename or "the system"
        _complain(f"{what}: {error.strerror or error}", None, error, debug=debug)
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence owes the user one line
        _complain(
            f"unexpected {type(error).__name__}: {error}",
            "this is a fault of sightgrid; run again with --debug and report what it shows",
            error,
            debug=debug,
        )
        return 1
    return result if isinstance(result, int) else 0


def _complain(message: str, hint: str | None, error: BaseException, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    line = " ".join(message.split())
    _say(f"error: {line}" + (f" ({hint})" if hint else ""))


def _say(line: str) -> None:
    click.echo(line, err=True)
