"""Why the fleet refuses: each error carries the stable code that the asker is given."""

from __future__ import annotations

from collector.exceptions import CollectorError


class FleetError(CollectorError):
    """Base of the room. `code` is stable; `retry` says whether the same request may succeed later."""

    code = "fleet"
    retry = False


class BadTokenError(FleetError):
    """Unknown token or wrong secret: which of the two is not told."""

    code = "bad_token"


class TokenExpiredError(FleetError):
    """The token's time is over."""

    code = "token_expired"


class TokenUsedUpError(FleetError):
    """The token has enrolled as many agents as it may."""

    code = "token_used_up"


class TokenRevokedError(FleetError):
    """A person revoked the token."""

    code = "token_revoked"


class AlreadyEnrolledError(FleetError):
    """The machine has an agent that is still admitted: replacing it needs a person."""

    code = "already_enrolled"


class UnknownAgentError(FleetError):
    """No agent of this identity."""

    code = "unknown_agent"


class RevokedError(FleetError):
    """The agent was revoked."""

    code = "revoked"


class QuarantinedError(FleetError):
    """The agent is held back until a person releases it."""

    code = "quarantined"


class SupersededError(FleetError):
    """The certificate is neither the agent's current one nor the one before."""

    code = "superseded_certificate"


class NotPossibleError(FleetError):
    """The change does not fit the agent's or token's condition."""

    code = "not_possible"


class UnknownTokenError(FleetError):
    """No token of this id (told to people, never to an agent)."""

    code = "unknown_token"


class SignerError(FleetError):
    """The signer cannot sign now; the same request may succeed later."""

    code = "unavailable"
    retry = True
