package kubekeep.controls.end_of_life_distribution

violation contains {
	"path": "distribution.endOfLife",
	"message": sprintf("%s has no security updates since %s", [name, end]),
} if {
	end < input.object.scanned
}

not_evaluated contains sprintf("the end of life of %s is unknown", [name]) if {
	not end
}

not_evaluated contains "the date of the scan is missing" if {
	not input.object.scanned
}

# An image without a distribution has nothing to update.
applies if input.object.distribution.id != ""

end := input.object.distribution.endOfLife

name := input.object.distribution.name if {
	input.object.distribution.name != ""
} else := sprintf("%s %v", [input.object.distribution.id, object.get(input.object.distribution, "versionId", "")])
