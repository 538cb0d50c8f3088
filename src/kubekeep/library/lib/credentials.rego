# Credentials in names, values and command lines. `input.params` has the lists of the control.
package kubekeep.lib.credentials

import data.kubekeep.lib.credential_names
import data.kubekeep.lib.plain_values

credential_in(word, before) := "a password or token" if {
	count(input.params.sensitiveKeyNames) > 0
	some value in assigned(word, before)
	not lower(value) in {"true", "false", "null", "none"}
	not regex.match(`^(?:env|file|vault|op|arn|https?):`, value)
} else := "a credential" if {
	regex.match(credential, word)
} else := "a URL with a password" if {
	regex.match(url_with_password, word)
}

url_with_password := `://[^/\s:@]*:[^/\s@$<{*%][^/\s@]*@`

# Values of flags for secrets, in one word (`--password=x`) or after the flag. A path is no secret, nor is the name of a
# Secret with its namespace. Only passwords may be short: other flags for keys and tokens also take names.
assigned(word, before) := {value |
	some pattern in [password_flag, token_flag]
	some match in regex.find_all_string_submatch_n(pattern, word, -1)
	value := match[2]
	not allowed_name(match[1])
	not regex.match(`^[.~]?/|^[\w.-]+/[\w./-]+\.[a-z]+$|^[a-z0-9-]+/[a-z0-9.-]+$`, value)
} | {value |
	regex.match(`\s`, word)
	some pattern in scripts
	value := regex.find_all_string_submatch_n(pattern, word, -1)[_][1]
} | {word |
	regex.match(`^[^\s"'$<>{}%*#@_/\x60-][^$<>{}%*\x60]*$`, word)
	flag := before[count(before) - 1]
	regex.match(separate_flag, flag)
	not regex.match(`^--?(?:disabled?|no|without)-`, flag)
	not allowed_name(flag)
} | {value |
	some [program, option] in short_flags
	some spelling in [word, sprintf("%s %s", [before[count(before) - 1], word])]
	value := regex.find_all_string_submatch_n(option, spelling, 1)[0][1]
	some index
	regex.match(program, before[index])
	not is_server(before, index)
}

# After other words than these, `mysql` and `mariadb` are names of servers, as in `wait-for mysql -p3306`.
is_server(words, index) if {
	words[index] in {"mysql", "mariadb"}
	not starts(words, index)
}

starts(_, 0)

starts(words, index) if regex.match(
	concat("", [
		`^(?:--|-c|\w+=.*|[0-9]+[smh]?)$`,
		`|(?:^|/)(?:env|exec|time|timeout|nohup|xargs|sudo|tini|dumb-init|[\w.-]*entrypoint[\w.-]*)$`,
	]),
	words[index - 1],
)

password_flag := concat("", [
	`(?:^|[\s"'(;&|])(--?(?:[\w.-]*[_.-])?(?i:password|passwd|passphrase|pass|pwd))`,
	`=["']?([^\s"'$<>{}%*#@_/\x60-][^\s"'\x60]*)`,
])

token_flag := concat("", [
	`(?:^|[\s"'(;&|])(--?(?:[\w.-]*[_.-])?`,
	`(?i:token|api[_-]?key|access[_-]?key|secret[_-]?key|client[_-]?secret|private[_-]?key|encryption[_-]?key))`,
	`=["']?([0-9A-Za-z+][^\s"'$<>{}%*\x60]{5,})`,
])

separate_flag := concat("", [
	`^--?(?:[\w.-]*[_.-])?`,
	`(?i:password|passwd|passphrase|pass|pwd|token|api[_-]?key|secret[_-]?key|client[_-]?secret)$`,
])

