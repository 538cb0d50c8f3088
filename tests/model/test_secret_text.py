"""Secrets in texts and command lines, with the text around them."""

from __future__ import annotations

import random
import time

import pytest
from tests.secrets.tokens import create_tokens

from kubekeep.model import secret_text
from kubekeep.model.secret_text import mask_command, mask_message, mask_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--db-pass=hunter2 --port=80", "--db-pass=XXXXXX --port=80"),
        ("app --pw hunter2 x", "app --pw XXXXXX x"),
        ("mysql -h db -phunter2 -e x", "mysql -h db -pXXXXXX -e x"),
        ("mysql -p -h db", "mysql -p -h db"),
        ("helm registry login -u ann -p hunter2 host", "helm registry login -u ann -p XXXXXX host"),
        ("curl -H 'X-Api-Key: hunter2' host", "curl -H 'X-Api-Key: XXXXXX' host"),
        ("https://host/a?token=hunter2&b=c", "https://host/a?token=XXXXXX&b=c"),
        ("https://ann:a@b@host/a", "https://XXXXXX@host/a"),
        ('{"password":"a\\"b","a":1}', '{"password":"XXXXXX","a":1}'),
        (r"{\"password\": \"hunter2\", \"a\": 1}", r"{\"password\": \"XXXXXX\", \"a\": 1}"),
        ("a: 1\npassword: a, b\nb: 2", "a: 1\npassword: XXXXXX\nb: 2"),
        ("password: |\n  a\n  b\nb: 2", "password: XXXXXX\nb: 2"),
        ("{password: hunter2, b: 2}", "{password: XXXXXX, b: 2}"),
        ("<x-api-key>hunter2</x-api-key>", "<x-api-key>XXXXXX</x-api-key>"),
        ("connect -u ann:hunter2", "connect -u ann:XXXXXX"),
        ("ALTER USER ann PASSWORD  'hunter2'", "ALTER USER ann PASSWORD  XXXXXX"),
        ("machine host login ann password hunter2 x", "machine host login ann password XXXXXX x"),
        ("DB_PASSWORD is set in plain text", "DB_PASSWORD is set in plain text"),
    ],
)
def test_secrets_are_masked_and_other_text_stays(text: str, shown: str) -> None:
    assert mask_text(text) == shown
    assert mask_text(shown) == shown


@pytest.mark.parametrize(
    ("words", "program", "shown"),
    [
        (["--password=a&b;c"], "", ["--password=XXXXXX"]),
        (["--password", "-hunter2"], "", ["--password", "XXXXXX"]),
        (["--password", "--port"], "", ["--password", "--port"]),
        (["-a", "hunter"], "redis:7", ["-a", "XXXXXX"]),
        (["-a", "hunter"], "app:7", ["-a", "hunter"]),
        (["-phunter"], "docker.io/library/mysql@sha256:0", ["-pXXXXXX"]),
        (["docker", "login", "-p", "hunter"], "", ["docker", "login", "-p", "XXXXXX"]),
        (["docker", "run", "-p", "8080:80"], "", ["docker", "run", "-p", "8080:80"]),
        (["--key", "/etc/a1.key", "--key", "aB3dE5fG"], "", ["--key", "/etc/a1.key", "--key", "XXXXXX"]),
        (["a", 1, None], "", ["a", 1, None]),
    ],
)
def test_words_after_options_are_masked(words: list[object], program: str, shown: list[object]) -> None:
    assert mask_command(words, program) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("yaml: unknown anchor 'hunter2' referenced", "yaml: unknown anchor 'XXXXXX' referenced"),
        ("cannot unmarshal !!str `hunter2` into int", "cannot unmarshal !!str `XXXXXX` into int"),
        ('key "hunter2" already set in map', 'key "XXXXXX" already set in map'),
        ('strconv.Atoi: parsing "hunter2": invalid syntax', 'strconv.Atoi: parsing "XXXXXX": invalid syntax'),
        ("did not find expected key", "did not find expected key"),
    ],
)
def test_values_quoted_by_parsers_are_masked(message: str, shown: str) -> None:
    assert mask_message(message) == shown


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10_000,
        "a-b_c.d" * 5_000,
        "mysql " * 3_000,
        "password: " * 3_000,
        "://a:" * 5_000,
        "sk-" * 10_000,
        '\\"' * 10_000,
    ],
)
def test_long_texts_take_little_time(text: str) -> None:
    start = time.process_time()
    mask_text(text)
    assert time.process_time() - start < 5


FRAGMENTS = (
    *("password", "--password", "-p", "-a", "-w", "-u", "--user", "DB_PASS", "apiKey", "X-Api-Key", "Authorization"),
    *("token", "--token", "sig", "?sig", "&sig", "AccountKey", "bearer ", "Basic ", "mysql", "sshpass", "redis-cli"),
    *(
        "docker login",
        "https://",
        "ann:",
        "@host",
        "=",
        ":",
        ": ",
        " ",
        "\n",
        '"',
        "'",
        '\\"',
        "{",
        "[",
        "- ",
        ",",
        ";",
    ),
    *(
        "credentials",
        "connection-string",
        "Signature",
        "api_key_id",
        "SALT",
        "pw",
        "client-secret",
        "<secret>",
        "<",
        ">",
        "]",
    ),
    *("kind: Secret\n", "data:", "stringData: ", "name:", "value:", "\\", "=>", ":=", "\t", "\u2003", "?key", "cookie"),
    *("hunter2", "abc123def456", "Zm9vYmFyMTIzNDU2Nzg5MA==", "true", "null", "${X}", "/etc/key.pem", "web", "--port"),
)


@pytest.mark.parametrize("seed", range(4))
def test_filter_passes_each_text_with_a_secret(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search skips texts that cannot hold a secret; it must not skip others."""
    dice = random.Random(seed)
    tokens = list(create_tokens(dice).values())
    texts = []
    for _ in range(10_000):
        parts = [dice.choice(FRAGMENTS if dice.random() < 0.9 else tokens) for _ in range(dice.randrange(1, 8))]
        texts.append(dice.choice(("", " ")).join(parts))
    filtered = [mask_text(text) for text in texts]
    vars(secret_text)["_mask_cached"].cache_clear()
    every_kind = secret_text._Kind.NAMED | secret_text._Kind.PROGRAM | secret_text._Kind.TOKEN  # noqa: SLF001
    monkeypatch.setattr(secret_text, "_find_kinds", lambda _: every_kind)
    unfiltered = [mask_text(text) for text in texts]
    masked = 0
    for text, expected, actual in zip(texts, unfiltered, filtered, strict=True):
        assert actual == expected, text
        masked += expected != text
    assert masked > 1_000
