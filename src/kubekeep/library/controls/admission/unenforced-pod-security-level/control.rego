# Violations of the Pod Security Standards that the namespace of the workload audits or warns about, but does not
# enforce.
package kubekeep.controls.unenforced_pod_security_level

import data.kubekeep.lib.podsecurity

default enforced := {}

enforced := podsecurity.policy("enforce")

# Policies by mode that differ from the enforced one.
unenforced[mode] := policy if {
	some mode in ["audit", "warn"]
	policy := podsecurity.policy(mode)
	policy != enforced
}

applies if count(unenforced) > 0

not_evaluated contains sentence if {
	some mode, policy in unenforced
	policy.minor < podsecurity.oldest
	sentence := sprintf("namespace %s uses Pod Security Standards 1.%d to %s; versions before 1.%d are not supported", [
		podsecurity.namespace,
		policy.minor,
		mode,
		podsecurity.oldest,
	])
}

# Each distinct policy once, because audit and warn usually have the same.
refused[policy] := podsecurity.refused(policy) if {
	some policy in {distinct | some distinct in unenforced}
	policy.minor >= podsecurity.oldest
}

violation contains object.union(finding, {"message": message}) if {
	some findings in refused
	some finding in findings
	message := sprintf("%s (namespace %s %s)", [
		finding.message,
		podsecurity.namespace,
		concat(" and ", effects(finding)),
	])
}

# Effect of the namespace on a violation: `audits at level baseline`, `warns at level restricted`.
effects(finding) := [sentence |
	some level in ["baseline", "restricted"]
	verbs := [verb |
		some [mode, verb] in [["audit", "audits"], ["warn", "warns"]]
		unenforced[mode].level == level
		finding in refused[unenforced[mode]]
	]
	count(verbs) > 0
	sentence := sprintf("%s at level %s", [concat(" and ", verbs), level])
]
