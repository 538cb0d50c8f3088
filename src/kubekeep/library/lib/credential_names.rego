# Names of settings that hold a credential, by class. The class decides which values are ordinary (`plain_values`).
#
# - `password`: people choose passwords, so that every value counts that is not a reference or a switch, also a number.
# - `credential`: keys, tokens and secrets with a purpose (`apiKey`, `clientSecret`). Words count; numbers, addresses,
#   and names of files, Secrets and labels do not.
# - `secret`: the word alone, which is often the name of a Secret. A value of one word must have a digit or a sign.
# - `generated`: other keys and secrets, which are often names of a column, an entry or a Secret (`userKey`, `tlsSecret`).
#   Only a value that looks generated counts.
package kubekeep.lib.credential_names

# Class of a name; undefined for a name that holds no credential. words: sensitive words in lower case. A sensitive word
# counts at the end of the name, or before words for the form of the value (`_VALUE`, `_BASE64`, `_2`).
class(name, words) := class_of(split_words(name), words)

class_of(name, words) := "password" if {
	ends_with(name, passwords, words)
} else := "secret" if {
	ends_with(name, `^_secret_$`, words)
} else := "generated" if {
	ends_with(name, ambiguous, words)
} else := "credential" if {
	not regex.match(public, name)
	ends_with(name, purposes, words)
} else := "generated" if {
	not regex.match(public, name)
	ends_with(name, others, words)
} else := "password" if {
	some word in words
	not regex.match(known_words, word)
	regex.match(concat("", [join_words(word), `s?[0-9]*`, forms]), name)
}

# A name as words in lower case with an underscore around each: `dbPassword` and `DB-PASSWORD` are `_db_password_`.
split_words(name) := sprintf("_%s_", [join_words(name)])

join_words(name) := lower(trim(regex.replace(spaced, `[^0-9A-Za-z]+`, "_"), "_")) if {
	spaced := regex.replace(regex.replace(name, `([a-z0-9])([A-Z])`, "${1}_${2}"), `([A-Z])([A-Z][a-z])`, "${1}_${2}")
}

# True if a name matches a pattern with one of the sensitive words.
ends_with(name, pattern, words) if {
	match := replace(regex.find_n(pattern, name, 1)[0], "_", "")
	some word in words
	contains(match, replace(join_words(word), "_", ""))
}

# Words after the sensitive one that describe the form or the version of the value.
forms := concat("", [
	`(?:_(?:value|base|base64|b64|data|plain|plaintext|clear|cleartext|raw|text|string|hash|encoded|new|old|current`,
	`|previous|next|default|primary|secondary|main|prod|production|staging|dev|test|v?[0-9]+))*_$`,
])

passwords := concat("", [
	`(?:password|passwd|passphrase|passcode|passwort|_(?:pass|pwd|pw)`,
	`|_(?:db|user|root|admin|my|pg|smtp|mail|mysql|redis|login|bind|key|store|sa)_?(?:pass|pwd|pw))s?[0-9]*`,
	forms,
])

# Names of Secrets, and lists.
ambiguous := concat("", [
	`(?:_(?:tls|ssl|cert|certificate|ca|pull|image|registry|existing|k8s|kube|kubernetes|docker|ref|target|source|mount`,
	`|mounted|from|opaque|generic|credentials?|creds|keys?|passwords?|store)_?secrets?|secrets|tokens|_keys)`,
	forms,
])

# Keys and tokens that are public, or no keys of a cipher.
public := concat("", [
	`_(?:public|pub|publishable|partition|sort|cache|label|annotation|routing|primary|foreign|shard|topology|header|lookup`,
	`|translation|i18n|metric|group|page|next|next_page|continue|continuation|pagination|design|color|eos|bos|pad|unk|mask`,
	`|stop|special|cursor|row|hash|host|map|object|index|sitemap)_?(?:key|token)s?`,
	forms,
])

purposes := concat("", [
	`(?:secret|token|pepper|psk|credentials?`,
	`|_(?:api|app|access|secret|private|signing|sign|signature|encryption|encrypt|cipher|crypto|aes|hmac|master|auth|storage`,
	`|license|licence|shared|shared_access|session|admin|root|jwt|cookie|webhook|subscription|ingest|ingestion|integration`,
	`|security|secure|deploy|account)_?key)[0-9]*`,
	forms,
])

others := concat("", [`(?:jwt|bearer|creds?|_key|(?:api|access|secret|private|signing|encryption|auth|master)keys?)[0-9]*`, forms])

known_words := `^(?:secret|key|password|passwd|passphrase|passcode|pwd|pass|pw|token|jwt|bearer|credential|pepper|psk)$`
