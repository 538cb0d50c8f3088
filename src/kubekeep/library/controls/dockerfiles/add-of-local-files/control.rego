package kubekeep.controls.add_of_local_files

import data.kubekeep.lib.dockerfile

violation contains {
	"path": sprintf("%s.instruction", [path]),
	"fix": "COPY",
	"message": "ADD copies local files",
} if {
	some path, step in dockerfile.steps
	step.instruction == "ADD"
	not needs_add(step)
	count(step.sources) > 0
}

# COPY has none of these flags.
needs_add(step) if {
	some flag in ["checksum", "keep-git-dir", "unpack"]
	step.flags[flag]
}

needs_add(step) if {
	some source in step.sources
	regex.match(`://|^git@|[$]|(?i)\.(?:tar|tgz|tbz2?|txz|tzst|gz|bz2|xz|zst)$|\.tar\.|[*?]$`, source)
}
