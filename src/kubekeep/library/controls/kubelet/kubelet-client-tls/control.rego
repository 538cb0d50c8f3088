package kubekeep.controls.kubelet_client_tls

import data.kubekeep.lib.kubelet

violation contains {"path": "data.cmdLine", "message": "--client-ca-file is empty"} if {
	kubelet.flag("client-ca-file") == ""
}

violation contains {"path": "data.cmdLine", "message": "there is neither --client-ca-file nor --config"} if {
	not kubelet.flag("client-ca-file")
	not kubelet.has_file
	kubelet.line != ""
}

violation contains {"path": "data.configFile.content", "message": "authentication.x509.clientCAFile is not set"} if {
	not kubelet.flag("client-ca-file")
	kubelet.has_file
	kubelet.known
	not named
}

named if {
	file := kubelet.config.authentication.x509.clientCAFile
	is_string(file)
	file != ""
}

declined contains reason if {
	not kubelet.flag("client-ca-file")
	some reason in kubelet.unread
}
