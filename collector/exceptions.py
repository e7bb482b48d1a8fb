"""What the collector raises: one base, so that a command can print the text and exit without a traceback."""

from __future__ import annotations


class CollectorError(Exception):
    """Something a person can act on: the text says what, where and what to do."""


class SettingsError(CollectorError):
    """`collector.yaml` cannot be used as it is."""


class SetupError(CollectorError):
    """`init` or `serve` cannot go on with the data directory as it stands."""


class TrustError(CollectorError):
    """A key, certificate or request that the trust rules refuse."""
