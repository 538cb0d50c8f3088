"""Secrets in texts: command lines, URLs, headers, annotations and messages.

A secret is the value of a name such as `password`, in the syntax of a flag, a variable, JSON, YAML or a header; the
credentials of a URL; the value of a password option of a well-known program; or a token of a known format. Prefers
false positives to missed secrets where a name or a format is explicit. Does not know the fields of Kubernetes objects.
"""

from __future__ import annotations

import bisect
import enum
import functools
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kubekeep._native import Pattern, SecretFilter
from kubekeep.model.secret_commands import HINTS, PROGRAM_PATTERN, has_hint
from kubekeep.model.token_formats import TOKEN_FORMATS

MASK: Final = "XXXXXX"
"""Replacement for a secret, as in Kubescape's reports."""

_KEY: Final = (
    r"(?:api|app(?:lication)?|access|account|auth|encryption|hmac|integration|licen[sc]e|master|private|secret|service"
    r"|pre[_-]?shared|session|shared(?:[_-]?access)?|signing|storage|subscription)[_-]?key(?:[_-]?id)?|(?:access|secret)[.]key|account[.]key[\w.]{0,80}"
)
_SUFFIX: Final = (
    r"(?:[_.-]?(?:\d{1,3}|v\d|value|hash|plain(?:text)?|new|old|current|previous|default|prod|staging|dev|test))?"
)
"""The end of a name with a secret of several, as in `DB_PASSWORD_2`."""
SENSITIVE_NAME: Final = (
    r"(?i:[\w.-]*(?:password|passwd|passphrase|passcode|pwd|(?<!by)(?<!com)(?<!sur)(?<!tres)pass|secret|token"
    rf"|{_KEY}|bind_?pw|passwort|cli_auth|key[_-]?data|credentials?|masterauth|connection[_-]?string|(?<![a-z])pw){_SUFFIX})"
)
"""A name whose value is a secret: of a flag, a variable, a field or a header."""
SECRET_FLAG: Final = rf"--?{SENSITIVE_NAME}"
"""A command-line flag whose value is a secret."""
_VAGUE_NAME: Final = r"(?i:(?:[\w.-]*[_.-])?(?:key|auth|pin|otp|jwt|psk|salt|sas|sig|signature|cookie|dsn|creds?))"
"""A name whose value is a secret only if the value looks generated."""
_VAGUE_FLAG: Final = rf"--?{_VAGUE_NAME}"
_QUOTED: Final = r"(?:(?:'[^']*'|\"(?:[^\"\\]|\\.)*\")[\w.$@%+!/-]*+)"
_WORD: Final = rf"(?:(?:[^\s'\";|&\\]|\\[ ]|\\(?!\s))++{_QUOTED}*+|{_QUOTED}++)"
"""A word of a shell, of parts with and without quotes. A bracket or a comma after a quoted part is not a part of it."""
_GENERATED: Final = (
    r"(?=[^\s'\"]*\d)(?=[^\s'\"]*[A-Za-z])(?!/|\.{1,2}/|~/|\w+://)"
    r"(?![^\s'\"]*\.(?:pem|key|pub|crt|cer|csr|p12|pfx|jks|json|ya?ml|conf|txt|asc)\b)[^\s'\";|&,]{8,}"
)
"""A word of letters and digits that is not a path, a URL or the name of a file."""
_TOKEN: Final = (
    r"(?:(?<=://)[^/\s:@'\"]*:[^/\s'\"]+(?=@)"  # user:password of a URL
    r"|(?<=://)[^/\s:@]{16,}(?=@)"  # a token in the place of the user
    rf"|(?<![A-Za-z0-9])(?:{'|'.join(pattern for _, pattern, _ in TOKEN_FORMATS)})"
    r"|(?i:(?<=accountkey=)|(?<=sharedaccesskey=)|(?<=[?&;]sig=))[\w+/%=-]{8,}"  # Azure
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{8,})"
)
_SPACED_SIGN: Final = (
    r"(?:[ \t]+:?=|\\*[\"']\]?[ \t]*=|\\*[\"']?\]?[ \t]*=>)(?![=~>])[ \t]*(?=\S)"
    r"(?!(?:true|false|null|none)\b|[\[{(<]|\\*[\"']{2}(?![\"'])|[$][({]|(?:var|local|data|module|each|self)\.)"
)
"""A sign of a settings file or a program before a value that is no constant and no expression."""
_ASSIGNMENT: Final = (
    rf"(?<![\w.-])(?P<assignment>{SECRET_FLAG}(?:=|[ ]+(?!-))|{SENSITIVE_NAME}(?:=|{_SPACED_SIGN})|(?<=[=,])(?i:authorization)=|(?:-u|--user)[= ][\w.@-]+:"
    rf"|(?:{_VAGUE_FLAG}[= ]|(?<=[?&]){_VAGUE_NAME}=)(?={_GENERATED})){_WORD}"
)
_HEADER: Final = r"(?i:x-[\w-]*(?:key|token|secret|password|auth)|[\w-]*authorization|(?:set-)?cookie)"
_FIELD: Final = (
    # The name begins a line, or follows a bracket or a quote; without quotes, a space follows the colon, except in headers.
    r"(?P<field>(?:(?P<block>(?m:^)[ \t]*(?:(?:#+|//|-)[ \t]+)?)|(?<==)|(?<=[{,\[(;\"'`#])[ \t]*|(?<=[\s=])(?=(?i:x-)))"
    rf"(?:(?P<quote>\\*[\"'])(?:{SENSITIVE_NAME}|{_HEADER})(?P=quote)[ \t]*:|{_HEADER}:|{SENSITIVE_NAME}[ \t]*:(?=[ \t\n\"']))"
    r"[ \t]*+(?i:(?:basic|bearer|token|digest|apikey)[ ]++)?+)"
    # Not a secret: a constant, no value, a collection and an expression.
    r"(?![ \t]*(?:true|false|null|~)?[ \t]*(?:[,}\]\n]|$)|\\*[\"']{2}|[\[{]|[$]\(|[$]?\{\{?)"
    r"(?:[|>][-+0-9]*[ \t]*(?:\n(?:[ \t]+[^\n]*|(?=\n)))+"
    r"|(?P<mark>\\*[\"'])(?:(?!(?P=mark))(?:\\.|[^\n\\]))*(?:(?P=mark)|(?m:$))"
    r"|(?(block)[^\n]+?(?=,?[ \t]*(?:\n|$))|[^\n,}\]\"'`\\]+))"
)
_PROGRAM: Final = rf"(?<![\w.-])(?P<option>{PROGRAM_PATTERN}){_WORD}"
_ENTRY: Final = (
    # An element of XML, an entry of a list of variables or properties, and the default of a variable.
    rf"(?P<entry><(?:[\w-]+:)?{SENSITIVE_NAME}(?:[ ][^<>]{{0,200}}(?<!/))?>(?:<!\[CDATA\[)?(?=[^<\s])"
    rf"|(?i:name|key)\\*[\"']?[ ]*[:=][ ]*\\*[\"']?{SENSITIVE_NAME}\\*[\"']?[\s,]+"
    r"\\*[\"']?(?i:value|string|default)\\*[\"']?[ ]*[:=][ ]*"
    rf"|(?:(?i:name)=[\"']{SENSITIVE_NAME}[\"']>|<(?i:name|key)>{SENSITIVE_NAME}</(?i:name|key)>)\s*<(?i:value|string)>"
    rf"|[$]\{{{SENSITIVE_NAME}:[-=]?(?![?+}}]|[\d:]+\}}))(?:\\*\"[^\"\\]*|'[^']*|[^\s<,}}]+)"
)
_SECRET_OBJECT: Final = re.compile(r"\bkind\\*[\"']?\s*:\s*\\*[\"']?Secret\b")
_PAYLOAD: Final = re.compile(r"\b((?:stringData|binaryData|data)\\*[\"']?\s*:)\s*[\s\S]+")
"""Everything after the first value of a Secret in a text."""
_PASSWORD_OPTIONS: Final = (
    # `login` is a subcommand of container tools and Helm.
    (re.compile(r"(?:sshpass|mysql|mariadb|percona|mongo)[\w-]*|login"), "-p"),
    (re.compile(r"(?:redis|valkey|keydb)[\w-]*"), "-a"),
    (re.compile(r"ldap\w*"), "-w"),
    (re.compile(r"(?:sqlcmd|mssql)[\w-]*"), "-P"),
)
"""Programs and the option that sets a password."""
_LOOKS_GENERATED: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[^\s/:,=.]{8,}")
"""A word of letters in both cases and digits, without the separators of paths, addresses and lists."""
_BLOB: Final = re.compile(
    r"(?<![\w+/=:@.-])(?=[A-Za-z+/]*\d[A-Za-z+/]*\d)(?=[0-9A-Z+/]*[a-z])(?=[0-9a-z+/]*[A-Z])[A-Za-z0-9+/]{24,}={0,2}(?![\w.:/-])"
)
"""A long word of letters in both cases and digits."""
_GENERATED_WORD: Final = re.compile(_GENERATED)
_OPTION: Final = re.compile(r"--[A-Za-z][\w.-]*(?:=.*)?|-[A-Za-z]", re.DOTALL)
_QUOTED_BY_PARSERS: Final = (
    r"((?:anchor|key|!!\w+|parsing|parsing time) ['\"`]).*?(?=['\"`](?:: invalid| as| into| referenced| value| already))"
    r"|(invalid (?:port|URL escape|host|userinfo) \").*(?=\")"
    r"|((?:literal sources \[|invalid literal source )[\"']?)[^\s\]\"',]+"
)
"""Messages of go-yaml, sigs.k8s.io/yaml, strconv, time, net/url and kustomize, as in `unknown anchor 'x' referenced`, `cannot unmarshal !!str `x` into int`."""
_SHORTEST: Final = 6
"""Length of the shortest text with a name and a secret."""
_NAMES: Final = (
    *("pass", "pw", "secret", "token", "key", "cred", "auth", "cookie", "connection", "user", "-u"),
    *("otp", "psk", "jwt", "salt", "sig", "sas", "pin", "dsn"),
)
"""Parts of names with secret values, in lower case. Such a name is before a colon or an equals sign, or is a flag."""
_URL_HINT: Final = "://"
_URL_USER: Final = "://[^/ ]+@"
"""Matches each URL with a user or a password, in the syntax of `Pattern`: most URLs have neither."""
_OTHER_HINTS: Final = (
    *(_URL_HINT, "-----begin", "bearer ", "basic "),
    *("$1$", "$2a$", "$2b$", "$2x$", "$2y$", "$5$", "$6$", "$apr1$", "$argon2", "$y$", "7q~", "8q~", "whsec_"),
    *("webhookb2/", "slack.com/services/", "/api/webhooks/"),
)
"""Parts of other texts with secrets, beside those of commands. Other tokens of a known format have a long word."""
_NAME_ENDS: Final = (
    r"(?:pass(?:word|wd|phrase|code|wort)?|pwd|pw|secret|token|cli_auth|(?:master)?auth(?:orization)?|key(?:[_-]?(?:id|data))?"
    rf"|cred(?:ential)?s?|connection[_-]?string|pin|otp|jwt|psk|salt|sas|sig(?:nature)?|cookie|dsn){_SUFFIX}"
)
"""The ends of names in the secret pattern."""
_NAMED_SECRET: Final = (
    # A name before a sign, in XML or in a list of variables; a flag; a manifest of a Secret.
    rf"(?i){_NAME_ENDS}(?:[\\\"'\]]+[ \t]*[:=]|[ \t]*(?:=|:[^a-z0-9:])|</|[^<>]*>|[^a-z0-9]+(?:value|string|default)[\\\"']*[ ]*[:=])"
    # A header, and the default of a variable, may begin directly after the colon.
    rf"|(?i)(?:x-[\w-]*{_NAME_ENDS}|authorization|cookie|[$]\{{[^}}]*{_NAME_ENDS}):"
    rf"|(?i)(?:^|[^a-z0-9_.-])-[^\s=]*{_NAME_ENDS}[ ]|-u[= ]|--user[= ]|set[ \t]+[$]|psk[ \t]|password[ ]+[\\]*[\"']|account[.]key"
    rf"|(?i)(?:env[ \t]+|set[ \t]+-[a-z]+[ \t]+|define[(][ ]*[\"'])[a-z0-9_.-]*{_NAME_ENDS}"
    r"|(?i)(?:^|\n)[ \t]*[a-z0-9_.]*(?:pass(?:word|wd|phrase)?|masterauth)[ \t]+[^ \t\n]+[ \t]*(?:\n|$)"
    r"|(?i)kind[^a-z0-9]*:[^a-z0-9]*secret"
)
"""Matches each text with the value of a sensitive name, and some others, in the syntax of `Pattern`."""
_SURROUNDINGS: Final = {
    "login": r"login[ \t\n]+\S+[ \t\n]+password|vault[ ]+login",
    "variable ": r"variable[ ]+\\*\"",
    "bearer ": r"bearer \S{8}",
    "basic ": r"basic \S{8}",
}
"""The statements with some hints, in the syntax of `Pattern`: sentences have these words too. Another option of `login` has a hint."""
_LONG_WORD_LENGTH: Final = 14
"""Length of the shortest token of a known format, of letters, digits and `_+=-`."""
_LONG_WORD: Final = re.compile(rf"[\w+=-]{{{_LONG_WORD_LENGTH}}}")
_LENGTH: Final = re.compile(r"\{([0-9]+)[0-9,]*\}")
_COUNTED: Final = 8
"""Maximum length in the filter of tokens: higher ones take longer to compile, and exclude few other texts."""
_LOOK_BEHIND: Final = re.compile(r"\(\?<=([^()]*)\)")
_LOOK_AHEAD: Final = re.compile(r"\(\?[=!][^()]*\)")
_LONGEST_CACHED: Final = 512
_LONGEST_COMMAND: Final = 4096


