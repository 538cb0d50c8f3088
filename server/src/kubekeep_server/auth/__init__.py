"""Identity and permission: secrets, passwords, rights of roles, sign-in at OpenID providers. Contains no SQL."""
