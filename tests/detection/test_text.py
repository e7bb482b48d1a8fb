"""Folding, wildcards, factors, regular expressions and values: the parts whose errors would be silent misses."""

from __future__ import annotations

import re
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from collector.detection.exceptions import RuleError
from collector.detection.factors import factors_of
from collector.detection.fold import fold
from collector.detection.regexes import searcher
from collector.detection.values import moment_of, number_of, text_of
from collector.detection.wildcards import MANY, ONE, Glob, Part, normalise, spelled

parts = st.lists(st.one_of(st.sampled_from([MANY, ONE]), st.text("ab", min_size=1, max_size=2)), max_size=6)


@given(st.text())
def test_folding_keeps_length_and_is_done_at_once(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)
    assert fold(text) == "".join(fold(character) for character in text)


@given(st.text(max_size=8), st.text(max_size=3))
def test_what_a_text_contains_its_folding_contains(text: str, part: str) -> None:
    assert fold(part) in fold(text + part + text)


@given(parts, st.text("ab\n", max_size=8))
def test_globs_fit_as_the_expression_they_stand_for(pattern: list[Part], text: str) -> None:
    normal = normalise(pattern)
    expression = "".join({MANY: ".*", ONE: "."}.get(part) or re.escape(str(part)) for part in normal)  # type: ignore[call-overload]
    assert Glob(normal).fits(text) == (re.fullmatch(expression, text, re.DOTALL) is not None)


@pytest.mark.timeout(10)
def test_a_glob_of_many_stars_takes_no_longer_than_its_text() -> None:
    assert not Glob(normalise([MANY, "a", ONE] * 60 + ["b"])).fits("a" * 20_000)


def test_globs_are_spelled_as_rules_spell_them() -> None:
    assert spelled(normalise(["C:\\", MANY, "a*b", ONE])) == "C:\\\\*a\\*b?"


@pytest.mark.parametrize(
    ("pattern", "factors"),
    [
        ("abc", {"abc"}),
        ("ABC.*de", {"abc"}),
        ("ab+c", {"ab"}),
        ("(foo|bars)x", {"foo", "bars"}),
        ("(foo|b*)xy", {"xy"}),
        ("(foo)?xy", {"xy"}),
        ("(?i)abc", {"abc"}),
        ("(?:abc){2,}", {"abc"}),
        ("(?=abc)d", {"d"}),
        ("a|b*", None),
        ("[abc]+", None),
        ("\\d\\.exe", {".exe"}),
        ("\\x41bc", None),
        ("(a)\\1", None),
        ("[]a]bc", {"bc"}),
        ("[Aa][bB]c[d]", {"abcd"}),
        ("[a-b]cd[^e]", {"cd"}),
        ("x{0,3}yz", {"yz"}),
        ("(unclosed", None),
    ],
)
def test_factors(pattern: str, factors: set[str] | None) -> None:
    assert factors_of(pattern) == (None if factors is None else frozenset(factors))


PIECES = ["a", "b", "ab", "(a|b)", "(?:ab)?", "[ab]", ".", "a*", "b+", "a{1,2}", "\\.", "^", "$", "|", "(?i)",
          "(?!b)", "[Aa]", "[kK]", "[a]", "[^a]",
          "k", "\u212a", "(a(b|.)c)", "\\w", "x??"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join), st.text("abkK\u212acx.\n", max_size=9))
def test_a_factor_is_in_every_text_that_the_expression_is_found_in(pattern: str, text: str) -> None:
    try:
        compiled = regex.compile(pattern)
    except regex.error:
        return
    factors = factors_of(pattern)
    if factors is not None and compiled.search(text):
        assert any(factor in fold(text) for factor in factors)


@given(
    st.lists(st.sampled_from([p for p in PIECES if p != "(?i)"]), max_size=6).map("".join),
    st.text("abkx.\n", max_size=8),
)
def test_expressions_mean_what_they_mean_in_python(pattern: str, text: str) -> None:
    try:
        compiled = re.compile(pattern, re.ASCII)
    except re.error:
        return
    assert searcher(pattern, "").found_in(text) == (compiled.search(text) is not None)


def test_an_expression_that_neither_engine_takes_is_refused() -> None:
    with pytest.raises(RuleError, match="is invalid"):
        searcher("(?<n>a)(?P=", "")
    with pytest.raises(RuleError, match="at most"):
        searcher("a" * 10_000, "")


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{1000}){1000}){1000}",
        "((a{1000}){1000}){1000}\\p{L}",
        "(?x)((a{1 000}){1000}){1000}(?=b)",
        "a{1000}{1000}{1000}(?=b)",
        "(?<n>(a{1000,}){1000,}?)(?=b)",
        "(?:[ab]c){6000}(?=b)",
    ],
)
@pytest.mark.timeout(5)
def test_counters_that_multiply_too_far_are_refused_before_they_cost_anything(pattern: str) -> None:
    with pytest.raises(RuleError, match="repeats more than 10000 elements"):
        searcher(pattern, "")


@pytest.mark.parametrize(
    "pattern", ["(?=b)" + "\\d" * 4_000, "a{2000}(?=b)", "(x{0,50000}){0,9}(?=b)", "(a{9}){99}$"]
)
def test_expressions_that_only_look_large_are_taken(pattern: str) -> None:
    assert not searcher(pattern, "").found_in("x")


def test_lone_surrogates_are_searched_too() -> None:
    assert searcher("b$", "").found_in("\ud800b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "true"),
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        (None, None),
        ([], None),
    ],
)
def test_texts_of_values(value: Any, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("-5.5", -5.5), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("1e999", None), ("nan", None),
     ("0x1", None),
     (" 5", None), ("1_0", None), ("", None), ("٥", None), ("9" * 400, None)],
)  # fmt: skip
def test_numbers_of_texts(text: str, number: float | None) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2020-06-10 02:50:54.631", "2020-06-10T02:50:54.631000+00:00"),
        ("2017-08-30T19:13:38.1984821Z", "2017-08-30T19:13:38.198482+00:00"),
        ("2021-01-03T00:30:00+07:00", "2021-01-02T17:30:00+00:00"),
        ("1700000000", "2023-11-14T22:13:20+00:00"),
        ("1700000000000", "2023-11-14T22:13:20+00:00"),
        ("1700000000000000", "2023-11-14T22:13:20+00:00"),
        ("0001-01-01T00:00:00+14:00", None),
        ("-5", None),
        ("1e30", None),
        ("soon", None),
    ],
)
def test_moments_of_texts(text: str, written: str | None) -> None:
    moment = moment_of(text)
    assert (moment.isoformat() if moment else None) == written
