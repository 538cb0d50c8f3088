package kubekeep.controls.dashboard_access

import data.kubekeep.lib.accounts
import data.kubekeep.lib.identity
import data.kubekeep.lib.rbac

# Accounts and roles in the manifests and the chart of the Dashboard; a role has the name of its account.
names := {
	"kubernetes-dashboard",
	"kubernetes-dashboard-api",
	"kubernetes-dashboard-kong",
	"kubernetes-dashboard-metrics-scraper",
	"kubernetes-dashboard-minimal",
	"kubernetes-dashboard-web",
}

violation contains {"path": path, "message": rbac.message("use the permissions of the Dashboard")} if {
	input.object.relatedObjects[0].roleRef.name in names
	not own_account
	some path in rbac.bound(input.object)
}

own_account if {
	some name in names
	accounts.named(input.object, name)
}

violation contains {"path": accounts.path(input.workload), "message": message} if {
	account := identity.account_of(input.workload.spec)
	account in names
	not dashboard
	message := sprintf("the pod uses %s, the service account of the Dashboard", [account])
}

dashboard if regex.match(`^(kubernetes-dashboard|dashboard-metrics-scraper)`, input.object.metadata.name)

dashboard if {
	some label in ["k8s-app", "app.kubernetes.io/name", "app.kubernetes.io/part-of"]
	regex.match(`^(kubernetes-dashboard|dashboard-metrics-scraper)`, input.workload.metadata.labels[label])
}

dashboard if {
	some container in input.workload.containers
	regex.match(`(^|/)(kubernetesui|kubernetes-dashboard)/`, container.image)
}
