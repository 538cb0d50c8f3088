package kubekeep.controls.image_named_user

import data.kubekeep.lib.container_image
import data.kubekeep.lib.dockerfile

violation contains {"path": path, "message": sprintf("the user %s is a name", [user])} if {
	some path, user in users
	not dockerfile.unresolved(user)
	name := trim_space(split(user, ":")[0])
	not regex.match(`^[0-9]*$`, name)
	not lower(name) in {"root", "containeradministrator", "containeruser"}
}

not_evaluated contains sprintf("the value of USER is known only when the image is built: %s", [user]) if {
	some user in users
	dockerfile.unresolved(user)
}

not_evaluated contains container_image.without_configuration

users[sprintf("stages[%d].user", [dockerfile.final])] := input.object.stages[dockerfile.final].user

users[path] := user if {
	some path in ["config.User"]
	user := input.object.config.User
}