def mask_text(text: str) -> str:
    """Mask the secrets in a text, such as an annotation, a word of a command line or an error message."""
    if len(text) < _SHORTEST:
        return text
    return _mask_cached(text) if len(text) <= _LONGEST_CACHED else _mask(text)


def mask_message(text: str) -> str:
    """Mask the secrets in an error message, including values that parsers written in Go quote."""
    return mask_text(re.sub(_QUOTED_BY_PARSERS, lambda match: f"{match[match.lastindex or 0]}{MASK}", text))


def mask_command(words: Iterable[object], program: str = "") -> list[object]:
    """Return the words of a command line with secrets masked; `program` is the command or the image, empty if unknown."""
    result: list[object] = []
    previous = ""
    option = _find_password_option(program)
    for word in words:
        if not isinstance(word, str):
            result.append(word)
            previous = ""
            continue
        option = option or _find_password_option(word)
        result.append(MASK if _is_secret_argument(previous, word, option) else _mask_argument(word, option))
        previous = word
    return _mask_positions(result, program)


def _mask_positions(words: list[object], program: str) -> list[object]:
    """Mask the words that programs take as secrets because of the words before them."""
    texts = [_get_program_name(program), *(word if isinstance(word, str) else "" for word in words)]
    line = " ".join(texts)
    if len(line) > _LONGEST_COMMAND or not has_hint(line.lower()):
        return words
    result = list(words)
    ends = list(itertools.accumulate(len(text) + 1 for text in texts))
    for match in _command_pattern().finditer(line):
        start = match.end("option")
        number = bisect.bisect_right(ends, start) - 1
        word = texts[number + 1] if 0 <= number < len(words) else ""
        prefix = word[: max(start - ends[number], 0)]
        if word and not (prefix and " " in word):  # the secrets inside of a script are masked already
            result[number] = prefix + MASK
    return result


