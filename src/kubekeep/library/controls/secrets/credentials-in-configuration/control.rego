package kubekeep.controls.credentials_in_configuration

violation contains {"path": sprintf("%s.env[%d]", [container.path, index]), "message": message} if {
	some container in input.workload.containers
	some index
	variable := container.env[index]
	message := problem(variable.name, text(variable.value))
}

violation contains {"path": entry("data", key), "message": message} if {
	input.object.kind == "ConfigMap"
	some key
	value := input.object.data[key]
	message := problem(key, text(value))
}

violation contains {"path": entry("binaryData", key), "message": message} if {
	input.object.kind == "ConfigMap"
	some key
	value := input.object.binaryData[key]
	message := problem(key, base64.decode(value))
}

# Files may hold numbers where the API wants text. Yes and no are no credentials.
text(value) := value if {
	is_string(value)
	trim_space(value) != ""
} else := sprintf("%v", [value]) if is_number(value)

entry(field, key) := sprintf("%s.%s", [field, key]) if {
	not regex.match(`[.\[\]"]`, key)
} else := sprintf("%s[\"%s\"]", [field, replace(replace(key, `\`, `\\`), `"`, `\"`)])

problem(name, value) := sprintf("%s is in plain text, and its name says that it is a credential", [name]) if {
	telling(name, value)
	not harmless(value)
} else := sprintf("%s holds what looks like a credential", [name]) if {
	speaking(name, value)
	not harmless(value)
}

words contains lower(word) if some word in data.params.sensitiveKeyNames

telling(name, value) if {
	lowered := lower(name)
	some word in words
	contains(lowered, word)
	not allowed_name(name)
	not about(name)
	not lower(trim_space(value)) in {"true", "false"}
}

allowed_name(name) if {
	some pattern in data.params.sensitiveKeyNamesAllowed
	regex.match(sprintf("(?i)%s", [pattern]), name)
}

# The name says where a credential is or what it is like, not what it is: TOKEN_PATH, SECRET_NAME, keyFile.
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

# A value may be encoded once more.
speaking(_, value) if {
	count(value) >= 20
	not contains(value, " ")
	base64.is_valid(value)
	regex.match(looks, base64.decode(value))
}

looks := concat("|", [sprintf("(?:%s)", [pattern]) | some pattern in data.params.sensitiveValues; regex.is_valid(pattern)]) if {
	count(data.params.sensitiveValues) > 0
}

# A URL that carries a password, unless a variable stands for it.
with_password(value) if {
	contains(value, "://")
	regex.match(`^[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@$<{*][^/\s@]*@[^\s]+$`, value)
}

location(name, value) if {
	about(name)
	contains(value, "/")
}

harmless(value) if {
	some pattern in data.params.sensitiveValuesAllowed
	regex.match(pattern, value)
}

# Another variable, a placeholder that a template fills in, or a reference into a store of secrets.
harmless(value) if regex.match(`^\s*(?:\$\([A-Za-z_]\w*\)|\$\{[^}]*\}|\{\{.*\}\}|(?:vault:|op://|arn:aws)\S+)\s*$`, value)

# The path of a file in a place where containers have them.
harmless(value) if regex.match(
	`^\s*(?:file://)?/(?:etc|var|run|mnt|opt|usr|home|tmp|root|srv|secrets?|vault|app|certs?|ssl|tls|config)/\S*$`,
	value,
)

# Certificates and public keys are meant to be seen.
harmless(value) if {
	regex.match(`^\s*(?:-----BEGIN (?:TRUSTED )?CERTIFICATE-----|-----BEGIN (?:RSA )?PUBLIC KEY-----|ssh-(?:rsa|ed25519) )`, value)
	not contains(value, "PRIVATE KEY")
}

declined contains sprintf("sensitiveValues: %q is not a regular expression", [pattern]) if {
	some pattern in data.params.sensitiveValues
	not regex.is_valid(pattern)
}
