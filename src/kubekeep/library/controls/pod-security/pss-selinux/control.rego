package kubekeep.controls.pss_selinux

import data.kubekeep.lib.workload

violation contains {
	"path": sprintf("%s.securityContext.seLinuxOptions.%s", [container.path, field]),
	"delete": true,
	"message": sprintf("container %v: seLinuxOptions.%s is %v", [workload.called(container), field, value]),
} if {
	some container in input.workload.containers
	some field
	value := container.securityContext.seLinuxOptions[field]
	forbidden(field, value)
}

violation contains {
	"path": sprintf("%s.securityContext.seLinuxOptions.%s", [input.workload.path, field]),
	"delete": true,
	"message": sprintf("pod: seLinuxOptions.%s is %v", [field, value]),
} if {
	some field
	value := input.workload.spec.securityContext.seLinuxOptions[field]
	forbidden(field, value)
}

forbidden("type", value) if {
	not value in {"", "container_t", "container_init_t", "container_kvm_t", null}
	not engine(value)
}

forbidden(field, value) if {
	field in {"user", "role"}
	not value in {"", null}
}

engine("container_engine_t") if input.kubernetes.minor >= 31
