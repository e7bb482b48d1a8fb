"""What the routes work with: the database, the password checks, the stream, and the limits."""

from __future__ import annotations

from dataclasses import dataclass

from collector.api.passwords import Passwords
from collector.api.sessions import Policy
from collector.api.stream import Hub
from collector.state import Database


@dataclass(frozen=True)
class Services:
    """One set for the life of the process."""

    database: Database
    passwords: Passwords
    hub: Hub
    policy: Policy