# In a script: variables of commands, and flags that are followed by something other than a word of a sentence.
scripts := [
	`(?:^|[\s"'(;&|])(?:[A-Z0-9_]*PASSWORD|[A-Z0-9_]*PASSWD|MYSQL_PWD)=["']?([^\s"'$<>{}%*#@_/\x60;&|)-][^\s"'\x60;&|)]*)`,
	`(?:^|[\s"'(;&|])--(?:[a-z0-9-]*-)?(?:password|pass|token)\s+["']?([A-Za-z!+.,~^]*[0-9][^\s"'$<>{}%*\x60/]*)(?:["']?(?:\s|$))`,
	concat("", [
		`(?:(?:^|[;&|(!"'\x60/\n]|\b(?:do|then|else|if|while|until|env|exec|time|timeout [0-9]+|nohup|xargs|sudo|\w+=\S*)\s)\s*`,
		`(?:mysql|mariadb)|(?:^|[\s;&|("'/])(?:mysqladmin|mysqldump|mariadb-[a-z]+))\s(?:[^|;&\n]*\s)?-p["']?([^\s"'$<>{}%*\x60;&|)-][^\s"'\x60;&|)]*)`,
	]),
	`(?:^|[\s;&|("'/])(?:redis-cli|valkey-cli)\s(?:[^|;&\n]*\s)?-a\s+["']?([^\s"'$<>{}%*\x60;&|)-][^\s"'\x60;&|)]*)`,
	`(?:^|[\s;&|("'/])sshpass\s+-p\s*["']?([^\s"'$<>{}%*\x60;&|)-][^\s"'\x60;&|)]*)`,
	`(?:^|[\s;&|("'/])curl\s(?:[^|;&\n]*\s)?(?:-u\s*|--user[= ])["']?[\w.@-]+:([^\s"'$<>{}%*\x60;&|)-][^\s"'\x60;&|)]*)`,
]

# Programs with short flags for passwords.
short_flags := [
	[`(^|/)(mysql|mysqladmin|mysqldump|mariadb|mariadb-[a-z]+)$`, `^-p([^\s$<{%*][^\s$]*)$`],
	[`(^|/)(redis-cli|valkey-cli)$`, `^-a ([^\s$<{%*-][^\s$]*)$`],
	[`(^|/)sshpass$`, `^-p ?([^\s$<{%*-][^\s$]*)$`],
	[`(^|/)curl$`, `^(?:-u|--user) ?[\w.@-]+:([^\s$<{%*][^\s$]*)$`],
]

# The problem of a setting, undefined if there is none. words: sensitive words that may be in the name. hinted: true
# unless a filter has shown that no value looks like a credential.
problem(name, value, words, hinted) := sprintf("%s is set in plain text, and the name indicates a credential", [name]) if {
	indicates_credential(name, value, words)
	not harmless(value)
} else := sprintf("%s: the value looks like a credential", [name]) if {
	hinted == true
	looks_like_credential(name, value)
	not harmless(value)
}

# Change of severity of a setting whose name indicates a credential: a value for demonstrations and tests, or one that is
# to be replaced, protects nothing yet.
severity_change(name, value) := -5 if {
	is_placeholder(name, trim_space(value))
	not regex.match(credential, value)
} else := 0

is_placeholder(name, _) if regex.match(`^(?:(?i:demo|example|sample|test)[_.-]|(?:demo|example|sample|test)[A-Z])`, name)

is_placeholder(_, value) if regex.match(
	concat("", [
		`^(?i:<.*>|(?:please[-_ ]?)?(?:change|replace)[-_ ]?(?:me|it|this)(?:[0-9]+|[-_!. ].*)?`,
		`|(?:an?[-_ ])?(?:example|sample|dummy|placeholder)(?:[-_ ][a-z]+)*)$`,
	]),
	value,
)

indicates_credential(name, value, words) if {
	count(words) > 0
	class := credential_names.class(name, words)
	not allowed_name(name)
	not plain_values.is_plain(class, trim_space(value))
}

allowed_name(name) if {
	some pattern in input.params.sensitiveKeyNamesAllowed
	regex.match(sprintf("(?i)%s", [pattern]), name)
}

