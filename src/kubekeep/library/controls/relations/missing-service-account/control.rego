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

not_evaluated contains unchecked if {
	name := input.workload.spec[field]
	not name in {"", "default"}
	accounts := input.cluster.named.ServiceAccount[exposure.namespace(input.object)]
	not accounts[name]
}

unchecked := input.cluster.unchecked.ServiceAccount[exposure.namespace(input.object)][key] if {
	key := sprintf("%s/%s", [input.object.kind, input.object.metadata.name])
}

violation contains {"path": sprintf("%s.%s", [input.workload.path, field]), "message": message} if {
	name := input.workload.spec[field]
	not name in {"", "default"}
	namespace := exposure.namespace(input.object)
	accounts := input.cluster.named.ServiceAccount[namespace]
	not accounts[name]
	not unchecked
	message := sprintf("ServiceAccount %s is not among the accounts of namespace %s", [name, namespace])
}

# `serviceAccount` is the deprecated name, used if the current field is missing.
field := "serviceAccountName" if {
	object.get(input.workload.spec, "serviceAccountName", "") != ""
} else := "serviceAccount"
