package kubekeep.controls.kubelet_anonymous_access

import data.kubekeep.lib.kubelet

violation contains {"path": "data.cmdLine", "message": "--anonymous-auth is not false"} if {
	lower(kubelet.flag("anonymous-auth")) in {"true", "t", "1"}
}

violation contains {"path": "data.cmdLine", "message": message} if {
	not kubelet.flag("anonymous-auth")
	not kubelet.has_file
	kubelet.line != ""
	message := "there is neither --anonymous-auth=false nor --config: anonymous requests are answered by default"
}

violation contains {"path": "data.configFile.content", "message": "authentication.anonymous.enabled is true"} if {
	not kubelet.flag("anonymous-auth")
	kubelet.has_file
	kubelet.config.authentication.anonymous.enabled == true
}

declined contains reason if {
	not kubelet.flag("anonymous-auth")
	some reason in kubelet.unread
}
