"""What sshd, sudo and su say of log-ins and of becoming somebody else, in fields.

Parts of these messages are typed by whoever tries to get in (user names above all), so every pattern is anchored
at both ends and takes the program's own words from the last place where they can stand. A message that fits none
still becomes an event with its text: keyword rules look there.
"""

from __future__ import annotations

import re

from msgspec import Struct

from wire.event import Value

Fields = dict[str, Value]

SERVICES = {
    "sshd": "sshd",
    "sshd-session": "sshd",
    "sshd-auth": "sshd",
    "sudo": "sudo",
    "su": "su",
    "su-l": "su",
}
"""Program as it names itself in the log → Sigma's service. OpenSSH 9.8 divided sshd."""


class Said(Struct, frozen=True):
    """A message, understood as far as it could be."""

    service: str
    fields: Fields


def understand(program: str, message: str) -> Said | None:
    """What `program` said; None when it is none of the three."""
    service = SERVICES.get(program)
    if service is None:
        return None
    message = message.strip()
    fields = _pam(message) or (_sudo(message) if service == "sudo" else _matched(service, message))
    return Said(service, {**fields, "message": message})


def recognise(message: str) -> Said | None:
    """The same for bare text, as `sshd -E` writes it; None unless it fits one of sshd's patterns."""
    message = message.strip()
    fields = _matched("sshd", message)
    return Said("sshd", {**fields, "message": message}) if fields else None


_FROM = r"(?P<SourceIp>\S+) port (?P<SourcePort>\d{1,5})"
_PREAUTH = r"(?: \[preauth\])?"

Patterns = tuple[tuple[re.Pattern[str], Fields], ...]


def _patterns(*given: tuple[str, Fields]) -> Patterns:
    return tuple((re.compile(pattern, re.DOTALL), constants) for pattern, constants in given)


_SSHD = _patterns(
    (
        rf"Accepted (?P<AuthMethod>\S+) for (?P<User>.*) from {_FROM}(?: ssh2)?(?:: (?P<Key>.*))?",
        {"Outcome": "success"},
    ),
    (
        rf"Failed (?P<AuthMethod>\S+) for (?:(?P<Invalid>invalid|illegal) user )?(?P<User>.*) from {_FROM}"
        rf"(?: ssh2)?(?:: (?P<Key>.*))?{_PREAUTH}",
        {"Outcome": "failure"},
    ),
    (rf"Invalid user (?P<User>.*) from {_FROM}", {"Outcome": "failure", "Reason": "invalid user"}),
    (
        r"(?:error: )?maximum authentication attempts exceeded for (?:(?P<Invalid>invalid) user )?"
        rf"(?P<User>.*) from {_FROM}(?: ssh2)?{_PREAUTH}",
        {"Outcome": "failure", "Reason": "maximum authentication attempts exceeded"},
    ),
    (
        r"error: PAM: (?P<Reason>.*) for (?:(?P<Invalid>illegal) user )?(?P<User>.*) from (?P<SourceIp>\S+)",
        {"Outcome": "failure"},
    ),
    (
        r"User (?P<User>.*) from (?P<SourceIp>\S+) not allowed because (?P<Reason>.*)",
        {"Outcome": "failure"},
    ),
    (
        r"(?P<Reason>Connection (?:closed|reset) by|Disconnected from|Disconnecting) "
        rf"(?P<Invalid>authenticating|invalid) user (?P<User>.*) {_FROM}(?:: .*)?{_PREAUTH}",
        {"Outcome": "failure"},
    ),
    (
        r"(?:error: |fatal: )?(?P<Reason>Unable to negotiate with|Connection (?:closed|reset) by|"
        r"Did not receive identification string from|Timeout before authentication for|"
        rf"banner exchange: Connection from) {_FROM}(?:: .*)?{_PREAUTH}",
        {},
    ),
    (rf"Connection from {_FROM} on \S+ port \d+(?: rdomain .*)?", {}),
    (rf"Disconnected from user (?P<User>.*) {_FROM}", {"Session": "closed"}),
    (
        rf"ROOT LOGIN REFUSED FROM {_FROM}{_PREAUTH}",
        {"User": "root", "Outcome": "failure", "Reason": "root login refused"},
    ),
)

