"""``sightgrid user``: who may sign in."""

from __future__ import annotations

from pathlib import Path

import click

from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.sites import on_site, opened_site

_ROLES = ("owner", "privacy-officer", "operator", "attendance-manager", "auditor")


@click.group("user")
def command() -> None:
    """Add accounts, list them, reset them, change what they may do."""


@command.command("add")
@click.argument("login")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What the account is for.")
@click.option(
    "--camera",
    "cameras",
    multiple=True,
    metavar="NAME",
    help="An operator sees these cameras only; repeat for more.",
)
@on_site
def add(
    login: str,
    role: str,
    cameras: tuple[str, ...],
    config_file: Path,
    data_folder: Path | None,
) -> None:
    """Add an account and print the one-time code that sets its password."""
    from sightgrid.domain.accounts import Role
    from sightgrid.server.accounts import add_account

    with opened_site(config_file, data_folder, make=True) as site:
        account = add_account(site, login, Role(role), cameras or None, actor="cli")
        code, _ = site.door.setup_code(account.account_id)
    _tell_code(login, code)


@command.command("list")
@on_site
@json_option
def list_accounts(config_file: Path, data_folder: Path | None, json_file: str | None) -> None:
    """List every account."""
    from sightgrid.store.accounts import accounts

    with opened_site(config_file, data_folder, make=True) as site, site.store.snapshot() as tx:
        found = accounts(tx)
    items = [
        {
            "login": one.login,
            "role": one.role.value,
            "cameras": None if one.cameras is None else sorted(one.cameras),
            "disabled": one.disabled,
        }
        for one in found
    ]
    if json_file is not None:
        write_json({"items": items}, json_file)
    if json_file != "-":
        print_table(
            ["login", "role", "cameras", "may sign in"],
            [
                (
                    one.login,
                    one.role.value,
                    "all" if one.cameras is None else ", ".join(sorted(one.cameras)) or "none",
                    "no" if one.disabled else "yes",
                )
                for one in found
            ],
            title="Accounts",
        )


@command.command("roles")
@click.argument("login", required=False)
@click.option("--role", type=click.Choice(_ROLES), help="The account's new role.")
@on_site
def roles(login: str | None, role: str | None, config_file: Path, data_folder: Path | None) -> None:
    """Show what each role may do, or give LOGIN another --role."""
    from sightgrid.domain.accounts import Role
    from sightgrid.server.accounts import change_account
    from sightgrid.store.accounts import account_named

    if login is None:
        print_table(
            ["role", "may"],
            [(one.value, ", ".join(sorted(one.permissions))) for one in Role],
            title="Roles",
        )
        return
    if role is None:
        raise click.UsageError("give the new role with --role")
    with opened_site(config_file, data_folder, make=True) as site:
        with site.store.snapshot() as tx:
            known = account_named(tx, login)
        change_account(site, known.account_id, actor="cli", role=Role(role))
    note(f"'{login}' is {role} now; sessions of theirs have ended")


@command.command("reset")
@click.argument("login")
@on_site
def reset(login: str, config_file: Path, data_folder: Path | None) -> None:
    """End every session of LOGIN and print a one-time code for a new password."""
    from sightgrid.server.accounts import reset_account
    from sightgrid.store.accounts import account_named

    with opened_site(config_file, data_folder, make=True) as site:
        with site.store.snapshot() as tx:
            known = account_named(tx, login)
        code = reset_account(site, known.account_id, actor="cli")
    _tell_code(login, code)


@command.command("setup-link")
@click.argument("login", required=False)
@on_site
def setup_link(login: str | None, config_file: Path, data_folder: Path | None) -> None:
    """Print a one-time code: for LOGIN's password, or for the first owner where nobody is yet."""
    from sightgrid.domain.errors import InvalidValue
    from sightgrid.server.accounts import note_setup_link
    from sightgrid.store.accounts import account_named, any_account

    with opened_site(config_file, data_folder, make=True) as site:
        account_id = None
        with site.store.snapshot() as tx:
            if login is not None:
                account_id = account_named(tx, login).account_id
            elif any_account(tx):
                raise InvalidValue(
                    "there is an owner already", hint="give the login whose password is to be set"
                )
        if account_id is not None:
            note_setup_link(site, account_id, actor="cli")
        code, _ = site.door.setup_code(account_id)
    _tell_code(login or "the owner", code)


def _tell_code(login: str, code: str) -> None:
    note(f"one-time code for {login}, valid for a day:")
    click.echo(code)
