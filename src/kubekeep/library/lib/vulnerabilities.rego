# ImageVulnerabilities documents of the images of a workload, by image name as written.
package kubekeep.lib.vulnerabilities

# Reports on an image: numbers of vulnerabilities by severity (`severities`), and the names of those that allow remote
# code execution (`rce`).
reports(image) := [report |
	some kind in ["armo.vuln.images/ImageVulnerabilities", "image.vulnscan.com/ImageVulnerabilities"]
	report := input.cluster.named[kind][_][image][_]
]

# Path of the image: from the status for a Pod, from the template for other kinds.
evidence(container) := sprintf("%s.imageID", [status]) if {
	input.object.kind == "Pod"
	status := replace(
		replace(container.path, "spec.containers", "status.containerStatuses"),
		"spec.initContainers",
		"status.initContainerStatuses",
	)
} else := sprintf("%s.image", [container.path])

unknown(image) := sprintf("the input has no ImageVulnerabilities for image %s: scan it and add the result", [image])
