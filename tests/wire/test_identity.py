"""Identities in certificates, and tokens in files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import IdentityError, MalformedError, WireError
from wire.identity import EnrolToken, Identity, from_uris, parse_token

names = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True)
identities = st.builds(
    Identity,
    agent=st.from_regex(r"[a-z2-7]{16}", fullmatch=True),
    node=st.lists(names, min_size=1, max_size=16).map("/".join),
    label=names,
    role=st.sampled_from(["host", "wan", "relay"]),
)
GOOD = Identity(agent="a" * 16, node="tinh/xa-1", label="ict", role="host")


@given(identities, st.randoms())
def test_round_trip_in_any_order(identity, random):
    uris = identity.uris()
    random.shuffle(uris)
    assert from_uris(uris) == identity


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_names_are_refused_in_our_words(uris):
    with pytest.raises(IdentityError):
        from_uris(uris)


@pytest.mark.parametrize(
    "change",
    [
        lambda uris: uris[1:],
        lambda uris: [*uris, uris[0]],
        lambda uris: [*uris, "lienphong:admin:yes"],
        lambda uris: [*uris, "https://example.org"],
        lambda uris: [uris[0].upper(), *uris[1:]],
        lambda uris: [uris[0], "lienphong:node:../../etc", *uris[2:]],
        lambda uris: [uris[0], "lienphong:node:a//b", *uris[2:]],
        lambda uris: [uris[0], "lienphong:node:" + "/".join("a" * 17), *uris[2:]],
        lambda uris: [uris[0], "lienphong:node:" + "a" * 257, *uris[2:]],
        lambda uris: [*uris[:3], "lienphong:role:root"],
        lambda uris: [*uris[:2], "lienphong:label:a\n", *uris[3:]],
    ],
)
def test_exactly_one_well_formed_identity(change):
    assert from_uris(GOOD.uris()) == GOOD
    with pytest.raises(IdentityError):
        from_uris(change(GOOD.uris()))


secrets = st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True)


@given(secrets, secrets, st.from_regex(r"[0-9a-f]{64}", fullmatch=True))
def test_token_round_trip(name, secret, fingerprint):
    token = EnrolToken(id=name, secret=secret, ca_sha256=fingerprint)
    assert parse_token(f"  {token.text()}\n") == token


@given(st.text(max_size=100))
def test_any_text_is_refused_in_our_words(text):
    with pytest.raises(WireError):
        parse_token("x" + text)


def test_a_broken_token_is_not_shown():
    with pytest.raises(MalformedError) as caught:
        parse_token("lp1.id.topsecret")
    assert "topsecret" not in str(caught.value)
