# The files that set up a kubelet, by their modes and owners: the one of --config, and those of the folder of
# --config-dir as far as they were collected.
package kubekeep.lib.configfiles

import data.kubekeep.lib.hostfile

files := array.concat(named, hostfile.at(input.object, ["dropInFiles"]))

# Of a kubelet with a folder alone the entry is no file: it has the folder's path, and the content of all in it.
named := [] if {
	folder_alone
} else := hostfile.at(input.object, ["configFile"])

# Without these flags the kubelet reads no file: its flags and their defaults hold.
expected if count(files) > 0

expected if names_file

expected if folder_alone

expected if not hostfile.line(input.object)

# Why the files of the folder are not all of them.
unlisted := hostfile.unlisted(input.object, "dropInFiles")

folder_alone if {
	hostfile.flag(input.object, "config-dir") != ""
	not names_file
}

names_file if hostfile.flag(input.object, "config") != ""