def find_program(container: Mapping[Any, Any]) -> str:
    """Return the program that gets the arguments of a container: its command, or else its image; empty if unknown."""
    command = container.get("command")
    program = command[0] if isinstance(command, list) and command else container.get("image")
    return program if isinstance(program, str) else ""


def is_secret_name(name: str) -> bool:
    """Return True if the value of a name is a secret."""
    return _may_be_secret(name) and _sensitive_pattern().fullmatch(name[-_LONGEST_NAME:]) is not None


def is_secret_flag(word: str) -> bool:
    """Return True for a command-line flag whose value is a secret."""
    return word.startswith("-") and is_secret_name(word[1:])


def is_vague_name(name: str) -> bool:
    """Return True if the value of a name is a secret whenever it looks generated."""
    return _may_be_secret(name) and _vague_pattern().fullmatch(name[-_LONGEST_NAME:]) is not None


def _may_be_secret(name: str) -> bool:
    """Return False for names without a part of `_NAMES`: documents without any other need no pattern, which takes long to compile."""
    lowered = name.lower()
    # Patterns that ignore the case of letters match some others too.
    return not name.isascii() or any(part in lowered for part in _NAMES)


def looks_generated(text: str) -> bool:
    """Return True if a text is one word with digits that no name of a resource, a label or a file has."""
    return _NO_NAME.fullmatch(text) is not None


