# Vulnerabilities of the images of a workload, by image name as written: from a scan of the images, or from
# ImageVulnerabilities documents.
package kubekeep.lib.vulnerabilities

import data.kubekeep.lib.image_data

# Reports on the image of a container: numbers of vulnerabilities by severity (`severities`), and the names of those that
# allow remote code execution (`rce`). Most inputs have neither images nor reports: that test comes first, as it is cheap.
reports(container) := [] if {
	not input.cluster.named["armo.vuln.images/ImageVulnerabilities"]
	not input.cluster.named["image.vulnscan.com/ImageVulnerabilities"]
	not input.cluster.named["image.kubekeep.io/ContainerImage"]
} else := array.concat(
	[report |
		some kind in ["armo.vuln.images/ImageVulnerabilities", "image.vulnscan.com/ImageVulnerabilities"]
		report := input.cluster.named[kind][_][container.image][_]
	],
	[description |
		some description in image_data.descriptions(container)
		is_object(description.severities)
	],
)

# Path of the image: from the status for a Pod, from the template for other kinds.
evidence(container) := sprintf("%s.imageID", [status]) if {
	input.object.kind == "Pod"
	status := replace(
		replace(container.path, "spec.containers", "status.containerStatuses"),
		"spec.initContainers",
		"status.initContainerStatuses",
	)
} else := sprintf("%s.image", [container.path])

# The reason why the vulnerabilities of an image are unknown, in whole or in part.
unknown(container) := message if {
	count(reports(container)) == 0
	message := sprintf(
		"the vulnerabilities of image %s are unknown: use --images with a vulnerability database, or add ImageVulnerabilities",
		[container.image],
	)
} else := message if {
	some report in reports(container)
	count(report.notAssessed) > 0
	message := sprintf("image %s has packages without vulnerability data (%s)", [
		container.image,
		concat(", ", report.notAssessed),
	])
}
