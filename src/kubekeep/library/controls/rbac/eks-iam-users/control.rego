package kubekeep.controls.eks_iam_users

# How people sign in stands nowhere in the cluster, so each Role that grants something is listed.
violation contains {"path": "", "message": "review whether the users and groups that hold this Role sign in through IAM"} if {
	count(input.object.rules) > 0
}