_LONGEST_NAME: Final = 200
_NO_NAME: Final = re.compile(r"(?=.*\d)(?:(?=.*[A-Z])[^\s/:,=.]{8,}|[A-Za-z0-9+/]{16,}={0,2})")


@functools.cache
def _sensitive_pattern() -> re.Pattern[str]:
    return re.compile(SENSITIVE_NAME)


@functools.cache
def _vague_pattern() -> re.Pattern[str]:
    return re.compile(_VAGUE_NAME)


@functools.lru_cache(maxsize=1 << 14)
def _mask_cached(text: str) -> str:
    return _mask(text)


def _mask(text: str) -> str:
    kinds = _find_kinds(text)
    if not kinds:
        return text
    if _SECRET_OBJECT.search(text):
        text = _PAYLOAD.sub(rf"\1 {MASK}", text)
    return _secret_pattern(kinds).sub(_replace, text)


@functools.cache
def secret_filter() -> SecretFilter:
    """Return a filter that matches every text with a secret, and some others."""
    return SecretFilter((*_NAMES, *_OTHER_HINTS, *HINTS), _SHORTEST, _LONG_WORD_LENGTH)


class _Kind(enum.Flag):
    """The kinds of secrets that a text may have, each with patterns that take long to compile."""

    NAMED = enum.auto()
    PROGRAM = enum.auto()
    TOKEN = enum.auto()


