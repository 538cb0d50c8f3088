# Namespace of an object and service account of its pods, with the defaults of Kubernetes.
package kubekeep.lib.place

default namespace := "default"

namespace := said(input.object.metadata.namespace)

default account := "default"

# `serviceAccount` is the deprecated name of the field, which is still effective.
account := said(input.workload.spec.serviceAccountName)

account := said(input.workload.spec.serviceAccount) if not said(input.workload.spec.serviceAccountName)

said(name) := name if {
	is_string(name)
	name != ""
}

# Functions with the same results, for functions of other modules, which use no rules of this one, and for rules that
# seldom need them.
namespace_of(object) := name if {
	name := said(object.metadata.namespace)
} else := "default"

account_of(spec) := name if {
	name := said(spec.serviceAccountName)
} else := name if {
	name := said(spec.serviceAccount)
} else := "default"
