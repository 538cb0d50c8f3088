"""The quick filter of texts never skips a text whose secret the pattern masks; the pattern knows settings of programs."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from typing import Final

import pytest
from tests.secrets.places import ANNOTATIONS, COMMANDS
from tests.secrets.tokens import create_tokens

from kubekeep.model import secret_text
from kubekeep.model.secret_text import MASK, mask_text

WORD: Final = "hunterzwei"
_LETTERS: Final = string.ascii_letters + string.digits
_HASHES: Final = {
    # Parts of a token: fixed texts, and numbers of random characters of the alphabet.
    "bcrypt": ("./", "$2y$05$", 53),
    "APR1": ("./", "$apr1$", 8, "$", 22),
    "MD5": ("./", "$1$", 8, "$", 22),
    "SHA-256": ("./", "$5$", 8, "$", 43),
    "yescrypt": ("./", "$y$j9T$", 22, "$", 43),
    "Azure Entra ID": ("~._-", "abc8Q~", 34),
    "a webhook": ("+/", "whsec_", 32),
}
_EDITS: Final = (*" \t\n=:'\"\\-_./aA1`[]{}(),;|&@%$#!<>*", "  ", "\N{LATIN SMALL LETTER E WITH ACUTE}")

SETTINGS: Final = {
    "a numbered variable": "DB_PASSWORD_2=@@",
    "a variable of an environment": "export API_TOKEN_PROD=@@",
    "a numbered flag": "--password2 @@",
    "a hash in YAML": "passwordHash: @@",
    "curl with several flags": "curl -sSuann:@@ example.com",
    "curl with several flags and a proxy": "curl -sSUann:@@ example.com",
    "a tab in nginx": "set\t$token\t@@;",
    "spaces in nginx": "set   $token   @@;",
    "spaces in SQL": "alter user ann identified  by  '@@'",
    "rar": "rar a -hp@@ a.rar",
    "a name with an accent": "app -\N{LATIN SMALL LETTER E WITH ACUTE}password @@",
    "a quoted name in TOML": '"db.password" = "@@"',
    "three quotes in TOML": 'password = """@@"""',
    "a mapping of Python": "os.environ['DB_PASSWORD'] = '@@'",
    "a namespace in XML": "<db:password>@@</db:password>",
    "an attribute in XML": '<password encrypted="false">@@</password>',
    "CDATA": "<password><![CDATA[@@]]></password>",
    "a key in XML": '<add key="Password" value="@@"/>',
    "a property of Spring": '<property name="password"><value>@@</value></property>',
    "a property of Hadoop": "<property><name>fs.s3a.secret.key</name><value>@@</value></property>",
    "a property of Spark": "spark.hadoop.fs.s3a.secret.key=@@",
    "a key of Azure in Hadoop": "fs.azure.account.key.acme.dfs.core.windows.net=@@",
    "a property list": "<key>Password</key><string>@@</string>",
    "Key and Value": '{"Key":"DB_PASSWORD","Value":"@@"}',
    "a word of several parts": "DB_PASSWORD='x'\"@@\"",
    "an escaped space": "DB_PASSWORD=x\\ @@",
    "a string of bash": "DB_PASSWORD=$'@@'",
    "a default of a shell": "${DB_PASSWORD:-@@}",
    "an assigned default": ': "${DB_PASSWORD:=@@}"',
    "a placeholder of Spring": "password: ${DB_PASSWORD:@@}",
    "ENV": "ENV DB_PASSWORD @@",
    "setenv": "setenv DB_PASSWORD @@",
    "SetEnv of Apache": "SetEnv DB_PASSWORD @@",
    "fish": "set -x DB_PASSWORD @@",
    "PHP": "define('DB_PASSWORD', '@@');",
    "JavaScript without a space": "db.createUser({user:'ann', pwd:'@@'})",
    "a header in a variable": "OTEL_HEADERS=authorization=@@",
    "requirepass of Redis": "port 6379\nrequirepass @@\n",
    "a user of Redis": "user ann on >@@ ~* +@all",
    "AUTH of Redis": "redis-cli AUTH @@",
    "Apache": "AuthLDAPBindPassword @@",
    "Fluent Bit": "[OUTPUT]\n    HTTP_Passwd @@\n",
    "Fluentd": "<match>\n  password @@\n</match>",
    "HAProxy": "stats auth ann:@@",
    "strongSwan": 'a b : PSK "@@"',
    "Oracle": "CREATE USER ann IDENTIFIED BY @@",
    "ClickHouse": "CREATE USER ann IDENTIFIED WITH sha256_password BY '@@'",
    "a quoted password in SQL": 'ALTER USER ann PASSWORD "@@"',
    "SET PASSWORD": "SET PASSWORD FOR 'ann'@'%' = '@@'",
    "a function of MySQL": "SET PASSWORD = PASSWORD('@@')",
    "a text of SQL Server": "CREATE LOGIN sa WITH PASSWORD = N'@@'",
    "sqlplus": "sqlplus -s ann/@@@db",
    "mysqladmin": "mysqladmin -u root password @@",
    "rabbitmqadmin": "rabbitmqadmin -u ann -p @@ list queues",
    "vault kv": "vault kv put secret/a value=@@",
    "gh": "echo @@ | gh auth login --with-token",
    "gpg": "echo @@ | gpg --batch --passphrase-fd 0",
    "passwd": "echo @@ | passwd --stdin ann",
    "kinit": "echo @@ | kinit ann",
    "printf": "printf '%s' '@@' | docker login --password-stdin",
    "a here string": "docker login --password-stdin <<< @@",
}


@pytest.mark.parametrize("place", SETTINGS)
def test_settings_of_programs_are_masked(place: str) -> None:
    text = mask_text(SETTINGS[place].replace("@@", WORD))
    assert WORD not in text
    assert MASK in text


@pytest.mark.parametrize("text", ['{"auths":{"x":{"auth":"@@"}}}', "//registry.example.com/:_auth=@@"])
def test_logins_of_registries_are_masked(text: str) -> None:
    login = "YW5uOmh1bnRlcnp3ZWkhMQ=="
    assert login not in mask_text(text.replace("@@", login))


@pytest.mark.parametrize("name", _HASHES)
def test_hashes_with_separators_are_masked(name: str) -> None:
    """The characters `/`, `.` and `~` of a hash may leave no long word."""
    signs, *parts = _HASHES[name]
    source = random.Random(3)
    for _ in range(300):
        alphabet = f"{_LETTERS}{signs}"
        words = ("".join(source.choices(alphabet, k=part)) if isinstance(part, int) else part for part in parts)
        text = f"ann:{''.join(words)}"
        assert MASK in mask_text(text), text


def _mutate(texts: list[str], count: int) -> Iterator[str]:
    """Yield texts with a few random edits."""
    source = random.Random(11)
    for _ in range(count):
        text = source.choice(texts)
        for _ in range(source.randrange(1, 4)):
            position = source.randrange(len(text) + 1)
            text = text[:position] + source.choice(_EDITS) + text[position + source.randrange(3) :]
        yield text


def test_filter_skips_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    places = (*ANNOTATIONS.values(), *SETTINGS.values(), *map(" ".join, COMMANDS.values()))
    # A token with a letter outside of ASCII is none.
    texts = [text.replace("@@", WORD) for text in places]
    texts += [f"ask ann, {token} is old" for token in create_tokens(random.Random(5)).values()]
    mutated = [text for text in _mutate(texts, 20_000) if not text.isascii() or len(text) >= len(WORD)]
    kinds = {text: secret_text._find_kinds(text) for text in mutated}  # noqa: SLF001 - the tested filter
    every_kind = secret_text._Kind.NAMED | secret_text._Kind.PROGRAM | secret_text._Kind.TOKEN  # noqa: SLF001
    # Texts without a kind, and of some kinds, are searched with a part of the pattern.
    filtered = {text: mask_text(text) for text, kind in kinds.items() if kind != every_kind and text.isascii()}
    assert sum(not kinds[text] for text in filtered) > 100
    assert sum(bool(kinds[text]) for text in filtered) > 100
    monkeypatch.setattr(secret_text, "_find_kinds", lambda _: every_kind)
    secret_text._mask_cached.cache_clear()  # noqa: SLF001 - has the results with the filter
    assert [text for text, masked in filtered.items() if mask_text(text) != masked] == []
    secret_text._mask_cached.cache_clear()  # noqa: SLF001
