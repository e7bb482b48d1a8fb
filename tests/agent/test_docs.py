"""What exists is in the documentation: every setting with its default, command, metric and action."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from agent import cli, enrol, metrics, own
from agent.config import Config

DOCS = (Path(__file__).parents[2] / "docs" / "agent.md").read_text()


def settings(kind, prefix=""):
    """Every setting: its dotted name and default."""
    for field in msgspec.inspect.type_info(kind).fields:
        name = f"{prefix}{field.encode_name}"
        inner = field.type
        if isinstance(inner, msgspec.inspect.StructType):
            yield from settings(inner.cls, f"{name}.")
            continue
        yield name, field.default
        if isinstance(inner, msgspec.inspect.VarTupleType) and isinstance(
            inner.item_type, msgspec.inspect.StructType
        ):
            yield from settings(inner.item_type.cls, f"{name}[].")


@pytest.mark.parametrize(("name", "default"), list(settings(Config)))
def test_every_setting_with_its_default(name, default):
    line = next((line for line in DOCS.splitlines() if line.startswith(f"| `{name}` |")), None)
    assert line, f"{name} is not in docs/agent.md"
    if isinstance(default, (bool, int, float)):
        assert f"| {str(default).lower()} |" in line


def commands():
    parser = cli._parser()
    subparsers = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in subparsers.choices.items():
        for action in command._actions:
            yield name, max(action.option_strings, key=len)


@pytest.mark.parametrize(("command", "option"), list(commands()))
def test_every_command_and_option(command, option):
    assert f"| `{command} " in DOCS
    assert option in DOCS


@pytest.mark.parametrize("name", [f"{c.name}_total" for c in metrics.COUNTERS] + list(metrics.GAUGES))
def test_every_metric(name):
    assert f"`{metrics.PREFIX}{name}`" in DOCS


@pytest.mark.parametrize("action", get_args(own.Action))
def test_every_action(action):
    assert f"| `{action}` |" in DOCS


@pytest.mark.parametrize("code", list(enrol.HINTS))
def test_every_enrolment_code(code):
    assert f"`{code}`" in DOCS
