# What Pod Security Admission would say of the pods of a workload, by the labels of their namespace and by the rules of
# the controls about the Pod Security Standards (Kubernetes docs, Pod Security Admission).
package kubekeep.controls.enforced_pod_security_level

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

name := object.get(object.get(input.object, "metadata", {}), "namespace", "default")

label := "pod-security.kubernetes.io/enforce"

# Level and version of each Namespace of that name: files may hold several, and then nobody knows which one is meant.
said contains [object.get(labels, label, ""), object.get(labels, sprintf("%s-version", [label]), "latest")] if {
	some namespace in input.cluster.named.Namespace["default"][name]
	labels := object.get(object.get(namespace, "metadata", {}), "labels", {})
}

level := found if {
	count(said) == 1
	some [found, _] in said
}

version := found if {
	count(said) == 1
	some [_, found] in said
}

# The API server takes what is no version for its own, and knows none after that.
minor := min([to_number(substring(version, 3, -1)), input.kubernetes.minor]) if {
	regex.match(`^v1\.(0|[1-9][0-9]*)$`, version)
} else := input.kubernetes.minor

oldest := 25

applies if level in {"baseline", "restricted"}

declined contains sentence if {
	minor < oldest
	sentence := sprintf("namespace %s enforces the standard of %s, which is older than 1.%d", [name, version, oldest])
}

violation contains object.union(found, {"message": message}) if {
	minor >= oldest
	some found in refused
	message := sprintf("%s: namespace %s enforces the level %s", [found.message, name, level])
}

refused := baseline if level == "baseline"

refused := restricted if level == "restricted"

baseline contains found if some found in pss_apparmor.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_capabilities.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_host_namespaces.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_host_path_volumes.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_host_ports.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_privileged.violation with input.kubernetes.minor as minor

baseline contains found if {
	pss_probe_hosts.applies with input.kubernetes.minor as minor
	some found in pss_probe_hosts.violation with input.kubernetes.minor as minor
}

baseline contains found if some found in pss_proc_mount.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_seccomp.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_selinux.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_sysctls.violation with input.kubernetes.minor as minor

baseline contains found if some found in pss_windows_host_process.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_apparmor.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_capabilities_restricted.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_host_namespaces.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_host_ports.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_privilege_escalation.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_privileged.violation with input.kubernetes.minor as minor

restricted contains found if {
	pss_probe_hosts.applies with input.kubernetes.minor as minor
	some found in pss_probe_hosts.violation with input.kubernetes.minor as minor
}

restricted contains found if some found in pss_proc_mount_restricted.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_run_as_non_root.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_run_as_user.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_seccomp_restricted.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_selinux.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_sysctls.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_volume_types.violation with input.kubernetes.minor as minor

restricted contains found if some found in pss_windows_host_process.violation with input.kubernetes.minor as minor
