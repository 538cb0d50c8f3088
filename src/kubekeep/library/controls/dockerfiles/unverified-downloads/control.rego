package kubekeep.controls.unverified_downloads

import data.kubekeep.lib.dockerfile

violation contains {
	"path": path,
	"message": sprintf("%s passes a download to %s", [command.program, reader]),
} if {
	some path, command in dockerfile.commands
	command.program in {"curl", "wget", "fetch", "aria2c", "http"}
	interpreters := [reader |
		some reader in command.readers
		regex.match(`^(?:(?:ba|da|a|z|k|fi)?sh|busybox|source|\.|eval|python[0-9.]*|perl|ruby|node|php|pwsh)$`, reader)
	]
	reader := interpreters[0]
	not verified(command.readers)
}

# A program that compares a checksum or a signature stops the pipe.
verified(readers) if {
	some reader in readers
	reader in {"gpg", "gpgv", "cosign", "minisign", "sha256sum", "sha512sum", "shasum"}
}
