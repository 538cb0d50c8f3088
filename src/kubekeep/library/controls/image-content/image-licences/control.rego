package kubekeep.controls.image_licences

import data.kubekeep.lib.container_image

violation contains {
	"path": sprintf("packages[%d]", [number]),
	"message": sprintf("%s has the licence %s%s", [
		entry.purl,
		concat(" AND ", entry.licences),
		container_image.origin(entry),
	]),
} if {
	some number, entry in input.object.packages
	some expression in entry.licences
	not usable(expression)
}

violation contains {
	"path": sprintf("packages[%d]", [number]),
	"message": sprintf("%s: the licence is unknown%s", [entry.purl, container_image.origin(entry)]),
} if {
	count(input.params.allowedLicences) > 0
	some number, entry in input.object.packages
	count(object.get(entry, "licences", [])) == 0
}

applies if count(input.params.allowedLicences) > 0

applies if count(input.params.deniedLicences) > 0

# An expression with its licences replaced by T (may be used) or F, then reduced: brackets, AND and OR in this order.
usable(expression) if reduce(marked(expression)) == "T"

marked(expression) := concat("", [sign |
	some match in regex.find_all_string_submatch_n(
		`(?i)(\(|\)|\bAND\b|\bOR\b)|([^\s()]+(?:\s+WITH\s+[^\s()]+)?)`,
		expression,
		-1,
	)
	sign := signs(match)
])

signs(match) := upper(match[1]) if {
	match[1] != ""
} else := "T" if {
	licence_allowed(regex.replace(match[2], `(?i)\s+with\s+`, " WITH "))
} else := "F"

licence_allowed(licence) if {
	not matches(input.params.deniedLicences, licence)
	count(input.params.allowedLicences) == 0
}

licence_allowed(licence) if {
	not matches(input.params.deniedLicences, licence)
	matches(input.params.allowedLicences, licence)
}

# An allowed exception has precedence over a denied pattern: `GPL-2.0-only WITH Classpath-exception-2.0`.
licence_allowed(licence) if {
	contains(licence, " WITH ")
	some entry in input.params.allowedLicences
	lower(entry) == lower(licence)
}

matches(patterns, licence) if {
	some pattern in patterns
	glob.match(lower(pattern), null, lower(licence))
}

# Nested brackets are rare; an expression with more than eight levels is not usable.
reduce(text) := once(once(once(once(once(once(once(once(text))))))))

once(text) := unwrap(or(and(unwrap(text))))

unwrap(text) := regex.replace(text, `\(([TF])\)`, "$1")

and(text) := regex.replace(regex.replace(text, `(?:[TF]AND)*FAND[TF](?:AND[TF])*|(?:[TF]AND)+F(?:AND[TF])*`, "F"), `T(?:ANDT)+`, "T")

# OR only where no AND is beside it.
or(text) := bracketed if {
	changed := regex.replace(text, `\(((?:[TF]OR)*TOR[TF](?:OR[TF])*|(?:[TF]OR)+T(?:OR[TF])*)\)`, "(T)")
	falses := regex.replace(changed, `\(F(?:ORF)+\)`, "(F)")
	whole := regex.replace(falses, `^((?:[TF]OR)*TOR[TF](?:OR[TF])*|(?:[TF]OR)+T(?:OR[TF])*)$`, "T")
	bracketed := regex.replace(whole, `^F(?:ORF)+$`, "F")
}
