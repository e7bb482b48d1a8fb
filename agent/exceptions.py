"""Everything the agent can fail with, under one base; the texts are for the person at the machine."""

from __future__ import annotations


class AgentError(Exception):
    """Something the agent cannot go on with. The message says what is wrong, where, and what to do."""


class ConfigError(AgentError):
    """The configuration file is not acceptable; the text names file, line, setting and what is allowed."""


class IdentityMissingError(AgentError):
    """This machine is not enrolled, or its identity files do not fit together."""


class EnrolError(AgentError):
    """Enrolment or renewal did not happen. `code` is the collector's, or ours where it never answered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SpoolError(AgentError):
    """The spool cannot do what was asked."""


class SpoolFullError(SpoolError):
    """The disk took nothing more; what was to be stored is still in memory."""


class SpoolCorruptError(SpoolError):
    """The spool file is not readable as what we wrote."""


class SpoolForeignError(SpoolError):
    """The spool file belongs to another agent or another machine."""


class SpoolClosedError(SpoolError):
    """The agent is stopping and takes no more events."""


class UplinkError(AgentError):
    """The collector was not reached or gave no usable answer; trying again later is right."""


class SensorError(AgentError):
    """A sensor cannot go on; it is started again with back-off."""


class HelperError(AgentError):
    """The root helper is gone or refused what it was asked."""


class AlreadyRunningError(AgentError):
    """Another agent works on the same data directory."""
