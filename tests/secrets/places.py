"""Places of secrets in command lines and in texts; `@@` stands for the secret."""

from __future__ import annotations

import json
from typing import Final


def _script(text: str) -> list[str]:
    return ["sh", "-c", text]


COMMANDS: Final = {
    "curl --user": ["curl", "--user", "ann:@@", "https://example.com"],
    "curl -u and a word": ["curl", "-u", "ann:@@", "https://example.com"],
    "curl -u attached": ["curl", "-uann:@@", "https://example.com"],
    "curl -u with other flags": _script("curl -sSu ann:@@ https://example.com"),
    "curl --proxy-user": ["curl", "--proxy-user", "ann:@@", "https://example.com"],
    "curl -U": ["curl", "-U", "ann:@@", "https://example.com"],
    "curl --oauth2-bearer": ["curl", "--oauth2-bearer", "@@", "https://example.com"],
    "curl -b": ["curl", "-b", "session=@@", "https://example.com"],
    "wget --header": ["wget", "--header=PRIVATE-TOKEN: @@", "https://example.com"],
    "a header of Azure": ["curl", "-H", "Ocp-Apim-Subscription-Key: @@", "https://example.com"],
    "REDISCLI_AUTH": _script("REDISCLI_AUTH=@@ redis-cli ping"),
    "openssl -passin": ["openssl", "rsa", "-passin", "pass:@@"],
    "openssl -passout in a script": _script("openssl genrsa -passout pass:@@ 2048"),
    "openssl -k": _script("openssl enc -aes-256-cbc -k @@ -in a"),
    "zip -P": ["zip", "-P", "@@", "a.zip", "b"],
    "unzip -P in a script": _script("unzip -P @@ a.zip"),
    "7z -p": ["7z", "x", "-p@@", "a.7z"],
    "htpasswd -b": ["htpasswd", "-bc", "/etc/passwords", "ann", "@@"],
    "htpasswd -nb in a script": _script("htpasswd -nb ann @@ > /etc/passwords"),
    "chpasswd": _script("echo ann:@@ | chpasswd"),
    "docker login --password-stdin": _script("echo @@ | docker login -u ann --password-stdin"),
    "sudo -S": _script('echo "@@" | sudo -S ls'),
    "smbclient -U": ["smbclient", "-U", "ann%@@", "//files/share"],
    "cqlsh -p": ["cqlsh", "-u", "ann", "-p", "@@"],
    "cypher-shell -p": ["cypher-shell", "-u", "neo4j", "-p", "@@"],
    "twine -p": ["twine", "upload", "-u", "ann", "-p", "@@"],
    "rabbitmqctl add_user": ["rabbitmqctl", "add_user", "ann", "@@"],
    "rabbitmqctl change_password": _script("rabbitmqctl change_password ann @@"),
    "mc alias set": ["mc", "alias", "set", "s3", "http://minio:9000", "ann", "@@"],
    "mosquitto_pub -P": ["mosquitto_pub", "-u", "ann", "-P", "@@", "-t", "a"],
    "vault login": ["vault", "login", "@@"],
    "kubectl --from-literal": ["kubectl", "create", "secret", "generic", "a", "--from-literal=value=@@"],
    "a line of .netrc": _script("echo 'machine example.com login ann password @@' > ~/.netrc"),
    "lines of .netrc": _script("cat > ~/.netrc <<E\nmachine example.com\n  login ann\n  password @@\nE"),
    ".pgpass": _script("echo 'db:5432:shop:ann:@@' > ~/.pgpass"),
    "aws configure": _script("aws configure set aws_secret_access_key @@"),
    "a URL of Oracle": ["--db=jdbc:oracle:thin:ann/@@@//db:1521/shop"],
    "a data source of Go": ["ann:@@@tcp(db:3306)/shop"],
    "grafana-cli": ["grafana-cli", "admin", "reset-admin-password", "@@"],
    "etcdctl --user": ["etcdctl", "--user", "root:@@", "get"],
    "ssh-keygen -N": ["ssh-keygen", "-N", "@@", "-f", "a"],
}
"""Command lines by place."""
ANNOTATIONS: Final = {
    "a Secret in JSON": json.dumps({"apiVersion": "v1", "kind": "Secret", "data": {"a": "@@"}}),
    "a Secret in YAML": "apiVersion: v1\nkind: Secret\nstringData:\n  value: @@\n",
    "a variable in JSON": json.dumps({"env": [{"name": "DB_PASSWORD", "value": "@@"}]}),
    "a variable in YAML": "env:\n- name: DB_PASSWORD\n  value: @@\n",
    "a header of nginx": "proxy_set_header X-Api-Key @@;",
    "a variable of nginx": "set $token @@;",
    "HAProxy": "user ann insecure-password @@",
    ".netrc in an annotation": "machine example.com login ann password @@",
    "TOML": 'user = "ann"\npassword = "@@"\n',
    "INI": "[db]\npassword = @@\n",
    "a default of Terraform": 'variable "db_password" {\n  default = "@@"\n}',
    "XML": "<server><username>ann</username><password>@@</password></server>",
    "properties with spaces": "db.user=ann\ndb.password = @@\n",
    "Python": "DB_PASSWORD = '@@'",
    "PHP": "'password' => '@@',",
    "SQL of PostgreSQL": "CREATE USER ann WITH PASSWORD '@@'",
    "SQL of MySQL": "ALTER USER ann IDENTIFIED BY '@@'",
    "a hash of a password": "ann:$2y$05$@@abcdefghijklmnopqrstuvwxyzabcdefghijklmno",
    "a data source of Go in an annotation": "ann:@@@tcp(db:3306)/shop",
    "Microsoft Teams": "https://acme.webhook.office.com/webhookb2/a@b/IncomingWebhook/@@/c",
    "a comment": "# password: @@",
    "German": "Passwort: @@",
    "WireGuard": "PrivateKey = @@",
    "a shared key of WireGuard": "PresharedKey = @@",
    "LDAP": "bindpw: @@",
}
"""Texts of annotations by place."""
