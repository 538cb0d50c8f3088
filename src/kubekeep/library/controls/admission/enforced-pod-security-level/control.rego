# Violations of the Pod Security Standard that the namespace of the workload enforces by its labels.
package kubekeep.controls.enforced_pod_security_level

import data.kubekeep.lib.podsecurity

policy := podsecurity.policy("enforce")

applies if policy

not_evaluated contains sentence if {
	policy.minor < podsecurity.oldest
	sentence := sprintf("namespace %s enforces Pod Security Standards 1.%d; versions before 1.%d are not supported", [
		podsecurity.namespace,
		policy.minor,
		podsecurity.oldest,
	])
}

violation contains object.union(finding, {"message": message}) if {
	policy.minor >= podsecurity.oldest
	some finding in podsecurity.refused(policy)
	message := sprintf("%s (namespace %s enforces level %s)", [finding.message, podsecurity.namespace, policy.level])
}
