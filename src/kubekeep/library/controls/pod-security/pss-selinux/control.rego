package kubekeep.controls.pss_selinux

import data.kubekeep.lib.pod_security

container_types := {"", "container_t", "container_init_t", "container_kvm_t", null}

violation contains {"path": sprintf("%s.seLinuxOptions.%s", [path, field]), "delete": true} if {
	some path, context in pod_security.contexts
	some field
	value := context.seLinuxOptions[field]
	forbidden(field, value)
}

forbidden("type", value) if {
	not value in container_types
	not engine(value)
}

forbidden(field, value) if {
	field in {"user", "role"}
	not value in {"", null}
}

engine("container_engine_t") if data.kubernetes.minor >= 31
