# Ordinary values of settings whose name is that of a credential, by class of the name (see `credential_names`).
package kubekeep.lib.plain_values

is_plain(_, value) if regex.match(references, value)

is_plain(_, value) if regex.match(quantities, value)

is_plain(_, value) if is_address(value)

is_address(value) if regex.match(addresses, value)

is_plain(_, value) if lower(value) in {
	"", "true", "false", "yes", "no", "on", "off", "null", "none", "nil", "undefined", "required", "optional", "enabled", "disabled",
	"string", "str", "text",
}

is_plain("password", value) if regex.match(`^[0-9]{1,3}$`, value)

is_plain(class, value) if {
	class != "password"
	regex.match(names, value)
	not regex.match(weak, value)
}

is_plain("secret", value) if {
	regex.match(`^(?:[A-Za-z]+|[a-z][a-z0-9]*(?:-[a-z0-9]+)+)$`, value)
	not regex.match(weak, value)
}

is_plain("generated", value) if {
	not regex.match(weak, value)
	not is_generated(value)
}

# True for a value that looks generated: digits among letters, or characters of a password between them.
is_generated(value) if {
	regex.match(`^[0-9A-Za-z+/=_.~!@#$%^&*-]{8,}$`, value)
	regex.match(`[A-Za-z]`, value)
	regex.match(`[0-9][A-Za-z]+[0-9]|[0-9A-Za-z][!@#$%^&*+][0-9A-Za-z]|[a-z][0-9]+[A-Z]|[A-Z][0-9]+[a-z]`, value)
	not regex.match(`^[a-z0-9]+(?:[-_.][a-z0-9]{1,10})+$`, value)
} else if {
	regex.match(`^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, lower(value))
}

# Variables, templates, placeholders, and references to another store.
references := concat("|", [
	`\$\{|\$\(|\{\{|\}\}|<%|%\(|\[\[|\(\(`,
	`^\$[A-Za-z_]`,
	`^<.*>$`,
	`^[%@#].+[%@#]$`,
	`^__\w+__$`,
	`^[*.…-]+$`,
	`^(?i:your|placeholder|x{3,}|todo|insert|enter)(?:$|[^a-z])`,
	`^(?:your|insert|enter|YOUR)[A-Z_]`,
	`^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$`,
	`^(?i:env|enc)[()\[\]]`,
	`^(?:env|file|vault|op|arn|ref\+\w+|secretref|secret|ssm|awssm|gcpsm|sops|kms|configmap):`,
	`^projects/[^/]+/secrets/`,
])

# Numbers with a unit or a point, times, versions.
quantities := concat("|", [
	`^(?:[0-9]+(?:[.][0-9]+)?(?:ns|us|µs|ms|s|sec|secs|seconds|m|min|mins|minutes|h|hours|d|days|w|y))+$`,
	`^P(?:[0-9]+[YMWD])*(?:T(?:[0-9]+[HMS])+)?$`,
	`^[0-9]+(?:[.][0-9]+)?(?:[KMGT]i?B?|[kmg]b?|%)$`,
	`^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?$`,
	`^v?[0-9]+(?:[.][0-9]+){1,3}(?:-[\w.]+)?$`,
])

# Addresses, URLs without a password (see `with_password`), paths, names of files and qualified names.
addresses := concat("|", [
	`^[0-9]{1,3}(?:[.][0-9]{1,3}){3}(?:/[0-9]+)?(?::[0-9]+)?$`,
	`^\[?[0-9a-f]*:[0-9a-f:]*:[0-9a-f:]*\]?(?::[0-9]+)?$`,
	`^[A-Za-z][\w.-]*:[0-9]{2,5}(?:,[A-Za-z][\w.-]*:[0-9]{2,5})*$`,
	`^[A-Za-z][A-Za-z0-9+.-]*://`,
	`^(?:\.{0,2}|~)/`,
	`^[A-Za-z]:\\`,
	`^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)[.][a-z]{2,}/[\w./-]+$`,
	`^(?:[a-z0-9-]+[.])+(?:svc|local|internal|localdomain|com|net|org|io|dev|cloud|sh|app)[.]?$`,
	concat("", [
		`^[\w./-]+[.](?:pem|key|crt|cer|der|csr|p12|pfx|jks|keystore|truststore|json|ya?ml|txt|conf|cfg|ini|properties|env`,
		`|pub|asc|gpg|toml|xml|sh|py|js|ts|html|db|sqlite|log|lua|token|tmpl|csv|kubeconfig)$`,
	]),
])

# Values of keys, tokens and secrets that are numbers, words for a kind of token, identifiers, and names of objects.
names := concat("|", [
	`\s`,
	`^[-+]?[0-9][0-9_,.]*$`,
	`^.{0,2}$`,
	concat("", [
		`^(?i:tokens?|bearer|basic|digest|header|query|cookie|body|form|file|env|hmac|jwt|jwe|jws|rsa|ecdsa|plain|opaque|auto`,
		`|always|never|on|off|default|all|any|self|key|secret|name|id|value|sub|email|int|integer|number|boolean|object|array`,
		`|authorization|access|refresh|[hrep]s(?:256|384|512)|sha-?(?:1|256|512)|aes-?[0-9]+(?:-\w+)?)$`,
	]),
	`^(?:[A-Z][a-z]*)(?:-[A-Z][A-Za-z]*)+$`,
	`^[a-z]+(?:[A-Z][a-z]+)+$`,
	`^[a-z0-9]+(?:[.-][a-z0-9]+)*[.][a-z]{2,}$`,
	`^[a-z0-9-]+/[a-z0-9./-]+$`,
	`^[\w-]+(?:,[\w-]+)+$`,
	concat("", [
		`^[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*[-_.](?:secrets?|tokens?|keys?|certs?|tls|ca|creds?|credentials?|passwords?|pass|auth`,
		`|config|webhook|pull|client|certificates?|crt|pem|accounts?|admin|users?|ref|name|store|sa|jwt|ssh|oauth|oidc|id)$`,
	]),
])

# Passwords that people choose although they look like names.
weak := concat("", [
	`(?i:change[-_]?(?:me|it|this)|let-?me-?in|hunter2|super-?secret|top-?secret|very-?secret|s3cr[3e]t|p[a@][s5$]{2}w[o0]rd[0-9!]`,
	`|passw0rd|p@ss|qwerty|abc123|insecure|sesame|^my-?secret|secret[0-9]+)`,
])
