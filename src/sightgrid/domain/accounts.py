"""Who may do what: roles, permissions, accounts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """One kind of thing that an account may do. Scopes of tokens are these words."""

    SEE_SIGHTINGS = "see-sightings"
    SEE_NAMES = "see-names"
    SEARCH_PHOTO = "search-photo"
    EDIT_IDENTITIES = "edit-identities"
    SEE_ANALYTICS = "see-analytics"
    SEE_PEOPLE = "see-people"
    MANAGE_PEOPLE = "manage-people"
    TAKE_ATTENDANCE = "take-attendance"
    SEE_CAMERAS = "see-cameras"
    MANAGE_CAMERAS = "manage-cameras"
    MANAGE_BOXES = "manage-boxes"
    MANAGE_ACCOUNTS = "manage-accounts"
    MANAGE_SETTINGS = "manage-settings"
    MANAGE_RETENTION = "manage-retention"
    ERASE = "erase"
    SEE_AUDIT = "see-audit"


class Role(StrEnum):
    """What an account is for. *Operators* may be bound to some cameras."""

    OWNER = "owner"
    PRIVACY_OFFICER = "privacy-officer"
    OPERATOR = "operator"
    ATTENDANCE_MANAGER = "attendance-manager"
    AUDITOR = "auditor"

    @property
    def permissions(self) -> frozenset[Permission]:
        return _PERMISSIONS[self]


_PERMISSIONS = {
    Role.OWNER: frozenset(Permission),
    Role.PRIVACY_OFFICER: frozenset(
        {
            Permission.SEE_SIGHTINGS,
            Permission.SEE_NAMES,
            Permission.SEE_ANALYTICS,
            Permission.SEE_PEOPLE,
            Permission.SEE_CAMERAS,
            Permission.MANAGE_RETENTION,
            Permission.ERASE,
            Permission.SEE_AUDIT,
        }
    ),
    Role.OPERATOR: frozenset(
        {
            Permission.SEE_SIGHTINGS,
            Permission.SEE_NAMES,
            Permission.SEARCH_PHOTO,
            Permission.EDIT_IDENTITIES,
            Permission.SEE_ANALYTICS,
            Permission.SEE_CAMERAS,
        }
    ),
    Role.ATTENDANCE_MANAGER: frozenset(
        {
            Permission.SEE_NAMES,
            Permission.SEE_PEOPLE,
            Permission.MANAGE_PEOPLE,
            Permission.TAKE_ATTENDANCE,
            Permission.SEE_CAMERAS,
        }
    ),
    Role.AUDITOR: frozenset({Permission.SEE_AUDIT, Permission.SEE_ANALYTICS}),
}


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in. ``cameras`` is ``None`` where every camera may be seen."""

    account_id: str
    login: str
    role: Role
    cameras: frozenset[str] | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an account by its session or one of its tokens, with what it may do now.

    ``token_name`` says which token it was; ``None`` for a browser's session.
    """

    account: Account
    permissions: frozenset[Permission]
    token_name: str | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def may_see_camera(self, camera: str) -> bool:
        return self.account.cameras is None or camera in self.account.cameras

    @property
    def known_as(self) -> str:
        """As the audit calls them: an account's id, never a name."""
        return f"account:{self.account.account_id}"
