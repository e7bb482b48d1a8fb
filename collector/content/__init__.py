"""Where the rules and playbooks of the product lie: in the wheel, or beside the packages in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(kind: str) -> Path:
    """The directory of shipped content; `kind` is `rules` or `playbooks`."""
    inside = _PACKAGE / kind
    return inside if inside.is_dir() else _PACKAGE.parents[1] / kind
