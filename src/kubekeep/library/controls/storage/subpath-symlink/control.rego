package kubekeep.controls.subpath_symlink

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.volumeMounts[%d].%s", [container.path, index, field]),
	"message": sprintf("container %v: %s is set, and nodes run a kubelet with CVE-2021-25741", [
		workload.called(container),
		field,
	]),
} if {
	some container in input.workload.containers
	some index
	mount := container.volumeMounts[index]
	some field in ["subPath", "subPathExpr"]
	uses(mount, field)
	vulnerable
}

not_evaluated contains "the input has no Node with a kubelet version" if {
	some container in input.workload.containers
	mount := container.volumeMounts[_]
	some field in ["subPath", "subPathExpr"]
	uses(mount, field)
	not versioned
}

uses(mount, field) if {
	path := mount[field]
	not path in {"", null}
}

# Evaluated per version: nodes are many, their versions are few.
versions contains version if {
	some node in object.get(input.cluster.objects, ["Node", "default"], [])
	version := node.status.nodeInfo.kubeletVersion
}

versioned if {
	some version in versions
	release(version)
}

vulnerable if {
	some version in versions
	[minor, patch] := release(version)
	patch < object.get(fixed, minor, 0)
}

vulnerable if {
	some version in versions
	[minor, _] := release(version)
	to_number(minor) < 19
}

# First patch release with the fix, by minor version.
fixed := {"19": 15, "20": 11, "21": 5, "22": 2}

release(version) := [numbers[1], to_number(numbers[2])] if {
	numbers := regex.find_all_string_submatch_n(`^v?1[.]([0-9]+)[.]([0-9]+)`, version, 1)[0]
}
