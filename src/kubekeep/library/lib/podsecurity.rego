# Violations of the Pod Security Standards by a workload, and the levels in the labels of its namespace (Kubernetes
# docs, Pod Security Admission).
package kubekeep.lib.podsecurity

import data.kubekeep.controls.pss_apparmor
import data.kubekeep.controls.pss_capabilities
import data.kubekeep.controls.pss_capabilities_restricted
import data.kubekeep.controls.pss_host_namespaces
import data.kubekeep.controls.pss_host_path_volumes
import data.kubekeep.controls.pss_host_ports
import data.kubekeep.controls.pss_privilege_escalation
import data.kubekeep.controls.pss_privileged
import data.kubekeep.controls.pss_probe_hosts
import data.kubekeep.controls.pss_proc_mount
import data.kubekeep.controls.pss_proc_mount_restricted
import data.kubekeep.controls.pss_run_as_non_root
import data.kubekeep.controls.pss_run_as_user
import data.kubekeep.controls.pss_seccomp
import data.kubekeep.controls.pss_seccomp_restricted
import data.kubekeep.controls.pss_selinux
import data.kubekeep.controls.pss_sysctls
import data.kubekeep.controls.pss_volume_types
import data.kubekeep.controls.pss_windows_host_process

# Oldest version that the rules support.
oldest := 25

namespace := object.get(object.get(input.object, "metadata", {}), "namespace", "default")

# Level and minor version for a mode (`enforce`, `audit`, `warn`) in the labels of the namespace; undefined if it is not
# in the input, if the level is `privileged`, or if files define the namespace several times with different labels.
policy(mode) := {"level": level, "minor": minor(version)} if {
	levels := {named(labels, mode) |
		some definition in input.cluster.named.Namespace["default"][namespace]
		labels := object.get(object.get(definition, "metadata", {}), "labels", {})
	}
	count(levels) == 1
	some [level, version] in levels
	level in {"baseline", "restricted"}
}

# Without a warn label, the API server warns about violations of the enforced level (PolicyToEvaluate in its module
# pod-security-admission).
named(labels, mode) := [level, version] if {
	mode == "warn"
	not labels["pod-security.kubernetes.io/warn"]
	[level, enforced] := written(labels, "enforce")
	version := object.get(labels, "pod-security.kubernetes.io/warn-version", enforced)
} else := written(labels, mode)

written(labels, mode) := [
	object.get(labels, sprintf("pod-security.kubernetes.io/%s", [mode]), ""),
	object.get(labels, sprintf("pod-security.kubernetes.io/%s-version", [mode]), "latest"),
]

# The API server evaluates invalid and later versions as its own version.
minor(version) := min([to_number(substring(version, 3, -1)), input.kubernetes.minor]) if {
	regex.match(`^v1\.(0|[1-9][0-9]*)$`, version)
} else := input.kubernetes.minor

# Violations of the rules of a policy, in its version.
refused(policy) := {finding | some finding in baseline with input.kubernetes.minor as policy.minor} if {
	policy.level == "baseline"
} else := {finding | some finding in restricted with input.kubernetes.minor as policy.minor}

baseline contains finding if some finding in pss_apparmor.violation

baseline contains finding if some finding in pss_capabilities.violation

baseline contains finding if some finding in pss_host_namespaces.violation

baseline contains finding if some finding in pss_host_path_volumes.violation

baseline contains finding if some finding in pss_host_ports.violation

baseline contains finding if some finding in pss_privileged.violation

baseline contains finding if {
	pss_probe_hosts.applies
	some finding in pss_probe_hosts.violation
}

baseline contains finding if some finding in pss_proc_mount.violation

baseline contains finding if some finding in pss_seccomp.violation

baseline contains finding if some finding in pss_selinux.violation

baseline contains finding if some finding in pss_sysctls.violation

baseline contains finding if some finding in pss_windows_host_process.violation

restricted contains finding if some finding in pss_apparmor.violation

restricted contains finding if some finding in pss_capabilities_restricted.violation

restricted contains finding if some finding in pss_host_namespaces.violation

restricted contains finding if some finding in pss_host_ports.violation

restricted contains finding if some finding in pss_privilege_escalation.violation

restricted contains finding if some finding in pss_privileged.violation

restricted contains finding if {
	pss_probe_hosts.applies
	some finding in pss_probe_hosts.violation
}

restricted contains finding if some finding in pss_proc_mount_restricted.violation

restricted contains finding if some finding in pss_run_as_non_root.violation

restricted contains finding if some finding in pss_run_as_user.violation

restricted contains finding if some finding in pss_seccomp_restricted.violation

restricted contains finding if some finding in pss_selinux.violation

restricted contains finding if some finding in pss_sysctls.violation

restricted contains finding if some finding in pss_volume_types.violation

restricted contains finding if some finding in pss_windows_host_process.violation
