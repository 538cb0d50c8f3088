# What ImageVulnerabilities documents say of the images that a workload runs, by the image's name as written.
package kubekeep.lib.vulnerabilities

# The reports on an image: `severities` to how many, and names of those that let run code remotely (`rce`).
reports(image) := [report |
	some kind in ["armo.vuln.images/ImageVulnerabilities", "image.vulnscan.com/ImageVulnerabilities"]
	report := input.cluster.named[kind][_][image][_]
]

# Containers that are there while the pod serves: sidecars among the init containers too.
serving(container) if container.type == "container"

serving(container) if {
	container.type == "init"
	container.restartPolicy == "Always"
}

# What runs in a Pod, its status tells; what a template will run, its image.
evidence(container) := sprintf("%s.imageID", [status]) if {
	input.object.kind == "Pod"
	status := replace(
		replace(container.path, "spec.containers", "status.containerStatuses"),
		"spec.initContainers",
		"status.initContainerStatuses",
	)
} else := sprintf("%s.image", [container.path])

unknown(image) := sprintf("the input has no report on image %s: scan it and add its ImageVulnerabilities", [image])
