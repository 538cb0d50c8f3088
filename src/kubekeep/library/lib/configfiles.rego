# Configuration files of a kubelet, with mode and owner: the file of --config, and the collected files in the folder
# of --config-dir.
package kubekeep.lib.configfiles

import data.kubekeep.lib.hostfile

files := array.concat(named, hostfile.at(input.object, ["dropInFiles"]))

# With --config-dir only, the entry is not a file: it has the path of the folder and the merged content.
named := [] if {
	folder_alone
} else := hostfile.at(input.object, ["configFile"])

# Without these flags, the kubelet reads no file.
expected if count(files) > 0

expected if names_file

expected if folder_alone

expected if not hostfile.line(input.object)

# Reason that the list of files is incomplete.
unlisted := hostfile.unlisted(input.object, "dropInFiles")

folder_alone if {
	hostfile.flag(input.object, "config-dir") != ""
	not names_file
}

names_file if hostfile.flag(input.object, "config") != ""
