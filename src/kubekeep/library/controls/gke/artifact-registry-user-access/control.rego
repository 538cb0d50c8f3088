package kubekeep.controls.artifact_registry_user_access

import data.kubekeep.lib.description

bindings := inner if {
	inner := description.at(description.at(description.whole, "policy"), "bindings")
	is_array(inner.value)
} else := description.at(description.whole, "bindings")

violation contains {"path": bindings.path, "message": "no IAM binding limits access to repositories"} if {
	count(description.entries(bindings)) == 0
	not described_otherwise
}

violation contains {"path": member.path, "message": message} if {
	some binding in description.entries(bindings)
	role := description.at(binding, "role").value
	some member in description.entries(description.at(binding, "members"))
	too_much(role, member.value)
	message := sprintf("%s has the role %s", [member.value, role])
}

too_much(role, member) if {
	member in {"allUsers", "allAuthenticatedUsers"}
	regex.match(`^roles/(artifactregistry\..*|viewer|editor|owner)$`, role)
}

too_much(role, member) if {
	startswith(member, "user:")
	role in {
		"roles/artifactregistry.admin",
		"roles/artifactregistry.repoAdmin",
		"roles/artifactregistry.writer",
		"roles/artifactregistry.createOnPushRepoAdmin",
		"roles/artifactregistry.createOnPushWriter",
	}
}

# The document has content, but none of the fields that this rule reads.
described_otherwise if {
	bindings.value == null
	description.whole.value[_] != null
}

not_evaluated contains "the bindings of the IAM policy were not collected" if described_otherwise
