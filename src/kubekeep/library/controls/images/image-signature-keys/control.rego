package kubekeep.controls.image_signature_keys

import data.kubekeep.lib.image
import data.kubekeep.lib.image_data
import data.kubekeep.lib.workload

violation contains {"path": sprintf("%s.image", [container.path]), "message": message} if {
	some container in input.workload.containers
	some description in image_data.searched(container)
	is_array(description.signatures.verified)
	count(description.signatures.verified) == 0
	message := sprintf("container %v: image %s has no signature by a trusted key%s", [
		workload.called(container),
		container.image,
		reason(description),
	])
}

not_evaluated contains image_data.without_signatures(container) if {
	some container in input.workload.containers
	image.named(container)
}

not_evaluated contains message if {
	count(input.params.trustedCosignPublicKeys) > 0
	some container in input.workload.containers
	some description in image_data.searched(container)
	not is_array(description.signatures.verified)
	message := sprintf("the signatures of image %s were not verified with trustedCosignPublicKeys", [container.image])
}

not_evaluated contains sprintf("%s.image is not set", [container.path]) if {
	some container in input.workload.containers
	not image.named(container)
}

reason(description) := sprintf(" (%s)", [description.signatures.problems[0].reason]) if {
	count(description.signatures.problems) > 0
} else := ""
