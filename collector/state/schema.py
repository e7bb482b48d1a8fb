"""What every room's tables share: one metadata with fixed constraint names, and the column kinds we use.

A room declares its tables on `metadata` in its own `tables.py` and reads no other room's.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Constraints have names that do not depend on the database, so that a later migration can drop one."""

Micros = BigInteger
"""A moment, µs since the epoch, UTC."""

Count = BigInteger
Small = Integer
Words = Text
Packed = LargeBinary
"""JSON of a msgspec struct, as bytes: only the room that wrote it reads it."""

ROOMS = ("collector.fleet.tables", "collector.incidents.tables", "collector.api.tables")
"""The modules whose import declares every table."""
