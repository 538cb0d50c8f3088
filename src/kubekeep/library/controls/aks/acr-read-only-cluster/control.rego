package kubekeep.controls.acr_read_only_cluster

import data.kubekeep.lib.azure
import data.kubekeep.lib.description

changing := {
	"microsoft.containerregistry/registries/write",
	"microsoft.containerregistry/registries/delete",
	"microsoft.containerregistry/registries/push/write",
	"microsoft.containerregistry/registries/artifacts/delete",
	"microsoft.containerregistry/registries/importimage/action",
	"microsoft.containerregistry/registries/repositories/content/write",
	"microsoft.containerregistry/registries/repositories/content/delete",
}

# Roles of the service principals, by the path of the assignment.
assigned[field.path] := role if {
	some assignment in azure.listed(description.whole, "roleAssignments")
	azure.principal(assignment) == "serviceprincipal"
	field := description.at(assignment, "roleDefinitionId")
	role := azure.role(assignment)
}

# Role definitions by ID, from all clusters in the input. If files define a role differently, all definitions count.
definitions[role] contains definition if {
	version := input.cluster.objects["management.azure.com/PolicyVersion"][_][_]
	document := {"path": "data", "value": object.get(version, "data", null)}
	some entry in description.entries(description.at(document, "roleDefinitions"))
	role := azure.last(object.get(entry.value, "id", object.get(entry.value, "name", null)))
	definition := azure.unwrapped(entry)
}

violation contains {"path": path, "message": message} if {
	some path, role in assigned
	some definition in definitions[role]
	actions := allowed(definition)
	count(actions) > 0
	message := sprintf("a service principal can change images in registries: its role allows %s", [
		concat(", ", actions),
	])
}

violation contains {"path": path, "message": message} if {
	some path, role in assigned
	not definitions[role]
	message := sprintf("a service principal can change images in registries: it has the role %s", [well_known(role)])
}

well_known(role) := azure.changing_images(role)

well_known(role) := azure.changing_all(role)

# Actions of a definition that change registries, as written there.
allowed(definition) := sort({action.value |
	some permission in description.entries(description.at(definition, "permissions"))
	some [allowing, denying] in [["actions", "notActions"], ["dataActions", "notDataActions"]]
	some action in description.entries(description.at(permission, allowing))
	some action_name in matched_actions(lower(action.value))
	denied := description.entries(description.at(permission, denying))
	every pattern in denied {
		not description.matches(pattern.value, action_name)
	}
})

# The action itself, or the actions that its pattern matches.
matched_actions(action) := {name | some name in changing; description.matches(action, name)} if {
	contains(action, "*")
} else := {action} if {
	startswith(action, "microsoft.containerregistry/")
	not endswith(action, "/read")
} else := set()

not_evaluated contains "the role assignments were not collected" if {
	not is_array(description.at(description.whole, "roleAssignments").value)
}

not_evaluated contains reason if {
	some role in assigned
	not definitions[role]
	not well_known(role)
	not azure.reading(role)
	reason := sprintf("the definition of role %s was not collected", [role])
}
