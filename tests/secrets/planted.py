"""Files with planted secrets, and without: each secret occurs once, in one of the places where people write secrets."""

from __future__ import annotations

import base64
import json
import random
import string
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.secrets.places import ANNOTATIONS, COMMANDS
from tests.secrets.tokens import create_tokens

_WORKLOAD: Final = """\
apiVersion: v1
kind: Pod
metadata:
  name: planted-{number}
  annotations: {annotations}
spec:
  volumes: {volumes}
  containers:
    - name: app
      image: {image}
      command: {command}
      args: {args}
      env: {env}
      securityContext: {{privileged: true}}
"""


class Planted(msgspec.Struct):
    """Planted secrets by the name of their place, and the files that contain them."""

    secrets: dict[str, str] = {}
    files: dict[str, str] = {}

    def write(self, folder: Path) -> None:
        """Write the files below a folder."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


class _Planter:
    """Creates secrets and the files around them."""

    def __init__(self) -> None:
        self._source = random.Random(7)
        self._number = 0
        self.planted = Planted()

    def plant(self, place: str, secret: str) -> str:
        """Register a secret and return it."""
        assert place not in self.planted.secrets, place
        self.planted.secrets[place] = secret
        return secret

    def weak(self, place: str) -> str:
        """Plant a secret of letters: only its place tells that it is one."""
        return self.plant(place, "".join(self._source.choices(string.ascii_lowercase, k=12)))

    def strong(self, place: str) -> str:
        """Plant a secret of letters and digits."""
        return self.plant(
            place, f"Q{''.join(self._source.choices(string.ascii_letters, k=9))}7x{self._source.randrange(9)}"
        )

    def tokens(self) -> dict[str, str]:
        """Return tokens of all vendors."""
        return create_tokens(self._source)

    def file(self, name: str, text: str) -> None:
        """Add a file."""
        self.planted.files[name] = text

    def pod(self, **fields: Any) -> None:
        """Add a Pod with some fields of its metadata and its container."""
        self._number += 1
        fields = {"annotations": {}, "volumes": [], "image": "app:1.2.3", "command": [], "args": [], "env": []} | fields
        texts = {name: value if name == "image" else json.dumps(value) for name, value in fields.items()}
        self.file(f"pods/pod-{self._number}.yaml", _WORKLOAD.format(number=self._number, **texts))

    def resource(self, api: str, kind: str, **fields: Any) -> None:
        """Add an object of any kind."""
        self._number += 1
        document = {"apiVersion": api, "kind": kind, "metadata": {"name": f"planted-{self._number}"}, **fields}
        self.file(f"resources/{kind.lower()}-{self._number}.yaml", json.dumps(document))


def plant_all() -> Planted:
    """Return files with secrets in all places."""
    planter = _Planter()
    _plant_tokens(planter)
    _plant_arguments(planter)
    _plant_environment(planter)
    _plant_annotations(planter)
    _plant_volumes(planter)
    _plant_resources(planter)
    _plant_errors(planter)
    _plant_charts(planter)
    return planter.planted


def _plant_tokens(planter: _Planter) -> None:
    # No name tells that an argument is a secret.
    planter.pod(args=[planter.plant(f"{name} in an argument", token) for name, token in planter.tokens().items()])
    tokens = (planter.plant(f"{name} in an annotation", token) for name, token in planter.tokens().items())
    planter.pod(annotations={f"acme.io/{number}": f"ask ann, {token} is old" for number, token in enumerate(tokens)})
    tokens = (planter.plant(f"{name} in a script", token) for name, token in planter.tokens().items())
    planter.pod(command=["sh", "-c", "\n".join(f"run {token} && exit" for token in tokens)])


_FLAGS: Final = (
    *("password", "db-password", "db-pass", "pass", "pw", "db-pw", "passwd", "passphrase", "token", "auth-token"),
    *("api-key", "apikey", "access-key", "secret-key", "secret-access-key", "client-secret", "webhook-secret"),
    *(
        "private-key",
        "encryption-key",
        "master-key",
        "signing-key",
        "license-key",
        "storage-account-key",
        "requirepass",
    ),
    *("connection-string", "credentials", "smtp.password", "db_password", "dbPassword", "masterauth"),
)
_VAGUE_FLAGS: Final = (
    "key",
    "tls-key",
    "auth",
    "jwt",
    "otp",
    "pin",
    "psk",
    "salt",
    "dsn",
    "cookie",
    "signature",
    "creds",
)


def _plant_arguments(planter: _Planter) -> None:
    for flag in _FLAGS:
        name = flag.replace("-", "_").replace(".", "_").upper()
        script = (
            f"export {name}={planter.weak(f'variable {flag}')}; app --{flag} {planter.weak(f'--{flag} in a script')}"
            f" -{flag}='{planter.weak(f'-{flag} in quotes')}' --port 80"
        )
        arguments = [f"--{flag}={planter.weak(f'--{flag}=')}", f"--{flag}", planter.weak(f"--{flag} and a word")]
        planter.pod(command=["sh", "-c", script], args=[*arguments, "--port=80"])
    for flag in _VAGUE_FLAGS:
        arguments = [f"--{flag}={planter.strong(f'--{flag}=')}", f"--{flag}", planter.strong(f"--{flag} and a word")]
        planter.pod(args=arguments)
    for place, words in {
        "mysql -p": ["mysql", "-h", "db", "-p{}"],
        "mysql -p in a script": ["sh", "-c", "mysql -h db -p{} -e x"],
        "redis-cli -a": ["redis-cli", "-a", "{}"],
        "redis-cli -a in a script": ["sh", "-c", "redis-cli -h db -a {} ping"],
        "sshpass -p": ["sshpass", "-p", "{}", "ssh", "host"],
        "sshpass -p in a script": ["sh", "-c", "sshpass -p {} ssh host"],
        "sshpass -p attached": ["sh", "-c", "sshpass -p{} ssh host"],
        "docker login -p": ["sh", "-c", "docker login -u ann -p {} registry"],
        "mongosh -p": ["mongosh", "-u", "ann", "-p", "{}"],
        "ldapsearch -w": ["ldapsearch", "-w", "{}"],
        "sqlcmd -P": ["sqlcmd", "-U", "sa", "-P", "{}"],
        "curl -u": ["sh", "-c", "curl -u ann:{} https://example.com"],
        "a header": ["curl", "-H", "X-Api-Key: {}", "https://example.com"],
        "a header in a script": ["sh", "-c", "curl -H 'X-Api-Key: {}' https://example.com"],
        "a header without a space": ["sh", "-c", "curl -H X-Api-Key:{} https://example.com"],
        "a bearer token": ["curl", "-H", "authorization: bearer {}", "https://example.com"],
        "basic authorization": ["sh", "-c", "curl -H 'Authorization: Basic {}' https://example.com"],
        "other authorization": ["curl", "-H", "Authorization: Token {}"],
        "a cookie": ["curl", "-H", "Cookie: session={}"],
        "a query": ["--url=https://example.com/api?token={}&a=b"],
        "a second query": ["--url=https://example.com/api?a=b&access_token={}"],
        "a connection string": ["--db=Server=db;User=ann;Password={};Encrypt=true"],
        "the password of a URL": ["--db=postgres://ann:{}@db/shop"],
        "a password of a URL with an at sign": ["--db=postgres://ann:a@{}@db/shop"],
        "the password of a URL without a user": ["--cache=redis://:{}@cache:6379/0"],
        "JSON": ['{{"user": "ann", "password": "{}"}}'],
        "a shell variable": ["sh", "-c", 'PGPASSWORD="{} x" psql'],
        "a heredoc": ["sh", "-c", "cat > /app.yaml <<E\ndb:\n  password: {}\nE\napp"],
        "a value after a sign": ["--password=a;{}"],
        "a value with an ampersand": ["--password=a&{}"],
        "a value that begins with a dash": ["--password=-{}"],
        "a word that begins with a dash": ["--password", "-{}"],
    }.items():
        planter.pod(command=[word.format(planter.weak(place)) if "{}" in word else word for word in words])
    for place, words in COMMANDS.items():
        secret = planter.weak(place)
        planter.pod(command=[word.replace("@@", secret) for word in words])
    planter.pod(command=["rabbitmqctl"], args=["add_user", "ann", planter.weak("arguments of rabbitmqctl")])
    planter.pod(command=["app"], args=["-a", planter.strong("-a of an unknown program")])
    planter.pod(command=["app"], args=["-p", planter.strong("-p of an unknown program")])
    planter.pod(command=["app"], args=[f"-p{planter.strong('-p attached')}"])
    planter.pod(image="redis:7", args=["-a", planter.weak("-a of an image")])
    planter.pod(image="docker.io/library/mysql:8@sha256:" + "a" * 64, args=[f"-p{planter.weak('-p of an image')}"])
    planter.pod(args=["x", "A1" + planter.strong("a long word") + "b2C3d4E5f6G7"])


def _plant_environment(planter: _Planter) -> None:
    for name in ("PASSWORD", "PLAIN", "DATABASE_URL"):
        planter.pod(env=[{"name": name, "value": planter.weak(f"variable {name} of a container")}])
    planter.resource(
        "apps/v1",
        "Deployment",
        spec={
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "app:1",
                            "env": [{"name": "A", "value": planter.weak("a template")}],
                            "livenessProbe": {
                                "exec": {"command": ["sh", "-c", f"redis-cli -a {planter.weak('a probe')} ping"]},
                                "httpGet": {
                                    "port": 80,
                                    "path": f"/health?token={planter.weak('the path of a probe')}",
                                    "httpHeaders": [{"name": "X-A", "value": planter.weak("a header of a probe")}],
                                },
                            },
                            "lifecycle": {"preStop": {"exec": {"command": ["app", "--token", planter.weak("a hook")]}}},
                        }
                    ]
                }
            }
        },
    )
    planter.resource("v1", "Secret", stringData={"a": planter.weak("stringData")}, data={"b": planter.weak("data")})
    planter.resource("v1", "ConfigMap", data={"password": planter.weak("a ConfigMap")})


def _plant_annotations(planter: _Planter) -> None:
    for place, text in {
        "JSON in an annotation": '{{"password": "{}", "a": 1}}',
        "compact JSON in an annotation": '{{"a":1,"apiToken":"{}"}}',
        "escaped JSON in an annotation": r"{{\"clientSecret\": \"{}\"}}",
        "YAML in an annotation": "a: 1\npassword: {}\nb: 2\n",
        "YAML with spaces in an annotation": "a: 1\npassword: a b, {}\nb: 2\n",
        "nested YAML in an annotation": "db:\n  - name: x\n    token: '{}'\n",
        "a block in an annotation": "a: 1\npassword: |\n  x\n  {}\nb: 2\n",
        "flow YAML in an annotation": "db: {{user: ann, password: {}, port: 1}}",
        "a URL in an annotation": "see https://ann:{}@example.com/x",
        "a connection string in an annotation": "Endpoint=sb://x;SharedAccessKey={}",
        "properties in an annotation": "spring.datasource.password={}",
        "a private key in an annotation": "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----",
        "a PGP key in an annotation": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{}\n-----END PGP PRIVATE KEY BLOCK-----",
    }.items():
        planter.pod(annotations={"acme.io/note": text.format(planter.weak(place))})
    for place, text in ANNOTATIONS.items():
        planter.pod(annotations={"acme.io/note": text.replace("@@", planter.weak(place))})
    key = f"-----BEGIN EC PRIVATE KEY-----\n{planter.weak('a key') * 20}\n-----END EC PRIVATE KEY-----\n"
    encoded = base64.b64encode(key.encode()).decode()
    planter.plant("a private key in base64", encoded[60:100])
    planter.pod(annotations={"acme.io/note": encoded})
    planter.pod(args=["--ca", encoded])
    for key in ("acme.io/password", "acme.io/api-token", "acme.io/clientSecret", "webhook-url", "last-password"):
        planter.pod(annotations={key: planter.weak(f"annotation {key}")})
    planter.pod(
        annotations={
            "kubectl.kubernetes.io/last-applied-configuration": json.dumps(
                {"x": planter.weak("the last-applied object")}
            )
        }
    )


def _plant_volumes(planter: _Planter) -> None:
    for key in ("password", "clientSecret", "sasToken", "accountKey"):
        attributes = {key: planter.weak(f"volumeAttributes.{key}"), "share": "kept"}
        planter.pod(volumes=[{"name": "v", "csi": {"driver": "x.io", "volumeAttributes": attributes}}])
        options = {key: planter.weak(f"flexVolume.options.{key}"), "share": "kept"}
        planter.pod(volumes=[{"name": "v", "flexVolume": {"driver": "x/y", "options": options}}])
        attributes = {key: planter.weak(f"a PersistentVolume with {key}")}
        planter.resource(
            "v1",
            "PersistentVolume",
            spec={"csi": {"driver": "x.io", "volumeHandle": "a", "volumeAttributes": attributes}},
        )
        planter.resource(
            "storage.k8s.io/v1",
            "StorageClass",
            provisioner="x",
            parameters={key: planter.weak(f"a StorageClass with {key}")},
        )
    planter.pod(
        volumes=[
            {
                "name": "v",
                "csi": {
                    "driver": "x.io",
                    "volumeAttributes": {"mountOptions": f"user=ann,password={planter.weak('options of a mount')}"},
                },
            }
        ]
    )


_FIELDS: Final = (
    *("password", "adminPassword", "db_password", "passphrase", "token", "apiToken", "botToken", "apiKey", "api_key"),
    *("accessKey", "secretAccessKey", "clientSecret", "client-secret", "privateKey", "connectionString", "signingKey"),
    *("webhookUrl", "kubeconfig", "authorization", "cookie", "dsn", "licenseKey", "credentials", "secretKey", "secret"),
)
_AMBIGUOUS: Final = {"accessKey", "privateKey", "credentials", "secretKey", "secret"}
"""Fields that hold names of secrets in some kinds."""


def _plant_resources(planter: _Planter) -> None:
    for field in _FIELDS:
        create = planter.strong if field in _AMBIGUOUS else planter.weak
        fields = {
            field: create(f"{field} in a custom resource"),
            "a": [{"b": {field: create(f"{field} in a list"), "name": "kept"}}],
            "parameters": [{"name": f"db.{field}", "value": create(f"{field} in a parameter")}],
        }
        planter.resource("acme.io/v1", "Widget", spec=fields)
    for place, spec in {
        "a list of passwords": {"passwords": ["{}"]},
        "a list of tokens": {"nested": {"apiTokens": ["{}"]}},
        "a number": {"pin": {"password": "{}"}},
        "values of a HelmRelease": {"values": {"db": {"auth": {"password": "{}"}}}},
        "values of an Application": {"source": {"helm": {"values": "db:\n  password: {}\n"}}},
        "parameters of an Application": {"source": {"helm": {"parameters": [{"name": "db.password", "value": "{}"}]}}},
        "headers": {"headers": {"X-Api-Key": "{}", "Authorization": "x"}},
        "an authorization header": {"headers": {"Authorization": "Basic {}"}},
        "a URL": {"endpoint": "https://ann:{}@example.com"},
        "a script": {"script": "set -e\ncurl -u ann:{} https://example.com\n"},
        "a variable": {"env": [{"name": "A", "value": "{}"}]},
        "a command": {"containers": [{"command": ["app", "--password", "{}"]}]},
        "a data source": {"url": "jdbc:mysql://db/shop?user=ann&password={}"},
        "a docker configuration": {"dockerconfigjson": '{{"auths": {{}}, "x": "{}"}}'},
        "an object of an operator": {"template": {"kind": "Secret", "stringData": {"a": "{}"}}},
    }.items():
        secret = planter.weak(place)
        planter.resource("acme.io/v1", "Widget", spec=json.loads(json.dumps(spec).replace("{}", secret)))
    user = {
        "password": planter.weak("password of a kubeconfig"),
        "token": planter.weak("token of a kubeconfig"),
        "client-key-data": planter.strong("key of a kubeconfig"),
        "auth-provider": {"name": "x", "config": {"id-token": planter.weak("provider of a kubeconfig")}},
        "exec": {
            "command": "aws",
            "args": ["--secret", planter.weak("argument of a kubeconfig")],
            "env": [{"name": "A", "value": planter.weak("variable of a kubeconfig")}],
        },
    }
    planter.resource("v1", "Config", users=[{"name": "ann", "user": user}], clusters=[], contexts=[])
    planter.resource(
        "apiserver.config.k8s.io/v1",
        "EncryptionConfiguration",
        resources=[
            {
                "resources": ["secrets"],
                "providers": [{"aescbc": {"keys": [{"name": "k", "secret": planter.strong("aescbc")}]}}],
            }
        ],
    )


def _plant_errors(planter: _Planter) -> None:
    head = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
    for place, text in {
        "an unknown anchor": head + "stringData:\n  password: *{}\n",
        "a recursive anchor": head + "stringData: &{} [*{}]\n",
        "!!int": head + "stringData:\n  password: !!int {}\n",
        "!!float": head + "stringData:\n  password: !!float {}\n",
        "!!bool": head + "stringData:\n  password: !!bool {}\n",
        "!!null": head + "stringData:\n  password: !!null {}\n",
        "!!timestamp": head + "stringData:\n  password: !!timestamp {}\n",
        "!!binary": head + "stringData:\n  password: !!binary {}*\n",
        "an unknown tag": head + "stringData:\n  password: !<{}> [a\n",
        "a tag with an unknown prefix": head + "stringData:\n  password: !{}!a b\n",
        "a duplicate key": head + "stringData:\n  {}: a\n  {}: b\n",
        "the value of a duplicate key": head + "stringData:\n  a: {}\n  a: b\n",
        "a colon": head + "stringData:\n  password: {}: b\n",
        "an open quote": head + 'stringData:\n  password: "{}\n',
        "an open bracket": head + "stringData: {{password: {}\n",
        "an escape": head + 'stringData:\n  password: "{}\\q"\n',
        "a tab": head + "stringData:\n\tpassword: {}\n",
        "a sign": head + "stringData:\n  password: @{}\n",
        "a percent sign": head + "stringData:\n  password: %{}\n",
        "a merge key": head + "stringData:\n  <<: {}\n",
        "a complex key": head + "stringData:\n  ? [{}]\n  : a\n",
        "a text without an object": "{}\n",
        "a missing kind": "apiVersion: v1\nmetadata: {{name: a}}\npassword: {}\n",
        "a wrong type of a field": "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, env: [{}]}}]}}\n",
        "the reason of a comment": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    image: b\n"
        "    securityContext:\n      privileged: true # kubekeep:ignore C-0057 reason='password: {}'\n",
        "the reason of an annotation": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n"
        "    kubekeep.io/skip-controls: C-0057\n    kubekeep.io/skip-reason: 'password: {}'\n"
        "spec: {{containers: [{{name: a, image: b, securityContext: {{privileged: true}}}}]}}\n",
        "an unknown field": "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [], password: {}}}\n",
        "a directive": "%TAG ! {}\n%TAG ! b\n---\na: b\n",
    }.items():
        template = text if "{{" in text else text.replace("{name: a}", "{{name: a}}")
        planter.file(
            f"errors/{place.replace(' ', '-').strip('!')}.yaml",
            template.replace("{}", planter.weak(place)).replace("{{", "{").replace("}}", "}"),
        )
    for place, text in {
        "a word in JSON": '{"kind": "Secret", "apiVersion": "v1", "password": @}',
        "a duplicate key in JSON": '{"kind": "Secret", "apiVersion": "v1", "stringData": {"@": 1, "@": 2}}',
        "an open quote in JSON": '{"kind": "Secret", "apiVersion": "v1", "password": "@}',
        "an escape in JSON": '{"kind": "Secret", "apiVersion": "v1", "password": "@\\q"}',
        "a number in JSON": '{"kind": "Secret", "apiVersion": "v1", "password": 1e99@}',
    }.items():
        secret = planter.plant(place, "8251936407") if place == "a number in JSON" else planter.weak(place)
        planter.file(f"errors/{place.replace(' ', '-')}.json", text.replace("@", secret))
    for place, text in {
        "Terraform": 'resource "kubernetes_secret" "a" {\n  data = { password = "@" \n}\n',
        "a duplicate in Terraform": "locals {\n  @ = 1\n  @ = 2\n}\n",
    }.items():
        planter.file(f"{place.replace(' ', '-').lower()}/main.tf", text.replace("@", planter.weak(place)))


def _plant_charts(planter: _Planter) -> None:
    for place, template in {
        "a value printed by fail": "{{ fail .Values.password }}",
        "a value printed by a parser": "a: {{ .Values.password | fromJson | int }}{{ .Values.password.x }}",
        "a value in invalid YAML": "a: [{{ .Values.password }}\nb: c",
        "a value as an anchor": "kind: Secret\napiVersion: v1\npassword: *{{ .Values.password }}",
        "a value of a URL": "a: {{ urlParse .Values.password }}",
        "a value of a date": '{{ mustToDate "2006-01-02" .Values.password }}',
    }.items():
        folder = f"charts/{place.replace(' ', '-')}"
        planter.file(f"{folder}/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n")
        prefix = "http://a:%zz" if place == "a value of a URL" else ""
        planter.file(f"{folder}/values.yaml", f"password: {prefix}{planter.weak(place)}\n")
        planter.file(f"{folder}/templates/a.yaml", template)
    for place, template, is_encoded in (
        ("a value in base64 printed by fail", "{{ fail (.Values.password | b64enc) }}", True),
        ("a quoted value printed by fail", '{{ fail (printf "%q" .Values.password) }}', False),
    ):
        folder = f"charts/{place.replace(' ', '-')}"
        value = f'a"b\\{planter.weak(place)}'
        planter.file(f"{folder}/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n")
        planter.file(f"{folder}/values.yaml", f"password: '{value}'\n")
        planter.file(f"{folder}/templates/a.yaml", template)
        if is_encoded:
            planter.plant(f"{place}, encoded", base64.b64encode(value.encode()).decode())
    planter.file(
        "kustomization/kustomization.yaml",
        f"secretGenerator:\n- name: a\n  literals: [{planter.weak('an invalid literal')}]\n",
    )
    planter.file("charts/values/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n")
    planter.file("charts/values/values.yaml", f"db:\n  password: *{planter.weak('values of a chart')}\n")
    planter.file("charts/values/templates/a.yaml", "a: 1")
    planter.file("charts/schema/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n")
    planter.file("charts/schema/values.yaml", f"password: {planter.weak('a schema')}\n")
    planter.file(
        "charts/schema/values.schema.json", '{"properties": {"password": {"pattern": "^[0-9]$", "type": "string"}}}'
    )
    planter.file("charts/schema/templates/a.yaml", "a: 1")
