package kubekeep.controls.missing_service_account

import data.kubekeep.lib.exposure

# Each namespace of a cluster has the account `default`: files without any account of a namespace do not list its accounts.
not_evaluated contains message if {
	name := input.workload.spec[field]
	not name in {"", "default"}
	namespace := exposure.namespace(input.object)
	not input.cluster.named.ServiceAccount[namespace]
	message := sprintf("the input contains no ServiceAccount of namespace %s", [namespace])
}

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "message": message} if {
	name := input.workload.spec[field]
	not name in {"", "default"}
	namespace := exposure.namespace(input.object)
	accounts := input.cluster.named.ServiceAccount[namespace]
	not accounts[name]
	message := sprintf("ServiceAccount %s is not among the accounts of namespace %s", [name, namespace])
}

# `serviceAccount` is the deprecated name, used if the current field is missing.
field := "serviceAccountName" if {
	object.get(input.workload.spec, "serviceAccountName", "") != ""
} else := "serviceAccount"
