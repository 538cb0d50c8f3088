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

# The same as functions, for rules that seldom need more: naming a rule of a package makes the engine evaluate all of
# its rules.
namespace_of(object) := name if {
	name := said(object.metadata.namespace)
} else := "default"

account_of(spec) := name if {
	name := said(spec.serviceAccountName)
} else := name if {
	name := said(spec.serviceAccount)
} else := "default"