# True if the name describes the location or a property of a credential: TOKEN_PATH, SECRET_NAME, keyFile.
about(name) if regex.match(
	concat("", [
		`(?i:path|file|filename|dir|directory|folder|url|uri|endpoint)$|(?:[_.-](?i:name|type|ttl|timeout|expiry|`,
		`expiration|lifetime|length|size|algorithm|enabled)|[a-z](?:Name|Type|Ttl|TTL|Timeout|Length|Size|Algorithm))$`,
	]),
	name,
)

looks_like_credential(_, value) if with_password(value)

looks_like_credential(_, value) if regex.match(credential, value)

looks_like_credential(name, value) if {
	regex.match(looks(unmistakable_values), value)
	not location(name, value)
}

looks_like_credential(name, value) if {
	regex.match(looks(vague_values), value)
	not location(name, value)
	not is_ordinary_text(value)
}

looks_like_credential(_, value) if {
	"Bearer" in vague_values
	regex.match(`^\s*Bearer\s+\S+\s*$`, value)
}

# Patterns for words that also name a kind of token, or a part of a name.
vague_values := [pattern | some pattern in input.params.sensitiveValues; pattern in words_of_values]

unmistakable_values := [pattern | some pattern in input.params.sensitiveValues; not pattern in words_of_values]

words_of_values := {"JWT", "Bearer", "_key_", "_secret_"}

# True for text without a token: words without digits, identifiers, addresses and paths.
is_ordinary_text(value) if regex.match(`^[A-Za-z][A-Za-z ,;:/_.-]*$`, value)

is_ordinary_text(value) if regex.match(`^[a-z0-9]+(?:[_.-][a-z0-9]+)*$`, value)

is_ordinary_text(value) if plain_values.is_address(value)

is_ordinary_text(value) if regex.match(`\s`, value)

# Tokens of HTTP headers, passwords and keys of connection strings, and URLs of chat services that contain a token.
# Placeholders such as `$(NAME)`, `<password>` and `****` are no credentials.
credential := concat("|", [
	`(?i:(?:^|[\s"':=])bearer\s+(?:[a-z._~+/=-]*[0-9][0-9a-z._~+/=-]{5,}|[0-9a-z._~+/=-]{24,}))`,
	`(?i:\A\s*bearer\s+[0-9a-z._~+/=-]{8,}\s*\z)`,
	`(?i:=[^;\n]*;\s*(?:password|passwd|pwd)\s*=\s*["']?[^\s;"'$<>{}%*#@_\[(])`,
	`(?i:\b(?:password|passwd|pwd)\s*=\s*["']?[^\s;"'$<>{}%*#@_\[(][^;\n]*;\s*[a-z][a-z ]*=)`,
	`(?i:\b(?:host|server|user|dbname)=\S+\s+(?:[a-z_]+=\S+\s+)*password=["']?[^\s"'$<>{}%*#@_])`,
	`(?i:\bpassword=[^\s"'$<>{}%*#@_]\S*\s+(?:[a-z_]+=\S+\s+)*(?:host|user|dbname)=)`,
	`(?i:://\S*[?&](?:password|passwd|pwd)=[^\s&"'$<>{}%*#@_])`,
	`(?i:(?:accountkey|sharedaccesskey)\s*=\s*[0-9a-z+/]{20,})`,
	`hooks\.slack\.com/(?:services|workflows|triggers)/[A-Z0-9]{6,}/[0-9A-Za-z/]{16,}`,
	`discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]{6,}/[0-9A-Za-z_-]{16,}`,
	`(?:outlook\.office\.com|outlook\.office365\.com|\.webhook\.office\.com)/webhook[0-9a-z]*/[0-9A-Za-z@-]{16,}`,
	`chat\.googleapis\.com/v1/spaces/[0-9A-Za-z_-]+/messages\?\S*token=[0-9A-Za-z_%-]{8,}`,
	`api\.telegram\.org/bot[0-9]{6,}:[0-9A-Za-z_-]{20,}`,
	`(?:feishu\.cn|larksuite\.com)/open-apis/bot/(?:v2/)?hook/[0-9A-Za-z-]{16,}`,
	`oapi\.dingtalk\.com/robot/send\?\S*access_token=[0-9A-Za-z]{16,}`,
	`qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?\S*key=[0-9A-Za-z-]{16,}`,
	`https?://[^/\s]+/hooks/(?:[a-z0-9]{26}\b|[0-9A-Za-z]{17}/[0-9A-Za-z]{30,})`,
	token,
])

