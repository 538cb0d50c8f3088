package kubekeep.controls.psp_privilege_escalation

# The default is true (Kubernetes API, PodSecurityPolicySpec). One policy that forbids it is enough.
violation contains {"path": "spec.allowPrivilegeEscalation", "fix": false, "message": message} if {
	object.get(input.object.spec, "allowPrivilegeEscalation", null) != false
	not false in object.get(input.cluster.values.PodSecurityPolicy, "allowPrivilegeEscalation", [])
	message := "allowPrivilegeEscalation is set to false in no PodSecurityPolicy"
}
