"""The settings file: what is written is read back, and what is wrong is named with its line and its fix."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.exceptions import SettingsError
from collector.settings import Limits, Settings, dump, load, parse

PORTS = st.integers(1, 65_535)


@given(PORTS, PORTS, st.lists(st.text("abc/", min_size=1), max_size=3), st.integers(16 << 20, 1 << 40))
def test_what_is_dumped_is_parsed_back(agents: int, web: int, rules: list[str], size: int) -> None:
    settings = Settings(
        hostnames=["a.test"], agents_port=agents, web_port=web, rules=rules, limits=Limits(inbox_bytes=size)
    )
    assert parse(dump(settings), "test") == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hostnames: [a]\nagent_port: 1\n", "line 2: unknown key agent_port; did you mean agents_port?"),
        (
            "hostnames: [a]\nlimits:\n  inbox_byte: 1\n",
            r"line 3: unknown key limits.inbox_byte; did you mean limits.inbox_bytes",
        ),
        ("hostnames: [a]\nqqq: 1\n", "line 2: unknown key qqq; valid keys: hostnames"),
        ("hostnames: []\n", "hostnames"),
        ("hostnames: [a]\nweb_port: 0\n", "web_port"),
        ("hostnames: [a\n", "not YAML"),
        ("hostnames: [a]\nweb_port: 1\nweb_port: 2\n", "line 3: web_port is given twice"),
        ("hostnames: !!int x\n", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("- a\n", "Expected `object`"),
        ("", "hostnames"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(text, "collector.yaml")


def test_an_absent_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="lienphong-collector init --data"):
        load(tmp_path)


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "collector.yaml").write_bytes(b"#" * (1 << 20))
    with pytest.raises(SettingsError, match="over 65536 bytes"):
        load(tmp_path)


def test_every_setting_is_documented() -> None:
    text = (Path(__file__).parents[1] / "docs/operation.md").read_text()
    for kind in (Settings, Limits):
        for field in msgspec.structs.fields(kind):
            assert f"`{field.name}`" in text, f"docs/operation.md does not mention {field.name}"
