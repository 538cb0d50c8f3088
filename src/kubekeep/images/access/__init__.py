"""Access to images: registries, OCI layouts, archives, the stores of containerd and Docker.

`opened` has the opened image; each other module opens one kind of reference. Never reads the content of a layer.
"""
