"""Credentials in the files of a layer: known files, private keys and tokens of known formats, validated.

A value is reported only if its format, its checksum or its entropy shows that it is real; documentation, tests and
placeholders are left out. Values never leave this module: a result has the kind and the line.
"""

from __future__ import annotations

import base64
import binascii
import collections
import functools
import itertools
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import msgspec

from kubekeep.images.content import DetectedSecret
from kubekeep.model.token_formats import TOKEN_FORMATS

_MARKS: Final[dict[str, tuple[str, ...]]] = {
    "1Password": ("ops_eyJ",),
    "age": ("AGE-SECRET-KEY-", "AGE-PLUGIN-"),
    "Alibaba Cloud": ("LTAI",),
    "Anthropic": ("sk-ant-",),
    "Atlassian": ("ATATT3", "ATCTT3", "ATBB"),
    "AWS": ("AKIA", "ASIA", "ABIA", "ACCA"),
    "Azure Entra ID": ("7Q~", "8Q~"),
    "Azure DevOps": ("AZDO",),
    "Brevo": ("xkeysib-",),
    "Buildkite": ("bkua_", "bkct_", "bkat_"),
    "CircleCI": ("CCIPAT_", "CCIPRJ_"),
    "Clojars": ("CLOJARS_",),
    "Contentful": ("CFPAT-",),
    "Databricks": ("dapi",),
    "dbt": ("dbtc_", "dbtu_"),
    "DigitalOcean": ("doo_v1_", "dop_v1_", "dor_v1_"),
    "Docker": ("dckr_oat_", "dckr_pat_"),
    "Doppler": ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.said.", "dp.scim.", "dp.audit."),
    "Dynatrace": ("dt0",),
    "EasyPost": ("EZAK", "EZTK"),
    "Facebook": ("EAA",),
    "Figma": ("figd_", "figo_", "figu_"),
    "Flutterwave": ("FLWSECK",),
    "Fly.io": ("fm1", "fm2", "fo1_"),
    "GitHub": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "GitLab": ("glpat-", "gloas-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "glsoat-", "GR1348941"),
    "Google": ("AIza", "GOCSPX-", "ya29."),
    "Grafana": ("glc_", "glsa_"),
    "Groq": ("gsk_",),
    "HCP Terraform": (".atlasv1.",),
    "Heroku": ("HRKU-",),
    "Hugging Face": ("hf_", "api_org_"),
    "JFrog": ("AKC", "cmVmdGtuO"),
    "LangSmith": ("lsv2_pt_", "lsv2_sk_"),
    "Linear": ("lin_api_", "lin_oauth_"),
    "MongoDB Atlas": ("mdb_sa_sk_",),
    "Neon": ("napi_",),
    "Netlify": ("nfp_", "nfc_", "nfo_", "nfu_", "nfb_"),
    "New Relic": ("NRAK-", "NRAA-", "NRJS-", "NRII-", "NRBR-", "NRRA-"),
    "Notion": ("ntn_",),
    "npm": ("npm_",),
    "NVIDIA": ("nvapi-",),
    "OpenAI, OpenRouter and Langfuse": ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-", "T3BlbkFJ", "sk-or-v1-", "sk-lf-"),
    "Perplexity": ("pplx-",),
    "Pinecone": ("pcsk_",),
    "PlanetScale": ("pscale_tkn_", "pscale_pw_", "pscale_oauth_"),
    "Postman": ("PMAK-",),
    "Prefect": ("pnu_", "pnb_"),
    "Pulumi": ("pul-",),
    "PyPI": ("pypi-",),
    "ReadMe": ("rdme_",),
    "RubyGems": ("rubygems_",),
    "SendGrid": ("SG.",),
    "Sentry": ("sntrys_", "sntryu_"),
    "Shopify": ("shpat_", "shpca_", "shppa_", "shpss_", "shptka_", "shpua_"),
    "Slack": ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe", "xapp-", "hooks.slack.com/services/"),
    "SonarQube": ("squ_", "sqa_", "sqp_"),
    "Sourcegraph": ("sgp_",),
    "Square": ("EAAA", "sq0"),
    "Stripe": ("sk_live_", "rk_live_", "whsec_"),
    "Supabase": ("sbp_", "sb_secret_"),
    "Tailscale": ("tskey-",),
    "Telegram": (":AA",),
    "Typeform": ("tfp_",),
    "Vault": ("hvs.", "hvb.", "hvr."),
    "xAI": ("xai-",),
    "PuTTY private key": ("Private-Lines: ",),
    "Microsoft Teams": ("webhook.office.com/webhookb2/",),
}  # fmt: skip
"""Texts that a token of each format contains; formats without one are left out, because every file would match."""
_DOCUMENTATION: Final = re.compile(
    r"(?:^|/)(?:tests?|testing|testdata|test-fixtures|fixtures|__tests__|specs?|docs?|documentation|examples?|samples?|demo"
    r"|man|licenses|usr/share/(?:doc|man|info|perl[\d.]*|help|locale))/|\.(?:md|rst|adoc|html?|[1-9]|po|pod|map)$"
    r"|(?:^|[/._-])(?:test|spec|example|sample)s?[._-]",
    re.IGNORECASE,
)
"""Files whose keys and tokens show a format and open nothing."""
_PLACEHOLDER: Final = re.compile(
    r"example|sample|placeholder|changeme|change_me|redacted|dummy|fake|your[_-]|my[_-]?(?:secret|token|key)|xxxx|\*{4}|\.{4}"
    r"|abcdefgh|0{8}|deadbeef|<[\w -]+>|\$\{|\{\{|%\(|todo",
    re.IGNORECASE,
)
_LEAST_ENTROPY: Final = 3.0
"""Bits per character; words and repetitions are below, generated tokens of 20 characters are above."""
_SHORTEST: Final = 12
_MOST_PER_FILE: Final = 20
_MOST_CANDIDATES: Final = 1000
_LEAST_KEY_BYTES: Final = 32
"""An Ed25519 key has 32 bytes, every other private key more."""
_CHECKSUM: Final = re.compile(r"(?:gh[pousr]|npm)_([0-9A-Za-z]{30})([0-9A-Za-z]{6})")
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY: Final = re.compile(
    r"-----BEGIN (?P<type>[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----(?P<body>[\s\S]*?)-----END (?P=type)-----"
)
_KEY_KINDS: Final = {
    "OPENSSH PRIVATE KEY": "OpenSSH private key",
    "PGP PRIVATE KEY BLOCK": "PGP private key",
    "ENCRYPTED PRIVATE KEY": "encrypted private key",
}
_KEY_HEADER: Final = re.compile(r"^[\w-]+: .*$", re.MULTILINE)


_VARIABLE: Final = (
    r"(?mi)^\s*(?:export\s+)?\w*(?:password|passwd|secret|token|api_?key|private_key)\w*\s*=\s*[\"']?([^\s\"'#]+)"
)


class _CredentialFile(msgspec.Struct, frozen=True):
    """A file that programs read credentials from: its glob, its kind and the pattern of a value, in group 1."""

    glob: str
    kind: str
    value: str


_FILES: Final = (
    _CredentialFile("**/.aws/credentials", "AWS credentials file", r"(?mi)^\s*aws_(?:secret_access_key|session_token)\s*=\s*(\S+)"),
    _CredentialFile("**/.docker/config.json", "registry login", r'"(?:auth|password|identitytoken|registrytoken)"\s*:\s*"([^"]+)"'),
    _CredentialFile("**/.dockercfg", "registry login", r'"(?:auth|password)"\s*:\s*"([^"]+)"'),
    _CredentialFile("**/.npmrc", "npm login", r"(?mi)(?:_authToken|_auth|_password)\s*=\s*(\S+)"),
    _CredentialFile("**/.yarnrc.yml", "npm login", r"(?mi)npmAuth(?:Token|Ident)\s*:\s*[\"']?([^\s\"']+)"),
    _CredentialFile("**/.pypirc", "PyPI login", r"(?mi)^\s*password\s*[:=]\s*(\S+)"),
    _CredentialFile("**/pip.conf", "login in a URL", r"(?i)https?://[^\s/:@]+:([^\s/@]+)@"),
    _CredentialFile("**/.netrc", "login of .netrc", r"(?i)\bpassword\s+(\S+)"),
    _CredentialFile("**/.git-credentials", "Git login", r"(?i)https?://[^\s:/@]*:([^\s@]+)@"),
    _CredentialFile("**/.git/config", "Git login", r"(?i)https?://[^\s:/@]*:([^\s@]+)@|extraheader\s*=\s*(?:authorization: )(\S.+)"),
    _CredentialFile("**/.pgpass", "PostgreSQL login", r"(?m)^[^#\s:][^:\n]*:[^:\n]*:[^:\n]*:[^:\n]*:(\S+)"),
    _CredentialFile("**/.my.cnf", "MySQL login", r"(?mi)^\s*password\s*=\s*[\"']?([^\s\"']+)"),
    _CredentialFile("**/.kube/config", "kubeconfig", r"(?m)^\s*(?:-\s+)?(?:token|client-key-data|password)\s*:\s*[\"']?([^\s\"']+)"),
    _CredentialFile("**/.gem/credentials", "RubyGems login", r"(?m)^:\w+\s*:\s*[\"']?([^\s\"']+)"),
    _CredentialFile("**/.cargo/credentials*", "crates.io login", r"(?m)^\s*token\s*=\s*[\"']([^\"']+)"),
    _CredentialFile("**/.terraform.d/credentials.tfrc.json", "HCP Terraform login", r'"token"\s*:\s*"([^"]+)"'),
    _CredentialFile("**/*.tfstate", "Terraform state", r'"(?:\w*(?:password|secret|private_key|token)\w*)"\s*:\s*"([^"]{8,})"'),
    _CredentialFile("**/.m2/settings.xml", "Maven login", r"<password>([^<{]+)</password>"),
    _CredentialFile("**/auth.json", "Composer login", r'"(?:password|token|[\w.-]+\.\w+)"\s*:\s*"([^"]+)"'),
    _CredentialFile("**/.env", "variable of .env", _VARIABLE),
    _CredentialFile("**/.env.*", "variable of .env", _VARIABLE),
    _CredentialFile("**/*service*account*.json", "Google service account", r'"private_key"\s*:\s*"(-----BEGIN [^"]+)"'),
    _CredentialFile("**/application_default_credentials.json", "Google credentials", r'"(?:refresh_token|private_key)"\s*:\s*"([^"]+)"'),
    _CredentialFile("etc/shadow", "password hash", r"(?m)^[^:\n]+:([$][^:\n]{10,}):"),
)  # fmt: skip
"""Files of credentials. In these, any value counts that is no placeholder, also a short password."""

MARKS: Final = (b"PRIVATE KEY", *(mark.encode() for marks in _MARKS.values() for mark in marks))
"""Texts for the native reader: a text file without any of them holds no token of a known format."""
_LONGEST_MARK: Final = max(map(len, MARKS))
PATTERNS: Final = tuple(file.glob for file in _FILES)
"""Globs of files that are always searched."""


def find_secrets(path: str, content: bytes) -> tuple[DetectedSecret, ...]:
    """Return the credentials in a file of a layer: at most 20, by line, one for each kind and value."""
    if _DOCUMENTATION.search(path):
        return ()
    text = content.decode("utf-8", "replace")
    secrets: dict[str, DetectedSecret] = {}
    candidates = itertools.chain(_search_credential_file(path, text), _search_keys(text), _search_tokens(text))
    for kind, start, value in itertools.islice(candidates, _MOST_CANDIDATES):
        if not any(value in known or known in value for known in secrets):
            line = text.count("\n", 0, start) + 1
            secrets[value] = DetectedSecret(path, kind, line, is_verified=_has_checksum(value))
        if len(secrets) >= _MOST_PER_FILE:
            break
    return tuple(sorted(secrets.values(), key=lambda secret: secret.line))


def _search_credential_file(path: str, text: str) -> Iterator[tuple[str, int, str]]:
    for file in _FILES:
        if _matches(file.glob, path):
            for match in _compile(file.value).finditer(text):
                value = next(filter(None, match.groups()), "")
                if value and not _PLACEHOLDER.search(value) and not value.startswith(("$", "{", "<", "%", "!")):
                    yield file.kind, match.start(), value


def _search_keys(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield private keys whose body is the base64 of a key; keys in JSON have escaped line ends."""
    if "PRIVATE KEY" not in text:
        return
    for match in _KEY.finditer(text):
        body = _KEY_HEADER.sub("", match["body"].replace("\\n", "\n").replace("\\r", "").partition("\n=")[0])
        joined = "".join(body.split())
        try:
            size = len(base64.b64decode(joined, validate=True))
        except (binascii.Error, ValueError):
            continue
        if size >= _LEAST_KEY_BYTES and _entropy(joined[:2000]) > _LEAST_ENTROPY:
            yield _KEY_KINDS.get(match["type"], "private key"), match.start(), joined


def _search_tokens(text: str) -> Iterator[tuple[str, int, str]]:
    for kind, marks in _MARKS.items():
        if not any(mark in text for mark in marks):
            continue
        for match in _token_pattern(kind).finditer(text):
            # A mark is before the token of a URL, and within every other token.
            value, context = match[0], text[max(match.start() - _LONGEST_MARK, 0) : match.end()]
            if any(mark in context for mark in marks) and _is_random(value):
                yield f"{kind} token", match.start(), value


def _is_random(value: str) -> bool:
    """Return True for a value without a placeholder, with digits or both cases, and with the entropy of a random one."""
    if len(value) < _SHORTEST or _PLACEHOLDER.search(value):
        return False
    has_variety = any(map(str.isdigit, value)) and (any(map(str.isalpha, value)))
    return has_variety and _entropy(value) > _LEAST_ENTROPY


def _has_checksum(value: str) -> bool:
    """Return True for a token that ends with the right CRC-32, as those of GitHub and npm do since 2021."""
    match = _CHECKSUM.fullmatch(value)
    if match is None:
        return False
    number = zlib.crc32(match[1].encode())
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == match[2]


def _entropy(text: str) -> float:
    """Return the Shannon entropy of a text in bits per character."""
    counts = collections.Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@functools.cache
def _token_pattern(kind: str) -> re.Pattern[str]:
    pattern = next(pattern for name, pattern, _ in TOKEN_FORMATS if name == kind)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})", re.ASCII)


def _matches(glob: str, path: str) -> bool:
    """Return True if a path matches a glob of `_FILES`: `**/` stands for any folders or none."""
    pure = PurePosixPath(path)
    return pure.match(glob.removeprefix("**/")) if glob.startswith("**/") else path == glob
