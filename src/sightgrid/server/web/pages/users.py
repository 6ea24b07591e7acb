"""Accounts: who may sign in, as what, for which cameras."""

from __future__ import annotations

from nicegui import ui

from sightgrid.domain.accounts import Permission, Role
from sightgrid.server.api.accounts import (
    AccountChange,
    NewAccount,
    SetupLink,
    add,
    change,
    list_accounts,
    make_setup_link,
)
from sightgrid.server.api.auth import AccountAnswer
from sightgrid.server.api.cameras import list_cameras
from sightgrid.server.web import parts
from sightgrid.server.web.frame import ROLES
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor

ROLE_WORDS = {
    Role.OWNER: "Everything.",
    Role.PRIVACY_OFFICER: "Retention, erasure and the audit; sees people and sightings.",
    Role.OPERATOR: "Sightings, photo search, corrections; can be bound to some cameras.",
    Role.ATTENDANCE_MANAGER: "People and attendance.",
    Role.AUDITOR: "The audit and analytics, no people.",
}


@page("/users", title="Users", permission=Permission.MANAGE_ACCOUNTS)
async def users(visitor: Visitor) -> None:
    """Every account, with its role."""
    await _Users(visitor).draw()


class _Users:
    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor

    async def draw(self) -> None:
        with parts.head("Users", "Who may sign in, and what for."):
            parts.button("Add a user", self._add, kind="primary", icon="person_add")
        self._where = parts.box("column")
        with parts.section("Roles"):
            parts.facts({ROLES[role.value]: words for role, words in ROLE_WORDS.items()})
        await self._show()

    async def _show(self) -> None:
        found = (await self._visitor.ask(list_accounts)).items
        self._where.clear()
        with self._where:
            parts.table(
                ("Login", "Role", "Cameras", "May sign in", ""),
                [self._line(one) for one in found],
                label="Users",
            )

    def _line(self, one: AccountAnswer) -> list[parts.Cell]:
        mine = one.account_id == self._visitor.caller.account.account_id

        def state() -> None:
            if one.disabled:
                parts.badge("No", tone="bad")
            else:
                parts.badge("Yes", tone="good")

        def actions() -> None:
            with parts.row("one-line", "end"):
                parts.icon_button(
                    "key", f"New set-up code for {one.login}", lambda: self._code(one)
                )
                if mine:
                    parts.badge("you")
                    return
                parts.icon_button("edit", f"Change {one.login}", lambda: self._edit(one))
                sign, words = ("lock_open", "Let in") if one.disabled else ("block", "Lock out")
                parts.icon_button(sign, f"{words} {one.login}", lambda: self._switch(one))

        return [
            lambda: parts.text(one.login, classes="strong"),
            ROLES[one.role.value],
            "all" if one.cameras is None else ", ".join(one.cameras) or "none",
            state,
            actions,
        ]

    async def _cameras(self) -> list[str]:
        return [one.name for one in (await self._visitor.ask(list_cameras)).items]

    async def _add(self) -> None:
        names = await self._cameras()
        with parts.dialog(
            "Add a user", "They set their own password with a set-up code that you give them."
        ) as asked:
            fields = parts.box("form")
            with fields:
                login = parts.text_input("Login")
                role = parts.select("Role", ROLES, Role.OPERATOR.value)
                cameras = parts.select(
                    "Cameras (operators only)", names, [], many=True, note="None chosen: all."
                )

            async def make() -> None:
                body = NewAccount(
                    login=(login.value or "").strip(),
                    role=Role(role.value),
                    cameras=list(cameras.value) or None,
                )
                made = await self._visitor.ask(add, body=body)
                code = await self._visitor.ask(make_setup_link, account_id=made.account_id)
                fields.clear()
                actions.delete()
                with fields:
                    self._told(made.login, code)
                await self._show()

            with parts.dialog_actions() as actions:
                parts.button("Cancel", asked.close)
                parts.button("Add", make, kind="primary")
        asked.open()

    async def _edit(self, one: AccountAnswer) -> None:
        names = await self._cameras()
        with parts.dialog(f"Change {one.login}", "Their sessions end.") as asked:
            with parts.box("form"):
                role = parts.select("Role", ROLES, one.role.value)
                known = [name for name in one.cameras or [] if name in names]
                cameras = parts.select(
                    "Cameras (operators only)", names, known, many=True, note="None chosen: all."
                )

            async def save() -> None:
                chosen = list(cameras.value)
                body = AccountChange(
                    role=Role(role.value), cameras=chosen or None, all_cameras=not chosen
                )
                await self._visitor.ask(change, account_id=one.account_id, body=body)
                asked.close()
                parts.toast(f"{one.login} was changed.")
                await self._show()

            with parts.dialog_actions():
                parts.button("Cancel", asked.close)
                parts.button("Save", save, kind="primary")
        asked.open()

    async def _switch(self, one: AccountAnswer) -> None:
        out = not one.disabled
        if out and not await parts.confirm(
            f"Lock {one.login} out?",
            "Their sessions end and their tokens stop working. You can let them in again.",
            action="Lock out",
            danger=True,
        ):
            return
        body = AccountChange(disabled=out)
        await self._visitor.ask(change, account_id=one.account_id, body=body)
        parts.toast(f"{one.login} {'is locked out' if out else 'may sign in again'}.")
        await self._show()

    async def _code(self, one: AccountAnswer) -> None:
        code = await self._visitor.ask(make_setup_link, account_id=one.account_id)
        with parts.dialog(f"Set-up code for {one.login}") as asked:
            self._told(one.login, code)
            with parts.dialog_actions():
                parts.button("Done", asked.close, kind="primary")
        asked.open()

    def _told(self, login: str, code: SetupLink) -> None:
        parts.text(
            f"Give this code to {login}. It works once, until "
            f"{self._visitor.when(code.expires_at)}, on the page for signing in.",
            tag="p",
        )
        parts.text(code.code, tag="code", classes="command")
        parts.button("Copy", lambda: ui.clipboard.write(code.code), icon="content_copy")
