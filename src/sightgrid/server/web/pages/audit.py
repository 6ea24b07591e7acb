"""The audit: who did what, when and why, and whether the chain is intact."""

from __future__ import annotations

from sightgrid.domain.accounts import Permission
from sightgrid.server.api.accounts import list_accounts
from sightgrid.server.api.audit import AuditAnswer, list_events, verify
from sightgrid.server.web import parts
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor

_ROWS = 50


@page("/audit", title="Audit", permission=Permission.SEE_AUDIT)
async def audit(visitor: Visitor) -> None:
    """The rows, the newest first."""
    await _Audit(visitor).draw()


class _Audit:
    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._logins: dict[str, str] = {}
        self._rows: list[AuditAnswer] = []
        self._next: str | None = None

    async def draw(self) -> None:
        visitor = self._visitor
        with parts.head(
            "Audit",
            "Who did what, when and why. Each row carries the fingerprint of the one before: a row "
            "that was changed or taken out is found.",
        ):
            parts.button("Check the chain", self._verify, icon="verified")
        self._verdict = parts.box()
        if visitor.may(Permission.MANAGE_ACCOUNTS):
            accounts = (await visitor.ask(list_accounts)).items
            self._logins = {f"account:{one.account_id}": one.login for one in accounts}
        self._where = parts.box("column")
        await self._more()

    async def _verify(self) -> None:
        told = await self._visitor.ask(verify)
        self._verdict.clear()
        with self._verdict:
            if told.intact:
                parts.notice(f"All {told.rows} rows are as they were written.", tone="good")
            else:
                parts.notice(
                    f"Row {told.first_bad} is not as it was written: {told.reason}", tone="bad"
                )

    async def _more(self) -> None:
        found = await self._visitor.ask(list_events, limit=_ROWS, cursor=self._next)
        self._rows += found.items
        self._next = found.next_cursor
        self._where.clear()
        with self._where:
            if not self._rows:
                parts.empty("fact_check", "Nothing has been done yet")
                return
            parts.table(
                ("No.", "When", "Who", "What", "About", "Why", "More"),
                [self._line(row) for row in self._rows],
                label="Audit",
            )
            if self._next is not None:
                with parts.row():
                    parts.button("Older rows", self._more, icon="expand_more")

    def _line(self, row: AuditAnswer) -> list[parts.Cell]:
        details = ", ".join(f"{name}: {value}" for name, value in row.details.items())
        return [
            row.number,
            self._visitor.when(row.at),
            self._named(row.actor),
            row.action.replace("-", " "),
            self._named(row.subject),
            row.reason,
            details,
        ]

    def _named(self, who: str) -> str:
        """An account by its login, for those who may know it; everything else shortened."""
        if who in self._logins:
            return self._logins[who]
        kind, colon, number = who.partition(":")
        return f"{kind} {number[:8]}" if colon else who
