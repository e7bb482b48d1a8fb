"""Everything that can be wrong with what arrived over the wire, under one base."""

from __future__ import annotations


class WireError(ValueError):
    """A message that cannot be accepted. `code` is stable and machine-readable; the text is for people."""

    code = "wire"


class MalformedError(WireError):
    """Not decodable, or a field outside its limit; the text names the field."""

    code = "malformed"


class TooLargeError(WireError):
    """Over a size limit, before or after decompression."""

    code = "too_large"


class VersionError(WireError):
    """A protocol version that is neither ours, the one before, nor the one after."""

    code = "version"


class HashMismatchError(WireError):
    """The bytes of a block are not the bytes its reference promises."""

    code = "hash_mismatch"


class IdentityError(WireError):
    """A certificate that does not carry exactly one agent, node and role in the product's form."""

    code = "identity"


class SignatureError(WireError):
    """A signed envelope whose signature, key or time does not hold."""

    code = "signature"
