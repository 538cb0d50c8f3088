package kubekeep.controls.eks_private_endpoint_only

import data.kubekeep.lib.description
import data.kubekeep.lib.eks
import data.kubekeep.lib.gke

violation contains {"path": private.path, "message": "endpointPrivateAccess is not true"} if {
	eks.described
	private := eks.network("endpointPrivateAccess")
	not description.yes(private.value)
}

violation contains {"path": public.path, "message": "endpointPublicAccess is not false"} if {
	eks.described
	public := eks.network("endpointPublicAccess")
	public.value != false
}

violation contains {"path": gke.public.path, "message": "the control plane has a public endpoint"} if {
	gke.described
	gke.public
}

not_evaluated contains "the description of the cluster is empty" if not description.described
