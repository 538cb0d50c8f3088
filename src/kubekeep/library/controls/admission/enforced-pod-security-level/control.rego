# Violations of the Pod Security Standard that the namespace of the workload enforces by its labels.
package kubekeep.controls.enforced_pod_security_level

import data.kubekeep.lib.podsecurity

policy := podsecurity.policy("enforce")

applies if policy

declined contains sentence if {
	policy.minor < podsecurity.oldest
	sentence := sprintf("namespace %s enforces the standard of 1.%d, which is older than 1.%d", [
		podsecurity.namespace,
		policy.minor,
		podsecurity.oldest,
	])
}

violation contains object.union(found, {"message": message}) if {
	policy.minor >= podsecurity.oldest
	some found in podsecurity.refused(policy)
	message := sprintf("%s: namespace %s enforces the level %s", [found.message, podsecurity.namespace, policy.level])
}
