"""The tree of nodes: paths from the root down, any depth, with any names of tiers."""

from __future__ import annotations

import time

from sqlalchemy import Connection, insert, select

from collector.fleet.tables import nodes


def ancestry(path: str) -> list[str]:
    """The node and all above it, root first: `a/b/c` gives `a`, `a/b`, `a/b/c`."""
    parts = path.split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def within(path: str, subtree: str) -> bool:
    """Whether a node lies in a subtree; the subtree `""` is the whole tree."""
    return not subtree or path == subtree or path.startswith(subtree + "/")


def ensure(connection: Connection, path: str) -> None:
    """Make the node and what is missing above it."""
    line = ancestry(path)
    known = set(connection.scalars(select(nodes.c.path).where(nodes.c.path.in_(line))))
    now = time.time_ns() // 1000
    for parent, node in zip(["", *line], line, strict=False):
        if node not in known:
            connection.execute(insert(nodes).values(path=node, parent=parent or None, made_us=now))
