package kubekeep.controls.kyverno_signature_bypass

import data.kubekeep.lib.image

violation contains {"path": sprintf("%s.image", [container.path]), "message": message} if {
	some container in input.workload.containers
	kyverno(container)
	image.release(container.image) in {[1, 8, 3], [1, 8, 4]}
	message := sprintf("image %s: this version of Kyverno is affected by CVE-2022-47633", [container.image])
}

kyverno(container) if {
	container.type == "container"
	contains(container.image, "kyverno")
	image.called(container.image, {"kyverno"})
}

not_evaluated contains reason if {
	some container in input.workload.containers
	kyverno(container)
	image.anonymous(container.image)
	reason := sprintf("image %s has a digest and no tag: the version of Kyverno is unknown", [container.image])
}
