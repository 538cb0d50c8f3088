"""Programs and statements that take a secret without a telling name: `htpasswd -b FILE USER PASSWORD`, `IDENTIFIED BY 'x'`.

Patterns only; see `model.secret_text` for their use.
"""

from __future__ import annotations

from typing import Final

_REST: Final = r"[^|;&\n]{0,200}?[ ]"
"""The other words of a command before an option."""
_OPTIONS: Final = (
    # Pattern of the program, pattern of the option and of what is before the secret in its value.
    (r"sshpass", r"-p[ ]*"),
    (r"redis-cli", r"-a[ ]*"),
    (r"(?:mysql|mariadb)[\w-]*", r"-p(?=\S)"),
    (r"mongo\w*", r"-p[ ]*"),
    (r"ldap\w+", r"-w[ ]*"),
    (r"sqlcmd|mosquitto_\w+|(?:un)?zip", r"-P[ ]*"),
    (r"7z\w*|(?:un)?rar", r"-h?p(?=\S)"),
    (r"cqlsh|cypher-shell|twine", r"-p[ ]+"),
    (r"smbclient", r"-U[ ]*[^\s%]{1,100}%"),
    (r"ssh-keygen", r"-[NP][ ]+"),
    (r"openssl", r"(?:-k[ ]+|-pass(?:in|out)?[ ]+pass:)"),
    (r"curl", r"(?:-[a-zA-Z]{0,6}[uU]|--(?:proxy-)?user)[= ]*[\"']?[\w.@-]+:"),
    (r"curl", r"(?:--oauth2-bearer|--cookie|-b)[= ]+"),
    (r"etcdctl", r"--user[= ][\w.@-]+:"),
    (r"kubectl|oc", r"--from-literal[= ][\"']?[\w.-]+="),
    (r"sqlplus", r"[\w.-]{1,100}/(?=[^\s@]{1,200}@)"),
    (r"mysqladmin", r"password[ ]+"),
    (r"rabbitmqadmin|elasticsearch-users", r"-p[ ]*"),
    (r"redis-cli", r"(?i:auth)[ ]+"),
    (r"vault[ ]+kv[ ]+(?:put|patch)", r"[\w.-]+="),
    (r"(?:docker|podman|nerdctl|helm|oras|skopeo|buildah|crane|az|oc)\b[^|;&\n]{0,200}?\blogin", r"-p[ ]*"),
)
_POSITIONS: Final = (
    # Commands with the secret at a fixed position.
    r"htpasswd[ ]+-(?=\w*b)(?:\w*n\w*|[a-mo-z]+[ ]+\S+)[ ]+\S+[ ]+",
    r"rabbitmqctl\b[^|;&\n]{0,200}?\b(?:add_user|change_password|authenticate_user)[ ]+\S+[ ]+",
    r"mc[ ]+(?:alias[ ]+set|config[ ]+host[ ]+add)[ ]+\S+[ ]+\S+[ ]+\S+[ ]+",
    r"vault[ ]+login[ ]+(?!-)",
    r"grafana(?:-|[ ]+)cli\b[^|;&\n]{0,200}?reset-admin-password[ ]+",
    r"aws[ ]+configure[ ]+set[ ]+\S{0,60}?(?:secret|token)\S{0,60}[ ]+",
    r"echo[ ]+[\"']?[\w.-]+:(?=[^|\n]{1,200}\|[ ]*chpasswd)",
    (
        r"(?:echo|printf)[ ]+(?:-\w+[ ]+)?(?:[\"']%s(?:\\+n)?[\"'][ ]+)?(?=[^|\n]{1,200}\|[^|;&\n]{0,200}"
        r"(?:password-stdin|with-token|passphrase-fd|sudo[ ]+-\w*S\b|\b(?:smb)?passwd\b|\bkinit\b))"
    ),
    r"--password-stdin[ ]*<<<[ ]*",
)
_STATEMENTS: Final = (
    # Lines of settings files, and statements of other languages.
    r"login[ \t\n]+\S+[ \t\n]+password[ \t\n]+",  # .netrc
    r"insecure-password[ \t]+",  # HAProxy
    r"(?:(?i:setenv|env)|set[ \t]+-\w+)[ \t]+[A-Z0-9_]*(?:PASS(?:WORD|WD|PHRASE)?|SECRET|TOKEN|KEY)[ \t]+(?!=)",
    r"(?:\\*\"auth\\*\"[ ]*:|_auth[ ]*=)[ ]*(?=\\*\"?[a-z0-9+/]{0,200}[A-Z][\w+/]{8,}={0,2})",  # container tools, npm
    r"(?i:define)\([ ]*\\*[\"']\w*(?i:password|passwd|secret|token|_key|_salt)\\*[\"'][ ]*,[ ]*(?=\\*[\"'])",  # PHP
    (
        r"(?:(?:(?m:^)|(?<=\\n))[ \t]*(?i:\w[\w.]*(?:password|passwd|passphrase|_pass)|requirepass|masterauth)|(?<=\n)[ \t]*password)"
        r"[ \t]+(?!required|missing|expired|invalid|incorrect)(?=[^\s=:]\S*[ \t]*(?:\n|\\n|$))"
    ),
    r"stats[ \t]+auth[ \t]+[\w.-]+:",  # HAProxy
    r"PSK[ \t]+(?=\\*\")",  # strongSwan
    r"(?i:(?:set)?user)[ ]+\S+[ ]+on[ ]>",  # Redis
    r"set[ \t]+[$]\w*(?:token|secret|password|key)\w*[ \t]+",  # nginx
    r"proxy_set_header[ \t]+(?i:x-[\w-]*(?:key|token|secret|password|auth)|[\w-]*authorization|cookie)[ \t]+",
    r"(?i:identified[ ]+(?:with[ ]+\w+[ ]+)?by[ ]+(?!values\b)|password[ ]+(?=\\*['\"]))",  # SQL
    r"(?i:set[ ]+password[ ]+for[ ]+\S+[ ]*=[ ]*)",
    r"(?i:variable[ ]+\\*\"[\w-]*(?:password|passwd|secret|token)\\*\"[ ]*\{[^}]{0,300}?default[ ]*=[ ]*)",
    r"jdbc:oracle:\w{1,20}:[^/\s@]{1,100}/(?=[^\s@]{1,200}@)",
    r"[\w.-]+:(?=[^\s@/]{1,200}@(?:tcp|unix)\()",  # the driver of MySQL for Go
    r"(?:[\w.-]+|[*]):(?:\d{2,5}|[*]):[\w.*-]+:[\w.*-]+:(?=\S{1,100}[^\n]{0,40}pgpass)",  # .pgpass
)
PROGRAM_PATTERN: Final = "|".join(
    (*(rf"(?:{program})\b{_REST}{option}" for program, option in _OPTIONS), *_POSITIONS, *_STATEMENTS)
)
"""Everything before a secret: the program with its option, or the statement."""
HINTS: Final = (
    *(
        " -p",
        " -hp",
        " -a",
        " -w",
        " -u",
        " -b",
        " -k",
        " -n",
        " --oauth2-bearer",
        " --cookie",
        " --user",
        "--proxy-user",
        "from-literal",
    ),
    *("add_user", "change_password", "authenticate_user", "alias set", "host add", "vault login", "admin-password"),
    *("configure set", "chpasswd", "password-stdin", "sudo -", "insecure-password", "set $", "proxy_set_header"),
    *("login", "identified", "variable ", "jdbc:oracle", "@tcp(", "@unix(", "pgpass", "curl", "htpasswd"),
    *("sqlplus", "mysqladmin", "rabbitmqadmin", "elasticsearch-users", "redis-cli", "vault kv", "with-token"),
    *("passphrase-fd", "passwd", "kinit", "stats auth", " on >", "password for"),
)
"""Parts of texts that the pattern matches, in lower case; `has_hint` finds the statements of SQL without one."""


def has_hint(lowered: str) -> bool:
    """Return False for a text in lower case that the pattern does not match."""
    return any(hint in lowered for hint in HINTS) or "password " in lowered