_ALL_KINDS: Final = _Kind.NAMED | _Kind.PROGRAM | _Kind.TOKEN
_compiled_kinds: Final[set[_Kind]] = set()


def _find_kinds(text: str) -> _Kind:
    """Return the kinds of secrets that a text may have: none for most texts, in a small part of the time of a search."""
    kinds = _Kind(0)
    # The filters take UTF-8, which has no lone surrogates.
    text = text if text.isascii() else text.encode("utf-8", "replace").decode()
    if not secret_filter().matches(text):
        return kinds
    if _name_filter().matches(text):
        return _ALL_KINDS
    if _program_filter().matches(text):
        kinds |= _Kind.PROGRAM
    if _token_hints().matches(text) or (_token_filter().matches(text) and _LONG_WORD.search(text) is not None):
        kinds |= _Kind.TOKEN
    return kinds


@functools.cache
def _name_filter() -> Pattern:
    return Pattern(_NAMED_SECRET)


@functools.cache
def _program_filter() -> Pattern:
    return Pattern(f"(?i:{_join_hints(HINTS)})")


@functools.cache
def _token_hints() -> Pattern:
    return Pattern(f"{_URL_USER}|(?i:{_join_hints(hint for hint in _OTHER_HINTS if hint != _URL_HINT)})")


