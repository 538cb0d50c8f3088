# Images of a workload as `kubekeep scan --images` describes them, by image name as written.
package kubekeep.lib.image_data

# Descriptions of the image that a container runs. One of another digest than the running one does not count.
descriptions(container) := [description |
	some description in named(container.image)
	not outdated(container, description)
]

named(image) := [description |
	name := trim_space(image)
	description := input.cluster.named["image.kubekeep.io/ContainerImage"][_][name][_]
]

# True if a Pod runs another image than the registry has under the name today.
outdated(container, description) if {
	digest := running_digest(container)
	is_string(description.image.digest)
	not digest in {description.image.digest, object.get(description.image, "indexDigest", "")}
}

# Digest of the image that a Pod runs, from its status. Runtimes without a registry name the configuration there, without @.
running_digest(container) := digest if {
	input.object.kind == "Pod"
	some field in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
	some status in input.object.status[field]
	status.name == container.name
	digest := regex.find_all_string_submatch_n(`@(sha256:[0-9a-f]{64})$`, status.imageID, 1)[0][1]
}

# Descriptions with the number of attached signatures: the registry was searched for them.
searched(container) := [description |
	some description in descriptions(container)
	is_number(description.signatures.attached)
]

# The reason why the signatures of an image are unknown. Most inputs have no images: that test comes first, as it is cheap.
without_signatures(container) := sprintf(unread, [container.image]) if {
	not input.cluster.named["image.kubekeep.io/ContainerImage"]
} else := message if {
	count(searched(container)) == 0
	count(named(container.image)) > count(descriptions(container))
	message := sprintf("the running image of %s has another digest than the scanned one", [container.image])
} else := sprintf("the signatures of image %s could not be read: %s", [container.image, reason]) if {
	count(searched(container)) == 0
	reason := descriptions(container)[_].signatures.unread
} else := sprintf(unread, [container.image]) if {
	count(searched(container)) == 0
}

unread := "the signatures of image %s were not read: use --images --verify-signatures"
