"""Both languages say everything, with the same values in it."""

from __future__ import annotations

import string

import pytest

from agent import texts


def places(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("name", list(texts.TEXTS))
def test_both_languages(name):
    vi, en = texts.TEXTS[name]
    assert vi
    assert en
    assert places(vi) == places(en)


@pytest.mark.parametrize(
    ("variables", "vietnamese"),
    [
        ({"LANG": "vi_VN.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "vi_VN"}, True),
        ({"LANG": "vi_VN", "LC_ALL": "C"}, False),
        ({}, False),
    ],
)
def test_the_locale_chooses(variables, vietnamese, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert texts.vietnamese() is vietnamese
