package kubekeep.controls.credentials_in_configuration

# Name and value are evidence, and both are to be removed.
violation contains {"path": sprintf("%s.env[%d].%s", [container.path, index, half]), "message": message} if {
	suspect
	some container in input.workload.containers
	some index
	variable := container.env[index]
	message := problem(variable.name, text(variable.value))
	some half in ["name", "value"]
}

violation contains {"path": entry(field, key), "message": message} if {
	suspect
	some field, entries in maps
	some key, value in entries
	message := problem(key, text(value))
}

maps["data"] := input.object.data if {
	input.object.kind == "ConfigMap"
	is_object(input.object.data)
}

maps["binaryData"] := {key: base64.decode(value) | some key, value in input.object.binaryData} if {
	input.object.kind == "ConfigMap"
	is_object(input.object.binaryData)
}

# Cheap filter over all names and all values at once: most objects contain no credentials.
suspect if count(words) > 0

suspect if hinted

default hinted := false

hinted if {
	values != ""
	regex.match(concat("|", hints), values)
}

hints := [sprintf("(?m:%s)", [lines]), "://", `(?m:^\s*[0-9A-Za-z+/=_-]{20})`] if {
	lines := replace(replace(looks, `\A`, "^"), `\z`, "$")
}

# Only variables with a literal value, not those with `valueFrom`.
names := lower(concat("\n", array.concat(
	[variable.name |
		variable := input.workload.containers[_].env[_]
		variable.value != ""
		is_string(variable.name)
	],
	[key | maps[_][key]],
)))

values := concat("\n", array.concat(
	[value | value := input.workload.containers[_].env[_].value; is_string(value)],
	[value | value := maps[_][_]; is_string(value)],
))

# Files may contain numbers in place of text. Booleans are no credentials.
text(value) := value if {
	is_string(value)
	trim_space(value) != ""
} else := sprintf("%v", [value]) if is_number(value)

entry(field, key) := sprintf("%s.%s", [field, key]) if {
	not regex.match(`[.\[\]"]`, key)
} else := sprintf("%s[\"%s\"]", [field, replace(replace(key, `\`, `\\`), `"`, `\"`)])

problem(name, value) := sprintf("%s is set in plain text, and the name indicates a credential", [name]) if {
	telling(name, value)
	not harmless(value)
} else := sprintf("%s: the value looks like a credential", [name]) if {
	hinted
	speaking(name, value)
	not harmless(value)
}

# Sensitive words that occur in any name.
words := {lowered |
	some word in input.params.sensitiveKeyNames
	lowered := lower(word)
	contains(names, lowered)
}

telling(name, value) if {
	some word in words
	contains(lower(name), word)
	not allowed_name(name)
	not about(name)
	not lower(trim_space(value)) in {"true", "false"}
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

speaking(_, value) if with_password(value)

speaking(name, value) if {
	regex.match(looks, value)
	not location(name, value)
}

# The value may be base64-encoded.
speaking(_, value) if {
	count(value) >= 20
	not contains(value, " ")
	base64.is_valid(value)
	regex.match(looks, base64.decode(value))
}

# All patterns combined; without patterns, one that matches nothing.
looks := joined if {
	joined := any_of(input.params.sensitiveValues)
	regex.is_valid(joined)
} else := any_of([pattern | some pattern in input.params.sensitiveValues; regex.is_valid(pattern)])

any_of(patterns) := sprintf("(?:%s)", [concat(")|(?:", patterns)]) if {
	count(patterns) > 0
} else := `[^\s\S]`

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

declined contains sprintf("sensitiveValues: %q is not a valid regular expression", [pattern]) if {
	some pattern in input.params.sensitiveValues
	not regex.is_valid(pattern)
}
