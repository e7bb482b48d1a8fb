"""Takes secrets out of command lines and log lines before anything is kept of them.

What is known: options and variables whose names say so, options of certain programs (`known_options`), passwords
in URLs, headers, keys. Names of options and users stay, for detection looks at them. In doubt too much is hidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from agent.sensors.known_options import PROGRAMS, Options

MASK = "***"

_LONG = (
    r"(?:password|passwd|passphrase|passcode|secret|token|credentials?|mat[-_]?khau|"
    r"(?:api|secret|access|private|auth|encryption|account)[-_]?key)"
)
_SHORT = r"(?:pass|passin|passout|pwd|pw|psk|bearer)"
_NAME = rf"(?:[a-z0-9_.-]{{0,64}}{_LONG}|(?:[a-z0-9_.-]{{0,64}}[-_.])?{_SHORT})"

_OPTION = re.compile(rf"(--?(?!-|no-){_NAME})(?:(=)(.*))?", re.IGNORECASE | re.DOTALL)
_VARIABLE = re.compile(rf"((?!(?-i:(?:OLD)?PWD=)){_NAME}=)(.+)", re.IGNORECASE | re.DOTALL)
_HEADER_ARGUMENT = re.compile(
    r"((?:proxy-)?authorization:\s*(?:[a-z]+\s+)?|(?:set-)?cookie:\s*|x-[a-z-]*(?:key|token|auth)[a-z-]*:\s*)(.+)",
    re.IGNORECASE | re.DOTALL,
)

_ANYWHERE: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            rf"(?<![a-z0-9_.-])((?!(?-i:(?:OLD)?PWD=)){_NAME}[\"']?(?:=|:(?!/)[ ]?))"
            r"(?:\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|[^\s\"'&;|,}]+)",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            r"\b((?:proxy-)?authorization[:=]\s*(?:(?:bearer|basic|token|digest)\s+)?)[^\s\"']+", re.IGNORECASE
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b((?:set-)?cookie:\s*)[^\"'\r\n]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(x-[a-z-]{0,40}(?:key|token|auth)[a-z-]{0,40}:\s*)[^\s\"']+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(://[^\s/:@\"']{0,256}:)[^\s/\"']{1,1024}(?=@)"), rf"\1{MASK}"),
    (re.compile(r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL), rf"\1{MASK}"),
)

_SIGNS = (
    *("pass", "pwd", "pw", "psk", "secret", "token", "credential", "khau", "key"),
    *("bearer", "authorization", "cookie", "://", *PROGRAMS),
)
"""Most command lines hold nothing of the kind; this is far faster than to look properly."""

_WORDS = re.compile(r"(\s+)")
_COMMANDS = re.compile(r"(;|\|\|?|&&|&(?=\s|$)|[\n()`])")
_SHELL_SCRIPT = re.compile(r"-[a-z]{0,3}c")


def arguments(given: Sequence[str]) -> list[str]:
    """The arguments of a program, its own name first, without secrets."""
    if not _suspect("\0".join(given)):
        return list(given)
    return _words(given, _argument)


def text(line: str) -> str:
    """A line of a log, or any other text in which a command may stand."""
    if not _suspect(line):
        return line
    return _anywhere(_nested(line))


def _suspect(given: str) -> bool:
    low = given.lower()
    return any(sign in low for sign in _SIGNS)


def _words(given: Sequence[str], inner: Callable[[str, str], str]) -> list[str]:
    """Go through words; the option before a word, or the program, may say that it is secret."""
    clean: list[str] = []
    hide: Callable[[str], str] | None = None
    options: Options | None = None
    before = ""
    for word in given:
        if hide and word and not (word.startswith("-") and len(word) > 1):
            clean.append(hide(word))
            hide, before = None, word
            continue
        options = PROGRAMS.get(word.rpartition("/")[2].rpartition("=")[2], options)
        scrubbed, hide = _option(word, options)
        clean.append(inner(word, before) if scrubbed is None else scrubbed)
        before = word
    return clean


def _option(word: str, options: Options | None) -> tuple[str | None, Callable[[str], str] | None]:
    """The word without what is secret in it (None: not an option with a secret), and how to hide the next one."""
    if not word.startswith(("-", "/")) and (options is None or word not in options.following):
        return None, None
    if options is not None:
        if word in options.following:
            return word, _hide_all
        if word in options.user_and_secret:
            return word, _hide_after_user
        for prefix in options.attached:
            if word.startswith(prefix) and len(word) > len(prefix) and not word.startswith("--"):
                return prefix + MASK, None
        for prefix in options.user_and_secret:
            if word.startswith(prefix) and len(prefix) == 2:
                return prefix + _hide_after_user(word[2:]), None
    found = _OPTION.fullmatch(word)
    if found is None:
        return None, None
    name, equals, _ = found.groups()
    return (f"{name}={MASK}", None) if equals else (word, _hide_all)


def _hide_all(_word: str) -> str:
    return MASK


def _hide_after_user(word: str) -> str:
    """`user:secret`, or `user%secret` as Samba's programs take it."""
    user, separator, _ = re.split(r"([:%])", word, maxsplit=1) if re.search(r"[:%]", word) else (word, "", "")
    return f"{user}{separator}{MASK}" if separator else word


def _argument(word: str, before: str) -> str:
    """One argument that is no option: a variable, a header, a script for a shell, or plain."""
    script = _SHELL_SCRIPT.fullmatch(before) is not None
    whole = None if script else _VARIABLE.fullmatch(word) or _HEADER_ARGUMENT.fullmatch(word)
    if whole:
        return whole.group(1) + MASK
    return _anywhere(_nested(word) if any(map(str.isspace, word)) else word)


def _nested(script: str) -> str:
    """The commands of a text, each by its words; what stands between them is kept."""
    commands = _COMMANDS.split(script)
    for place in range(0, len(commands), 2):
        parts = _WORDS.split(commands[place])
        parts[::2] = _words(parts[::2], lambda word, _before: word)
        commands[place] = "".join(parts)
    return "".join(commands)


def _anywhere(given: str) -> str:
    for pattern, replacement in _ANYWHERE:
        given = pattern.sub(replacement, given)
    return given
