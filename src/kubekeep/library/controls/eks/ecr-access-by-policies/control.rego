package kubekeep.controls.ecr_access_by_policies

import data.kubekeep.lib.description

violation contains {"path": documents.path, "message": "no IAM policy limits access to ECR"} if {
	documents := description.at(description.whole, "policiesDocuments")
	count(described(documents.value)) == 0
}

described(documents) := [document | document := documents[_]; document != null]
