"""The fleet: the tree of nodes, enrolment tokens, agents and who of them is admitted."""

from __future__ import annotations

from collector.fleet.enrolment import Enrolment
from collector.fleet.exceptions import FleetError
from collector.fleet.watch import AdmissionWatch
from collector.messages import TokenCreate
from wire.identity import Role

__all__ = ["AdmissionWatch", "Enrolment", "FleetError", "create_token"]


def create_token(
    state_url: str,
    *,
    node: str,
    label: str,
    role: Role,
    uses: int,
    days: float,
    ca_sha256: str,
    allow_reenrol: bool = False,
) -> str:
    """Make an enrolment token while no responder runs (`init`); returns the line for the token file.

    Raises:
        StateError: the state database cannot be opened or written.
    """
    from collector.fleet import tokens
    from collector.state import connect, upgrade

    wanted = TokenCreate(node=node, label=label, role=role, uses=uses, days=days, allow_reenrol=allow_reenrol)
    database = connect(state_url)
    try:
        upgrade(database)
        with database.write() as connection:
            return tokens.create(connection, wanted, ca_sha256).text()
    finally:
        database.close()
