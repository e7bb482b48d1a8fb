"""The configuration file: what is accepted, and what a person is told about what is not."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import configfile
from agent.config import Config, LogFile
from agent.exceptions import ConfigError


def parse(text):
    return configfile.parse(text.encode(), "agent.yaml")


def test_defaults_without_a_file(tmp_path):
    assert configfile.load(tmp_path / "absent") == Config() == parse("") == parse("# nothing\n")
    with pytest.raises(ConfigError, match="no such file"):
        configfile.load(tmp_path / "absent", required=True)


def test_values_are_taken():
    config = parse(
        "sensors:\n  health: {interval_seconds: 5}\n  logs:\n    files:\n"
        "      - path: /srv/app/auth.log\n        format: sshd\nuser: agent\n"
    )
    assert config.sensors.health.interval_seconds == 5
    assert config.sensors.logs.files == (LogFile(path="/srv/app/auth.log", format="sshd"),)
    assert config.user == "agent"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sensors:\n  helth: {}\n", "agent.yaml, line 2: sensors.helth: unknown setting; did you mean health?"),
        ("spol:\n  max_bytes: 1\n", "line 1: spol: unknown setting; did you mean spool?"),
        ("\nsensors:\n  logs:\n    files:\n    - path: /a\n      fomat: su\n", "line 6: .*files.0..fomat.*format"),
        ("spool:\n  max_bytes: 5\n", "line 2: spool.max_bytes: expected `int` >= 1048576; it is 5"),
        (
            "sensors: {health: {interval_seconds: often}}",
            "interval_seconds: expected `float`, got `str`; it is 'often'",
        ),
        ("sensors: {logs: {files: [{path: /a, format: x}]}}", "expected one of auto, .*it is 'x'"),
        ("sensors: {logs: {files: [{path: a}]}}", r"files\[0\].path: expected `str` matching"),
        ("sensors: {logs: {files: [{}]}}", "missing required field `path`"),
        ("metrics: 5", "line 1: metrics: expected a section"),
        ("- a", "line 1: the file: expected a section"),
        ("metrics: {port: true}", "expected `int`, got `bool`"),
        ("user: x\nuser: y\n", "line 2: user is given twice"),
        ("a: &x 1\nb: *x\n", "line 2: aliases"),
        ("user: !!python/name:os.system ''", "line 1: could not determine a constructor"),
        ("spool: !!python/object:os.x {}", "line 1: tags"),
        ("a: [", "line 1: "),
        ("a: 1\n--- \nb: 1\n", "line 2: "),
        ("collector: {url: 'http://x'}", "collector.url"),
        ("user: x\ncollector:\n  url: https://a..b\n", "line 3: collector.url: .*write https://HOST:PORT"),
        ("spool:\n  max_bytes: 2020-13-45\n", "line 2: '2020-13-45' is no timestamp"),
        ("spool:\n  max_bytes: !!int 'x'\n", "line 2: 'x' is no int"),
        ("spool:\n  max_bytes: !!int ''\n", "line 2: '' is no int"),
        ("user: x\nmetrics: {port: !!timestamp x}\n", "line 2: 'x' is no timestamp"),
        ("metrics: {port: !!bool x}\n", "line 1: 'x' is no bool"),
        ("metrics:\n  port: " + "9" * 5_000, "line 2: '9+' is no int"),
        ('metrics: 1\nuser: "\\UFFFFFFFF"\n', "line 2: not YAML"),
        (
            "sensors:\n  logs:\n    files:\n    - path: /a/b\n    - format: su\n      path: /a/./b\n",
            r"line 6: sensors.logs.files\[1\].path: /a/./b is followed already, by files\[0\]",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, words):
    with pytest.raises(ConfigError, match=words):
        parse(text)


def test_hostile_files_are_bounded(tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_bytes(b"#" * (configfile.MAX_BYTES + 1))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="over 262144 bytes"):
        configfile.load(path)
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse("[" * 50_000)


def test_as_root_only_roots_file_counts(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: gives a file away")
    path = tmp_path / "agent.yaml"
    path.write_text("user: x\n")
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="writable by nobody else"):
        configfile.load(path)
    path.chmod(0o644)
    assert configfile.load(path).user == "x"
    os.chown(path, 61_721, 0)
    with pytest.raises(ConfigError, match="must belong to root"):
        configfile.load(path)


@given(st.text(max_size=80) | st.text("abc:{}[]-&*!|>'\"\n #%@`,?", max_size=40))
def test_any_text_is_refused_in_our_words(text):
    try:
        parse(text)
    except (ConfigError, UnicodeEncodeError):
        return
