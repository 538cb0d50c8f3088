package kubekeep.controls.acr_user_access

import data.kubekeep.lib.azure
import data.kubekeep.lib.description

violation contains {"path": list.path, "message": "no role assignment limits access to registries"} if {
	list := description.at(description.whole, "roleAssignments")
	count(description.entries(list)) == 0
}

violation contains {"path": field.path, "message": message} if {
	some assignment in azure.listed(description.whole, "roleAssignments")
	azure.principal(assignment) == "user"
	name := changing(assignment)
	field := description.at(assignment, "roleDefinitionId")
	user := description.at(assignment, "principalId").value
	message := sprintf("user %v can change images: role %s is assigned directly", [user, name])
}

changing(assignment) := azure.changing_images(azure.role(assignment))

# At higher scopes, these roles apply to a resource group or a subscription, not specifically to its registries.
changing(assignment) := azure.changing_all(azure.role(assignment)) if {
	scope := description.at(assignment, "scope").value
	contains(lower(scope), "/microsoft.containerregistry/registries/")
}
