"""Settings that are credentials, and settings that resemble them, in variables, ConfigMaps and documents in ConfigMaps.

Most ordinary settings have the form of settings in public manifests and charts. A finding must not contain the value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from kubekeep.engine.compile import compile_rules
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import find_controls, select

ORDINARY: Final = (
    ("VALKEY_ADDR", "valkey:6379"),
    ("TOKEN_EXPIRY_SECONDS", "3600"),
    ("CACHE_KEY_PREFIX", "shop-"),
    ("PASSWORD_POLICY", "strong"),
    ("JWT_ISSUER", "https://login.example.com"),
    ("API_KEY_HEADER", "X-Api-Key"),
    ("KEYSPACE", "shop_production"),
    ("MONKEY_MODE", "chaos-4xK9q2"),
    ("WEBHOOK_SECRET", "elastic-operator-webhook-cert"),
    ("application.instanceLabelKey", "argocd.argoproj.io/instance"),
    ("policy-secrets-namespace", "external-secrets"),
    ("PRIV_KEY_PATH", "/home/app/.ssh/privatekey"),
    ("ARGOCD_APPLICATIONSET_CONTROLLER_TOKENREF_STRICT_MODE", "applicationset.tokenref"),
    ("ALLOYDB_SECRET_NAME", "alloydb-secret"),
    ("GOOGLE_API_KEY", "GOOGLE_API_KEY_VAL"),
    ("OAUTH2_PROXY_CLIENT_SECRET", "<Client Secret>"),
    ("REDIS_PASSWORD", "$(REDIS_AUTH)"),
    ("SMTP_PASSWORD", "${SMTP_PASSWORD}"),
    ("DB_PASSWORD_FILE", "/run/secrets/db-password"),
    ("dex.config.clientSecret", "$dex.github.clientSecret"),
    ("TLS_SECRET", "shop-tls"),
    ("imagePullSecret", "regcred"),
    ("existingSecretPasswordKey", "postgres-password"),
    ("cert-manager.privateKeySecretRef", "letsencrypt-account-key"),
    ("PARTITION_KEY", "customer"),
    ("SORT_KEY", "created_at"),
    ("topologyKey", "topology.kubernetes.io/zone"),
    ("TLS_KEY", "tls.key"),
    ("JWT_PUBLIC_KEY", "keys/jwt.pub"),
    ("TOKEN_TTL", "15m"),
    ("ACCESS_TOKEN", "3600"),
    ("MAX_TOKENS", "4096"),
    ("AUTH_TOKEN", "168h"),
    ("ALLOW_EMPTY_PASSWORD", "yes"),
    ("disable-password", "true"),
    ("TOKEN_ENDPOINT", "https://login.example.com/oauth/token"),
    ("SESSION_SECRET", "{{ .Values.sessionSecret }}"),
    ("ENCRYPTION_KEY", "vault:secret/data/shop#key"),
    ("API_TOKEN", "monitoring/grafana-token"),
    ("AUTH_SCHEME", "Bearer"),
    ("TOKEN_TYPE", "JWT"),
    ("CSRF_HEADER_TOKEN", "X-CSRF-Token"),
    ("SECRET_KEY", "login.example.com"),
    ("STORE_URL", "postgres://app:$(DB_PASSWORD)@db/shop"),
)
CREDENTIALS: Final = (
    ("DB_PASSWORD", "correct-horse"),
    ("POSTGRES_PASSWORD", "password"),
    ("MYSQL_ROOT_PASSWORD", "12345678"),
    ("admin.password", "admin"),
    ("pass", "secret_pw"),
    ("DB_PASS", "hunter2"),
    ("spring.datasource.password", "changeme"),
    ("PGPASSWORD", "t0psecret"),
    ("REDIS_PWD", "Str0ng!Pa55"),
    ("SMTP_PASSWD", "staple;battery"),
    ("KEYSTORE_PASSPHRASE", "changeit"),
    ("adminPassword", "Welcome1"),
    ("DB_PASSWORD_2", "battery9"),
    ("DB_PASSWORD_BASE64", "Y29ycmVjdC1ob3JzZQ=="),
    ("JWT_SECRET", "supersecret"),
    ("clientSecret", "4f53cda18c2baa0c"),
    ("OAUTH_CLIENT_SECRET", "GOCSPX-0aB1cD2eF3gH4iJ5kL6mN7oP8"),
    ("SECRET_KEY_BASE", "0b7e1f6a9c3d5e8f0b7e1f6a9c3d5e8f"),
    ("SESSION_SECRET", "keyboard-cat"),
    ("secret", "hunter2x"),
    ("DJANGO_SECRET_KEY", "django-insecure-4k9d8s7f6g5h4j3k"),
    ("API_KEY", "9d8f7a6b5c4d3e2f"),
    ("stripeApiKey", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    ("ENCRYPTION_KEY", "kN8sJ2pQ5vX9zR4m"),
    ("SIGNING_KEY", "correct-horse"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AZURE_STORAGE_KEY", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq=="),
    ("DATADOG_KEY", "0123a456b789c012d345e678f901a234"),
    ("GITHUB_TOKEN", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
    ("AUTH_TOKEN", "abc12345"),
    ("slack.bot.token", "xoxb-123456789012-abcdefABCDEF"),
    ("ACCESS_TOKEN_VALUE", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
    ("CLOUD_ID", "AKIAABCDEFGHIJKLMNOP"),
    ("MAPS", "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q"),
    ("STORE_URL", "postgres://app:staple@db/shop"),
    ("AMQP_ADDRESS", "amqp://guest:guest@rabbitmq:5672/"),
    ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"),
    ("GITLAB", "glpat-abcdefghij0123456789"),
    ("WEBHOOK_SECRET", "p4ssphr4se-of-the-hook"),
    ("HASH_PEPPER", "s4lt4ndp3pp3r"),
)


def _wrap_variable(name: str, value: str) -> dict[str, Any]:
    container = {"name": "web", "image": "registry.example.com/web:1.2", "env": [{"name": name, "value": value}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [container]}}


def _wrap_entry(name: str, value: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {name: value}}


def _wrap_yaml(name: str, value: str) -> dict[str, Any]:
    return _wrap_entry("config.yaml", f"log:\n  level: info\nshop:\n  {name}: {json.dumps(value)}\n")


def _wrap_plain_yaml(name: str, value: str) -> dict[str, Any]:
    return _wrap_entry("config", f"log:\n  level: info\nshop:\n- host: db\n  {name}: {value}\n")


def _wrap_json(name: str, value: str) -> dict[str, Any]:
    return _wrap_entry("config.json", json.dumps({"log": {"level": "info"}, "shop": [{"host": "db", name: value}]}))


def _wrap_pretty_json(name: str, value: str) -> dict[str, Any]:
    return _wrap_entry("config.json", json.dumps({"log": {"level": "info"}, "shop": {name: value}}, indent=2))


def _wrap_properties(name: str, value: str) -> dict[str, Any]:
    return _wrap_entry("application.properties", f"log.level=info\n# comment\n{name}={value}\n")


def _wrap_ini(name: str, value: str) -> dict[str, Any]:
    return _wrap_entry("app.ini", f"[log]\nlevel = info\n\n[shop]\n{name} = {value}\n")


def _wrap_environment(name: str, value: str) -> dict[str, Any]:
    return _wrap_entry("app.env", f"LOG_LEVEL=info\nexport {name}='{value}'\n")


WRAPPERS: Final = (
    *(_wrap_variable, _wrap_entry, _wrap_yaml, _wrap_plain_yaml, _wrap_json, _wrap_pretty_json, _wrap_properties),
    *(_wrap_ini, _wrap_environment),
)


def _evaluate(documents: list[dict[str, Any]]) -> Iterator[Verdict]:
    selection = select(named=list(find_controls(["C-0012"])))
    for result in evaluate(map(Resource, documents), selection, compile_rules, kubernetes_minor=37):
        yield result.verdicts["credentials-in-configuration"]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_ordinary_settings_are_no_credentials(wrap: Callable[[str, str], dict[str, Any]]) -> None:
    assert len(ORDINARY) >= 40
    verdicts = _evaluate([wrap(name, value) for name, value in ORDINARY])
    assert [name for (name, _), verdict in zip(ORDINARY, verdicts, strict=True) if verdict.evidence] == []


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_credentials_are_reported_without_their_value(wrap: Callable[[str, str], dict[str, Any]]) -> None:
    assert len(CREDENTIALS) >= 40
    verdicts = list(_evaluate([wrap(name, value) for name, value in CREDENTIALS]))
    assert [name for (name, _), verdict in zip(CREDENTIALS, verdicts, strict=True) if not verdict.evidence] == []
    for (name, value), verdict in zip(CREDENTIALS, verdicts, strict=True):
        shown = "".join(evidence.path + evidence.message for evidence in verdict.evidence).replace(name, "")
        assert value not in shown or value in ("password", "admin")


PLACEHOLDERS: Final = (
    ("DB_PASSWORD", "changeme"),
    ("DB_PASSWORD", "please-change-me"),
    ("DB_PASSWORD", "example"),
    ("clientSecret", "ChangeMe"),
    ("SIGNING_KEY", "CHANGEME00000000"),
    ("DEMO_LOGIN_PASSWORD", "bankofanthos"),
    ("test-db-password", "s3cret!"),
)
IN_USE: Final = (
    ("DB_PASSWORD", "exchange-me-now"),
    ("DB_PASSWORD", "password"),
    ("LATEST_PASSWORD", "s3cret!"),
    ("DB_TEST_PASSWORD", "s3cret!"),
    ("DEMO_TOKEN", f"ghp_{'4xK9q2Lm' * 4}4xK9"),
)


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_placeholders_have_a_low_severity(wrap: Callable[[str, str], dict[str, Any]]) -> None:
    verdicts = list(_evaluate([wrap(name, value) for name, value in (*PLACEHOLDERS, *IN_USE)]))
    severities = [{8 + evidence.severity_change for evidence in verdict.evidence} for verdict in verdicts]
    assert severities == [{3.0}] * len(PLACEHOLDERS) + [{8.0}] * len(IN_USE)
