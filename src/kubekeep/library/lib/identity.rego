# Namespace of an object and service account of its pods, with the defaults of Kubernetes.
package kubekeep.lib.identity

default namespace := "default"

namespace := non_empty(input.object.metadata.namespace)

default account := "default"

# `serviceAccount` is the deprecated name of the field, which is still effective.
account := non_empty(input.workload.spec.serviceAccountName)

account := non_empty(input.workload.spec.serviceAccount) if not non_empty(input.workload.spec.serviceAccountName)

non_empty(name) := name if {
	is_string(name)
	name != ""
}

# Functions with the same results, for functions of other modules, which use no rules of this one, and for rules that
# seldom need them.
namespace_of(object) := name if {
	name := non_empty(object.metadata.namespace)
} else := "default"

account_of(spec) := name if {
	name := non_empty(spec.serviceAccountName)
} else := name if {
	name := non_empty(spec.serviceAccount)
} else := "default"
