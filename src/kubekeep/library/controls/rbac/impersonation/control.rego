package kubekeep.controls.impersonation

import data.kubekeep.lib.rbac

violation contains {"path": path, "message": rbac.message("impersonate other identities")} if {
	some path in rbac.evidence_in(rbac.identities(input.object), {"*", "impersonate"})
}

not_evaluated contains rbac.unknown_role