# The value may be base64-encoded.
looks_like_credential(_, value) if {
	count(value) >= 20
	not contains(value, " ")
	base64.is_valid(value)
	regex.match(looks(unmistakable_values), base64.decode(value))
}

# A URL that contains a literal password, not a variable.
with_password(value) if {
	contains(value, "://")
	regex.match(`^[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@$<{*][^/\s@]*@[^\s]+$`, value)
}

location(name, value) if {
	about(name)
	contains(value, "/")
}

harmless(value) if {
	some pattern in input.params.sensitiveValuesAllowed
	regex.match(pattern, value)
}

# A reference to a variable, a template placeholder, or a reference to a secret store.
harmless(value) if regex.match(`^\s*(?:\$\([A-Za-z_]\w*\)|\$\{[^}]*\}|\{\{.*\}\}|(?:vault:|op://|arn:aws)\S+)\s*$`, value)

# Words after the name of the scheme.
harmless(value) if regex.match(`(?i)^\s*bearer\s+(?:auth|authentication|authorization|tokens?|schemes?)\s*$`, value)

# A file path in a usual directory of containers.
harmless(value) if regex.match(
	`^\s*(?:file://)?/(?:etc|var|run|mnt|opt|usr|home|tmp|root|srv|secrets?|vault|app|certs?|ssl|tls|config)/\S*$`,
	value,
)

# Certificates and public keys are not secret.
harmless(value) if {
	regex.match(`^\s*(?:-----BEGIN (?:TRUSTED )?CERTIFICATE-----|-----BEGIN (?:RSA )?PUBLIC KEY-----|ssh-(?:rsa|ed25519) )`, value)
	not contains(value, "PRIVATE KEY")
}

# All patterns combined; without patterns, one that matches nothing.
looks(patterns) := any_of(patterns) if {
	regex.is_valid(any_of(patterns))
} else := any_of([pattern | some pattern in patterns; regex.is_valid(pattern)])

any_of(patterns) := sprintf("(?:%s)", [concat(")|(?:", patterns)]) if {
	count(patterns) > 0
} else := `[^\s\S]`

# Tokens with a prefix that no other text has (documentation of the vendors). Prefixes of keys for tests are left out.
token := concat("", [
	`\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{20}|gl(?:pat|oas|dt|rt|cbt|ptt|ft|agent|soat)-[\w-]{20}`,
	`|sk-(?:ant|proj|svcacct|admin)-[\w-]{20}|[rs]k_live_[0-9A-Za-z]{16}|hf_[A-Za-z]{30}|npm_[0-9A-Za-z]{36}`,
	`|pypi-AgE[\w-]{50}|rubygems_[0-9a-f]{48}|dckr_[op]at_[\w-]{20}|do[opr]_v1_[0-9a-f]{64}|hv[bs]\.[\w-]{20}`,
	`|glsa_\w{30}|glc_eyJ\w{30}|AGE-SECRET-KEY-1[A-Z0-9]{50}|SG\.[\w-]{16,}\.[\w-]{20}|GOCSPX-[\w-]{20}`,
	`|shp(?:at|ca|pa|ss)_[0-9a-f]{32}|dapi[0-9a-f]{32}|tskey-[a-z]+-\w{10}|pul-[0-9a-f]{40}|lin_api_\w{30}`,
	`|ATATT3[\w=-]{20}|NRAK-[0-9A-Z]{27}|PMAK-[0-9a-f]{24}|xapp-[0-9]-[0-9A-Z]{8})`,
])
