"""Known vulnerabilities of packages: advisories, their database, version ordering, matching, VEX, upgrade advice.

`versions` orders the versions of each scheme, `database` stores advisories, `matching` compares packages with them, `vex`
applies the statements of suppliers. Never opens an image, and uses the network only in `database`, when asked to update.
"""
