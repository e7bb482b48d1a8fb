"""Who may do what, where: people × force × role × subtree. The one place that decides.

A grant gives a person, as a member of a force, a role in a subtree. A role is a set of permissions; every route
names the one it needs. What a person reads is filtered by the subtrees in which the permission is held.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

Permission = Literal[
    "public", "signed_in", "overview.read", "alerts.read", "alerts.act", "fleet.read", "fleet.manage"
]
"""`public` needs no session; `signed_in` a session and no role."""

Role = Literal["it_staff", "analyst", "responder", "approver", "commander", "auditor", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)

FORCES = ("police", "military", "cipher", "ict")
"""The forces of the coordination mechanism; a force's name in a grant is data."""

EVERYWHERE = ""
"""The subtree that is the whole tree."""

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    "it_staff": frozenset({"overview.read", "fleet.read", "fleet.manage"}),
    "analyst": frozenset({"overview.read", "alerts.read", "alerts.act", "fleet.read"}),
    "responder": frozenset({"overview.read", "alerts.read", "alerts.act", "fleet.read"}),
    "approver": frozenset({"overview.read", "alerts.read"}),
    "commander": frozenset({"overview.read", "alerts.read", "fleet.read"}),
    "auditor": frozenset({"overview.read", "alerts.read", "fleet.read"}),
    "administrator": frozenset({"overview.read", "fleet.read", "fleet.manage"}),
}
"""An administrator runs the system and does not thereby see what it found: that takes a grant as analyst."""


class Grant(Struct, frozen=True, kw_only=True):
    """One person's role as a member of a force in a subtree; the subtree `""` is the whole tree."""

    force: str
    role: Role
    subtree: str


class Access(Struct, frozen=True, kw_only=True):
    """Everything a person was granted."""

    user: str
    grants: tuple[Grant, ...]

    def scopes(self, permission: Permission) -> tuple[str, ...]:
        """The subtrees in which the permission is held, none within another."""
        return outermost(g.subtree for g in self.grants if permission in PERMISSIONS[g.role])

    def permissions(self) -> list[str]:
        """Every permission held somewhere, for a page to know what to offer."""
        return sorted({p for grant in self.grants for p in PERMISSIONS[grant.role]})

    def allows(self, permission: Permission) -> bool:
        """Whether the permission is held anywhere."""
        return permission in {"public", "signed_in"} or bool(self.scopes(permission))


def outermost(subtrees: Iterable[str]) -> tuple[str, ...]:
    """The subtrees that lie in no other of them."""
    found = sorted(set(subtrees))
    if EVERYWHERE in found:
        return (EVERYWHERE,)
    return tuple(s for s in found if not any(s.startswith(f"{other}/") for other in found))
