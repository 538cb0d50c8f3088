package kubekeep.controls.missing_service_account

import data.kubekeep.lib.exposure

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "message": message} if {
	name := input.workload.spec[field]
	not name in {"", "default"}
	namespace := exposure.namespace(input.object)
	not input.cluster.named.ServiceAccount[namespace][name]
	message := sprintf("ServiceAccount %s does not exist in namespace %s", [name, namespace])
}

# `serviceAccount` is the deprecated name, used if the current field is missing.
field := "serviceAccountName" if {
	object.get(input.workload.spec, "serviceAccountName", "") != ""
} else := "serviceAccount"
