# What rules written for Kubescape call `image.parse_normalized_name`.
package kubekeep.shims.image

import data.kubekeep.lib.image
import rego.v1

# A reference as the distribution project's grammar has it: registry, path, tag and digest.
grammar := concat("", [
	`^((localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*:[0-9]+|localhost:[0-9]+)/)?`,
	`[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`,
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$`,
])

# The reference with the registry and the library that it leaves out; undefined for what is none.
parse_normalized_name(reference) := concat("", [image.repository(reference), rest]) if {
	regex.match(grammar, reference)
	rest := concat("", regex.find_n(`((:[^/:@]+)?@.+|:[^/:@]+)$`, reference, 1))
}
