package kubekeep.controls.kernel_fs_context_escape

import data.kubekeep.lib.version

kernel := input.object.status.nodeInfo.kernelVersion

release := version.numbers(kernel)

series := sprintf("%d.%d", [release[0], release[1]])

violation contains {"path": "status.nodeInfo.kernelVersion", "message": message} if {
	affected
	not fixed_by_vendor
	not vendor_unknown
	not closed
	message := sprintf("kernelVersion is %s, without the fix for CVE-2022-0185", [kernel])
}

not_evaluated contains reason if {
	affected
	not fixed_by_vendor
	vendor_unknown
	not closed
	reason := sprintf("the version of kernel %s does not show if the distribution backported the fix", [kernel])
}

not_evaluated contains "the kernel version of the node is not in the input" if not release

affected if {
	release >= [5, 1, 0]
	release < [5, 16, 2]
	not fixed
}

# First fixed release of each series that was maintained at the time. Other series ended without a fix.
fixed if release[2] >= {"5.4": 173, "5.10": 93, "5.15": 16}[series]

# Debian and Ubuntu keep the third number at 0 and count builds: first build with the fix, by kernel flavour
# (DSA-5050-1, USN-5240-1).
builds := {
	"5.4": {
		"generic": 96, "lowlatency": 96, "aws": 1063, "azure": 1067, "bluefield": 1025, "gcp": 1062, "gke": 1059,
		"gkeop": 1031, "ibm": 1012, "kvm": 1053, "oracle": 1061, "raspi": 1050,
	},
	"5.10": {"amd64": 11, "arm64": 11, "cloud-amd64": 11, "cloud-arm64": 11, "oem": 1057},
	"5.11": {"generic": 60, "lowlatency": 60, "aws": 1027, "azure": 1027, "gcp": 1028, "oracle": 1027},
	"5.13": {"generic": 27, "lowlatency": 27, "oem": 1028},
	"5.14": {"oem": 1020},
}

build := {"number": to_number(match[0][1]), "flavour": match[0][2]} if {
	match := regex.find_all_string_submatch_n(`^5\.[0-9]+\.0-([0-9]+)-([a-z][a-z0-9-]*)`, kernel, 1)
	count(match) > 0
}

fixed_by_vendor if build.number >= builds[series][build.flavour]

# Released after the fix: 5.15 of Ubuntu 22.04 and of Oracle, 5.14 of Red Hat 9 and of SUSE 15 SP4.
fixed_by_vendor if {
	series == "5.15"
	build.number > 0
}

fixed_by_vendor if regex.match(`^5\.1[45]\..*\.el[89]|^5\.14\.21-15`, kernel)

vendor_unknown if {
	build.number >= 0
	not build.flavour in {"generic", "lowlatency", "amd64", "arm64", "cloud-amd64", "cloud-arm64"}
	not builds[series][build.flavour]
}

# Kernels with backports by Debian, Oracle, Proxmox and SUSE, whose version does not show the fix.
vendor_unknown if regex.match(`bpo|uek|-pve$|-default$`, kernel)

# The exploit requires CAP_SYS_ADMIN in a user namespace.
closed if {
	document := input.cluster.objects["hostdata.kubescape.cloud/LinuxKernelVariables"][_][_]
	document.metadata.name == input.object.metadata.name
	variable := variables(document)[_]
	is_string(variable.key)
	regex.match(`(^|[./])(unprivileged_userns_clone|max_user_namespaces)$`, variable.key)
	trim_space(sprintf("%v", [variable.value])) == "0"
}

variables(document) := document.data if {
	is_array(document.data)
} else := document.data.kernelVariables if {
	document.data
} else := document.spec.kernelVariables
