package kubekeep.controls.containerd_image_volume_leak

import data.kubekeep.lib.version

runtime := input.object.status.nodeInfo.containerRuntimeVersion

containerd if startswith(lower(runtime), "containerd://")

release := version.numbers(lower(runtime))

violation contains {"path": "status.nodeInfo.containerRuntimeVersion", "message": message} if {
	affected
	not packaged
	message := sprintf("containerRuntimeVersion is %s, without the fix for CVE-2022-23648", [runtime])
}

affected if {
	containerd
	release < first_fixed
}

# 1.4 and 1.5 were maintained at the time; older series have no fix.
first_fixed := [1, 5, 10] if {
	release >= [1, 5, 0]
	release < [1, 6, 0]
} else := [1, 4, 13] if {
	release < [1, 5, 0]
} else := [1, 6, 1]

# Debian and Ubuntu backport fixes without changing the version.
packaged if regex.match(`~|[0-9](ubuntu|ds|deb)`, runtime)

not_evaluated contains reason if {
	affected
	packaged
	reason := sprintf("the version of %s does not show if the distribution backported the fix", [runtime])
}

not_evaluated contains "the container runtime version of the node is not in the input" if not is_string(runtime)

not_evaluated contains "the container runtime version of the node is not in the input" if {
	containerd
	not release
}
