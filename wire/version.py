"""The protocol's version and which neighbours are understood."""

from __future__ import annotations

from wire.errors import VersionError

VERSION = 1
"""Spoken by this release. Receivers accept one older and one newer; unknown fields are kept out of the
way, never refused, so that agents and collectors can be upgraded in either order."""


def current() -> int:
    """`VERSION`, as the default of a message's `v`. A plain default would be left out of the encoding
    (`omit_defaults`), and the next release would then read this one's messages as its own."""
    return VERSION


def check(version: int, what: str) -> None:
    """Raise `VersionError` unless `version` is ours or a neighbour of ours."""
    if not VERSION - 1 <= version <= VERSION + 1:
        raise VersionError(
            f"{what} has protocol version {version}; this side accepts {VERSION - 1} to {VERSION + 1}: "
            "upgrade the older side first"
        )
