# Role assignments and role definitions of Azure RBAC, as printed by its API or command line.
package kubekeep.lib.azure

import data.kubekeep.lib.description

# Properties of each entry of a list; the API wraps them in `properties`.
listed(document, name) := [unwrapped(entry) | some entry in description.entries(description.at(document, name))]

unwrapped(entry) := inner if {
	inner := description.at(entry, "properties")
	is_object(inner.value)
} else := entry

# Type of the principal: `user`, `group`, `serviceprincipal`.
principal(assignment) := lower(type) if {
	type := description.at(assignment, "principalType").value
	is_string(type)
}

# ID of the assigned role: the last segment of the definition ID, which is equal in all subscriptions.
role(assignment) := last(description.at(assignment, "roleDefinitionId").value)

last(id) := parts[count(parts) - 1] if {
	is_string(id)
	parts := split(lower(id), "/")
}

# Built-in roles that permit changes of images in registries, at any scope.
changing_images(role) := {
	"8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
	"c2f4ef07-c644-48eb-af81-4b1b4947fb11": "AcrDelete",
	"6cef56e8-d556-48e5-a04f-b8e64114680f": "AcrImageSigner",
	"2a1e307c-b015-4ebd-883e-5b7698a07328": "Container Registry Repository Writer",
	"2efddaa5-3f1f-4df3-97df-af3f13818f4c": "Container Registry Repository Contributor",
}[role]

# Built-in roles that permit changes of everything.
changing_all(role) := {
	"8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
	"b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
}[role]

# Built-in roles that only permit reading images.
reading(role) if role in {
	"7f951dda-4ed3-4680-a7ca-43fe172d538d", # AcrPull
	"acdd72a7-3385-48ef-bd42-f606fba81ae7", # Reader
}