def _join_hints(hints: Iterable[str]) -> str:
    return "|".join(_SURROUNDINGS.get(hint) or rf"\Q{hint}\E" for hint in hints)


@functools.cache
def _token_filter() -> Pattern:
    """Return a pattern that is fast to compile and to search, and matches each text with a well-known token.

    It has the formats of tokens without look-around and with short lengths, so it matches some other texts as well.
    """
    formats = "|".join(pattern for _, pattern, _ in TOKEN_FORMATS).replace(r"\Z", "$")
    formats = _LENGTH.sub(lambda length: f"{{{min(int(length[1]), _COUNTED)},}}", formats)
    formats = _LOOK_AHEAD.sub("", _LOOK_BEHIND.sub(r"\1", formats))
    return Pattern(formats)


@functools.cache
def token_pattern() -> re.Pattern[str]:
    """Return the pattern of well-known tokens, anywhere in a text. Compiled on first use: most scans do not need it."""
    return re.compile(_TOKEN)


@functools.cache
def _command_pattern() -> re.Pattern[str]:
    return re.compile(_PROGRAM)


def _secret_pattern(kinds: _Kind) -> re.Pattern[str]:
    """Return the pattern of secrets of some kinds, or that of all if it has been compiled."""
    return _compile_pattern(_ALL_KINDS if _ALL_KINDS in _compiled_kinds else kinds)


@functools.cache
def _compile_pattern(kinds: _Kind) -> re.Pattern[str]:
    """Return the pattern of secrets of some kinds; the order of the parts matters."""
    _compiled_kinds.add(kinds)
    parts = (
        (_FIELD, _Kind.NAMED),
        (_PROGRAM, _Kind.PROGRAM),
        (_ENTRY, _Kind.NAMED),
        (_ASSIGNMENT, _Kind.NAMED),
        (_TOKEN, _Kind.TOKEN),
    )
    return re.compile("|".join(pattern for pattern, kind in parts if kind in kinds))


def _replace(match: re.Match[str]) -> str:
    groups = match.groupdict("")
    mark = groups.get("mark", "")
    prefix = next((groups[name] for name in ("field", "option", "entry", "assignment") if groups.get(name)), "")
    return f"{prefix}{mark}{MASK}{mark}"


def _find_password_option(program: str) -> str:
    """Return the password option of a program, given as a path or as an image; empty for other programs."""
    name = _get_program_name(program)
    return next((option for pattern, option in _PASSWORD_OPTIONS if pattern.fullmatch(name)), "")


def _get_program_name(program: str) -> str:
    return program[:_LONGEST_NAME].partition("@")[0].rpartition("/")[2].partition(":")[0]


def _is_secret_argument(previous: str, word: str, option: str) -> bool:
    """Return True if a word is the value of the option before it, and secret."""
    if not previous.startswith("-") or "=" in previous or _OPTION.fullmatch(word):
        return False
    if is_secret_flag(previous) or previous == option:
        return True
    if is_vague_name(previous[1:]):
        return _GENERATED_WORD.fullmatch(word) is not None
    return len(previous) == len("-p") and _LOOKS_GENERATED.fullmatch(word) is not None


def _mask_argument(word: str, option: str) -> str:
    """Mask the secrets in one word of a command line."""
    flag, sign, _ = word.partition("=")
    if sign and is_secret_flag(flag):
        return f"{flag}={MASK}"
    is_attached = len(word) > len("-p") and word[0] == "-" != word[1]
    if is_attached and ((option and word.startswith(option)) or (_LOOKS_GENERATED.fullmatch(word[2:]) and not sign)):
        return word[:2] + MASK
    return _BLOB.sub(MASK, mask_text(word))
