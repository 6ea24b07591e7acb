"""The visitor's own account: password and personal tokens."""

from __future__ import annotations

from nicegui import ui

from sightgrid.domain.accounts import Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.server.api.auth import (
    NewPassword,
    NewToken,
    TokenAnswer,
    change_password,
    list_tokens,
    make_token,
    me,
    revoke_token,
)
from sightgrid.server.web import parts
from sightgrid.server.web.frame import ROLES
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor


@page("/account", title="Your account", permission=None)
async def account(visitor: Visitor) -> None:
    """Who you are here, your password, your tokens."""
    who = await visitor.ask(me)
    with parts.head("Your account", f"Signed in as {who.login}."):
        pass
    with parts.card("You"):
        parts.facts(
            {
                "Login": who.login,
                "Role": ROLES[who.role.value],
                "Cameras": "all" if who.cameras is None else ", ".join(who.cameras),
                "May": ", ".join(one.value.replace("-", " ") for one in who.permissions),
            }
        )
    with parts.card("Password", note="Changing it ends all of your sessions."):
        _password(visitor)
    await _Tokens(visitor).draw()


def _password(visitor: Visitor) -> None:
    with parts.box("form", "narrow"), parts.box("form-line"):
        old = parts.text_input("Password until now", password=True)
        old.props("autocomplete=current-password")
        new = parts.text_input("New password", password=True, note="12 characters or more.")
        new.props("autocomplete=new-password")
        again = parts.text_input("New password again", password=True)
        again.props("autocomplete=new-password")

    async def save() -> None:
        if new.value != again.value:
            raise InvalidValue("the new passwords are not the same")
        body = NewPassword(old=old.value or "", new=new.value or "")
        await visitor.ask(change_password, body=body)
        ui.navigate.to("/sign-in")

    with parts.row():
        parts.button("Change the password", save)


class _Tokens:
    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor

    async def draw(self) -> None:
        with parts.section(
            "Personal tokens",
            "For programs that use the API in your name. A token may do what you choose, until its "
            "end.",
        ):
            self._where = parts.box("column")
            with parts.row():
                parts.button("Make a token", self._make, icon="add")
        await self._show()

    async def _show(self) -> None:
        found = (await self._visitor.ask(list_tokens)).items
        self._where.clear()
        with self._where:
            if not found:
                parts.text("You have no tokens.", classes="muted")
                return
            parts.table(
                ("Name", "May", "Made", "Ends", "Last used", ""),
                [self._line(one) for one in found],
                label="Tokens",
            )

    def _line(self, one: TokenAnswer) -> list[parts.Cell]:
        when = self._visitor.when

        async def revoke() -> None:
            if await parts.confirm(
                f"Revoke {one.name}?",
                "Programs that use it are refused from now on.",
                action="Revoke",
                danger=True,
            ):
                await self._visitor.ask(revoke_token, token_id=one.token_id)
                parts.toast(f"{one.name} was revoked.")
                await self._show()

        def ending() -> None:
            if one.revoked:
                parts.badge("revoked")
            else:
                parts.icon_button("delete", f"Revoke {one.name}", revoke)

        return [
            one.name,
            ", ".join(scope.value for scope in one.scopes),
            when(one.created_at),
            self._visitor.day(one.expires_at),
            when(one.used_at),
            ending,
        ]

    async def _make(self) -> None:
        may = sorted(self._visitor.caller.permissions)
        with parts.dialog("Make a token", "Its secret is shown this once.") as asked:
            fields = parts.box("form")
            with fields:
                name = parts.text_input("Name", placeholder="dashboard in the lobby")
                scopes = parts.select("May", {one.value: one.value for one in may}, [], many=True)
                days = parts.number("Days", 90, least=1, most=365, step=1)

            async def make() -> None:
                body = NewToken(
                    name=(name.value or "").strip(),
                    scopes=[Permission(one) for one in scopes.value],
                    days=int(days.value or 0),
                )
                made = await self._visitor.ask(make_token, body=body)
                fields.clear()
                actions.delete()
                with fields:
                    parts.text(made.token, tag="code", classes="command")
                    parts.button(
                        "Copy", lambda: ui.clipboard.write(made.token), icon="content_copy"
                    )
                await self._show()

            with parts.dialog_actions() as actions:
                parts.button("Cancel", asked.close)
                parts.button("Make", make, kind="primary")
        asked.open()
