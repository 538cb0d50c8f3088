"""Access to images: registries, OCI layouts, archives, the stores of containerd and Docker.

`open_image` is the entry point, `opened` has the opened image, `options` the options. Never reads the content of a layer.
"""
