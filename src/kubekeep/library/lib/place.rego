# Where an object lives and as whom its pods run, with what Kubernetes fills in.
package kubekeep.lib.place

default namespace := "default"

namespace := said(input.object.metadata.namespace)

default account := "default"

# `serviceAccount` is the old name of the field, which still counts.
account := said(input.workload.spec.serviceAccountName)

account := said(input.workload.spec.serviceAccount) if not said(input.workload.spec.serviceAccountName)

said(name) := name if {
	is_string(name)
	name != ""
}
