"""Envelopes and command identities: no two different things sign or hash alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import signed
from wire.command import command_id
from wire.errors import SignatureError

kinds = st.from_regex(r"[a-z]{1,32}", fullmatch=True)


@given(kinds, st.binary(max_size=200), st.binary(max_size=64))
def test_round_trip(kind, payload, signature):
    envelope = signed.seal(kind, payload, "ab" * 32, signature)
    assert envelope.payload_bytes() == payload
    assert envelope.signature_bytes() == signature


@given(kinds, st.binary(max_size=40), kinds, st.binary(max_size=40))
def test_what_is_signed_is_unambiguous(kind, payload, other_kind, other_payload):
    same = (kind, payload) == (other_kind, other_payload)
    assert (signed.to_sign(kind, payload) == signed.to_sign(other_kind, other_payload)) is same
    assert (signed.digest(kind, payload) == signed.digest(other_kind, other_payload)) is same


def test_what_is_no_base64():
    envelope = signed.Signed(kind="k", payload="!", algorithm="ed25519", key="ab" * 32, signature="é")
    with pytest.raises(SignatureError, match="payload"):
        envelope.payload_bytes()
    with pytest.raises(SignatureError, match="signature"):
        envelope.signature_bytes()


@given(
    st.tuples(st.text(max_size=9), st.text(max_size=9), st.integers(0, 99), st.text(max_size=9)).map(list),
    st.data(),
)
def test_command_ids_are_unambiguous(parts, data):
    other = data.draw(st.tuples(st.text(max_size=9), st.text(max_size=9), st.integers(0, 99), st.text(max_size=9)))
    assert (command_id(*parts) == command_id(*other)) is (tuple(parts) == other)