_SU = _patterns(
    (r"\(to (?P<TargetUser>.*)\) (?P<User>.*) on (?P<TTY>\S+)", {"Outcome": "success"}),
    (r"FAILED SU \(to (?P<TargetUser>.*)\) (?P<User>.*) on (?P<TTY>\S+)", {"Outcome": "failure"}),
    (r"Successful su for (?P<TargetUser>.*) by (?P<User>.*)", {"Outcome": "success"}),
    (r"FAILED su for (?P<TargetUser>.*) by (?P<User>.*)", {"Outcome": "failure"}),
    (r"\+ (?P<TTY>\S+) (?P<User>[^:]*):(?P<TargetUser>.*)", {"Outcome": "success"}),
    (r"- (?P<TTY>\S+) (?P<User>[^:]*):(?P<TargetUser>.*)", {"Outcome": "failure"}),
)

_PATTERNS = {"sshd": _SSHD, "su": _SU}
"""In order; the first that fits as a whole wins, and its named groups become fields (OpenSSH auth.c, packet.c,
sshd.c; su of util-linux and of shadow)."""


def _matched(service: str, message: str) -> Fields:
    for pattern, constants in _PATTERNS[service]:
        if found := pattern.fullmatch(message):
            fields: Fields = {name: value for name, value in found.groupdict().items() if value}
            if fields.pop("Invalid", None) in ("invalid", "illegal"):
                fields.setdefault("Reason", "invalid user")
            if "SourcePort" in fields:
                fields["SourcePort"] = int(found["SourcePort"])
            return {**constants, **fields}
    return {}


_PAM = re.compile(r"pam_\w+\((?P<service>[\w-]+):(?P<facility>\w+)\): (?P<text>.*)", re.DOTALL)
_PAM_SESSION = re.compile(
    r"session (?P<Session>opened|closed) for user (?P<TargetUser>[^\s(]*)(?:\(uid=\d+\))?"
    r"(?: by (?P<User>[^\s(]*)\(uid=(?P<uid>\d+)\))?"
)
_PAM_FAILURE = re.compile(
    r"(?:\d+ more )?authentication failures?; logname=(?P<LoginName>.*?) uid=(?P<uid>\d+) euid=\d+ "
    r"tty=(?P<TTY>.*?) ruser=(?P<RemoteUser>.*?) rhost=(?P<SourceIp>.*?)(?:\s+user=(?P<TargetUser>.*))?"
)


def _pam(message: str) -> Fields:
    """What the PAM modules say in a program's name (linux-pam, pam_unix support.c and pam_unix_sess.c)."""
    outer = _PAM.fullmatch(message)
    if outer is None:
        return {}
    fields: Fields = {"PamModule": message.partition("(")[0], "PamService": outer["service"]}
    if found := _PAM_SESSION.fullmatch(outer["text"]):
        fields["Outcome"] = "success"
    elif found := _PAM_FAILURE.fullmatch(outer["text"]):
        fields |= {"Outcome": "failure", "Reason": "authentication failure"}
    else:
        return fields
    fields.update({name: value for name, value in found.groupdict().items() if value})
    if "uid" in fields:
        fields["uid"] = int(found["uid"])
    if outer["service"] == "sshd" and "TargetUser" in fields:
        fields.setdefault("User", fields["TargetUser"])
    return fields


_SUDO_NAMES = {"TTY": "TTY", "PWD": "PWD", "USER": "TargetUser", "GROUP": "TargetGroup", "HOST": "Host"}


def _sudo(message: str) -> Fields:
    """`who : [reason ;] TTY=… ; PWD=… ; USER=… ; … ; COMMAND=…` (sudo's logging.c); the command is the rest."""
    who, found, rest = message.partition(" : ")
    head, has_command, command = rest.partition("COMMAND=")
    if not found or not (has_command or "TTY=" in head or "USER=" in head):
        return {}
    fields: Fields = {"User": who, "Outcome": "success"}
    for part in head.split(" ; "):
        name, equals, value = part.strip(" ;").partition("=")
        if equals and name in _SUDO_NAMES:
            fields[_SUDO_NAMES[name]] = value
        elif name and not equals and "Reason" not in fields:
            fields |= {"Reason": name, "Outcome": "failure"}
    if has_command:
        fields["Command"] = command
    return fields
