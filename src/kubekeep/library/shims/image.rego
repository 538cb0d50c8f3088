# Function `image.parse_normalized_name` of rules written for Kubescape.
package kubekeep.shims.image

import data.kubekeep.lib.image
import rego.v1

# Grammar of references by the distribution project: registry, path, tag and digest.
grammar := concat("", [
	`^((localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*:[0-9]+|localhost:[0-9]+)/)?`,
	`[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`,
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$`,
])

# Reference with the default registry and library; undefined for invalid references.
parse_normalized_name(reference) := concat("", [image.repository(reference), rest]) if {
	regex.match(grammar, reference)
	rest := concat("", regex.find_n(`((:[^/:@]+)?@.+|:[^/:@]+)$`, reference, 1))
}
