"""Subtrees in SQL: a person's scopes as a condition on a column that holds a node's path."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, ColumnElement, false, or_, true


def in_scopes(column: Column[str], scopes: Iterable[str]) -> ColumnElement[bool]:
    """Whether the node lies in one of the subtrees. `""` is the whole tree; no subtree at all is nothing.

    A path holds only `a-z0-9-/` (`wire.identity.NodePath`), so nothing in it needs escaping in LIKE.
    """
    conditions: list[ColumnElement[bool]] = []
    for scope in scopes:
        if not scope:
            return true()
        conditions += [column == scope, column.like(f"{scope}/%")]
    return or_(*conditions) if conditions else false()
