"""Container images: access, one pass over each layer, packages, SBOMs, secrets and configuration.

`access` opens an image, `layers` reads its layers, `catalog` reads the packages from their files, `merge` joins the layers
to the content of the image, `sbom` writes and reads lists of packages. Never runs anything from an image and never
unpacks one to disk.
"""
