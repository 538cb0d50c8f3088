package kubekeep.controls.image_age

violation contains {
	"path": "image.created",
	"message": sprintf("the image was built %d days before the scan", [age]),
} if {
	age > limit
}

not_evaluated contains "the date of the build is unknown" if {
	not built
}

not_evaluated contains "the date of the scan is missing" if {
	not is_string(input.object.scanned)
}

not_evaluated contains "maximumImageAgeDays is not a number" if {
	not limit
}

limit := to_number(input.params.maximumImageAgeDays[0]) if {
	regex.match(`^[0-9]{1,6}$`, input.params.maximumImageAgeDays[0])
}

built := date if {
	date := substring(input.object.image.created, 0, 10)
	regex.match(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, date)
	date >= "2013-01-01"
}

age := days(input.object.scanned) - days(built)

days(date) := time.parse_rfc3339_ns(sprintf("%sT00:00:00Z", [date])) / 86400000000000
