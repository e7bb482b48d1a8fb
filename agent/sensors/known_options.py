"""Options of common programs whose value is a secret though their name does not say so."""

from __future__ import annotations

from msgspec import Struct


class Options(Struct, frozen=True):
    """`attached`: the secret is in the same word (`-pSECRET`); `following`: it is the next word;
    `user_and_secret`: the next word, or the rest of this one, is `user:secret`."""

    attached: tuple[str, ...] = ()
    following: tuple[str, ...] = ()
    user_and_secret: tuple[str, ...] = ()


_MYSQL = Options(attached=("-p",))
_MONGO = Options(attached=("-p",), following=("-p",))
_LDAP = Options(attached=("-w",), following=("-w",))
_SAMBA = Options(user_and_secret=("-U", "--user"))
_SNMP = Options(attached=("-c", "-A", "-X"), following=("-c", "-A", "-X"))
_CURL = Options(following=("-b", "-E"), user_and_secret=("-u", "--user", "-U", "--proxy-user"))
_ARCHIVE = Options(attached=("-p", "-hp"))
_SHADOW = Options(attached=("-p",), following=("-p",))

PROGRAMS: dict[str, Options] = {
    **dict.fromkeys(
        ("mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlshow", "mysqlcheck", "mysqlbinlog", "mycli"),
        _MYSQL,
    ),
    **dict.fromkeys(("mariadb", "mariadb-dump", "mariadb-admin"), _MYSQL),
    **dict.fromkeys(("mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport"), _MONGO),
    **dict.fromkeys(("ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldappasswd", "ldapwhoami"), _LDAP),
    **dict.fromkeys(("smbclient", "rpcclient", "smbget", "net", "winexe", "wmic"), _SAMBA),
    **dict.fromkeys(("snmpwalk", "snmpget", "snmpset", "snmpbulkwalk"), _SNMP),
    **dict.fromkeys(("7z", "7za", "7zr", "rar", "unrar"), _ARCHIVE),
    **dict.fromkeys(("useradd", "usermod"), _SHADOW),
    **dict.fromkeys(("login", "crackmapexec", "nxc", "smbmap", "evil-winrm", "rdesktop"), _SHADOW),
    **dict.fromkeys(("zip", "unzip", "ipmitool", "mosquitto_pub", "mosquitto_sub"), Options(following=("-P",))),
    **dict.fromkeys(("sqlcmd", "bcp"), Options(attached=("-P",), following=("-P",))),
    **dict.fromkeys(("xfreerdp", "xfreerdp3", "wlfreerdp"), Options(attached=("/p:",), following=("-p",))),
    "sshpass": Options(attached=("-p",), following=("-p",)),
    "curl": _CURL,
    "redis-cli": Options(following=("-a",)),
    "openssl": Options(following=("-k", "-K")),
    "ssh-keygen": Options(following=("-N", "-P")),
    "nmcli": Options(following=("password", "wifi-sec.psk", "802-11-wireless-security.psk")),
}
