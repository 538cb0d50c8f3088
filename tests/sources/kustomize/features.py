"""Trees of files for every feature of kustomize. `BUILT` is the folder to build."""

from __future__ import annotations

from typing import Final

DEPLOYMENT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {tier: front}
spec:
  replicas: 1
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      - name: web
        image: registry.test/web:1.0
        args: [--verbose, --slow]
        env:
        - name: MODE
          value: base-mode
        - name: OLD
          value: base-old
        ports:
        - containerPort: 8080
          name: http
        securityContext:
          privileged: true
        volumeMounts:
        - mountPath: /data
          name: data
      - name: helper
        image: helper
      volumes:
      - name: data
        emptyDir: {}
"""
SERVICE: Final = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector:
    app: web
  ports:
  - port: 80
    targetPort: http
"""
BASE: Final = {
    "base/kustomization.yaml": "resources:\n- deployment.yaml\n- service.yaml\n",
    "base/deployment.yaml": DEPLOYMENT,
    "base/service.yaml": SERVICE,
}
BUILT: Final = "prod"

TREES: Final[dict[str, dict[str, str]]] = {
    "overlays": {
        **BASE,
        "staging/kustomization.yaml": """\
resources: [../base]
namePrefix: staging-
namespace: staging
labels:
- pairs:
    stage: staging-pair
  includeSelectors: true
commonAnnotations:
  owner: staging-owner
""",
        "prod/kustomization.yaml": """\
resources:
- ../staging
- config.json
nameSuffix: -prod
namespace: production
labels:
- pairs:
    team: prod-team
  includeTemplates: true
- pairs:
    plain: prod-plain
patches:
- path: replicas.yaml
""",
        "prod/replicas.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 7
""",
        "prod/config.json": '{"apiVersion": "v1",\n "kind": "ConfigMap",\n "metadata": {"name": "shop"},\n "data": {\n  "a": "json-a"}}\n',
    },
    "strategic": {
        **BASE,
        "prod/kustomization.yaml": """\
resources: [../base]
patches:
- path: patch.yaml
- patch: |-
    apiVersion: v1
    kind: Service
    metadata:
      name: web
    spec:
      type: NodePort
      ports:
      - port: 443
        targetPort: http
- target:
    kind: Deployment
  patch: |
    # A comment, and a name that the target makes irrelevant.
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: whatever
    spec:
      template:
        spec:
          hostNetwork: true
          volumes:
          - $patch: replace
          - name: data
            hostPath: {path: /srv}
""",
        "prod/patch.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: null
spec:
  template:
    spec:
      initContainers:
      - name: init
        image: init-image
      containers:
      - name: sidecar
        image: sidecar-image
      - name: helper
        $patch: delete
      - name: web
        args: [--patched]
        env:
        - name: OLD
          $patch: delete
        - name: NEW
          value: patch-new
        - name: MODE
          value: patch-mode
        securityContext:
          $patch: replace
          runAsUser: 0
      tolerations:
      - key: patch-toleration
""",
    },
    "operations": {
        **BASE,
        "prod/kustomization.yaml": """\
resources: [../base, extra.yaml]
patches:
- target: {kind: Deployment, name: w.b}
  path: operations.yaml
- target:
    labelSelector: tier in (front, back), !missing
  patch: |-
    - op: replace
      path: /spec/template/spec/containers/0/image
      value: operation-image
    - op: add
      path: /spec/template/spec/containers/-
      value:
        name: added
        image: added-image
- target:
    annotationSelector: patch=me
  patch: '[{"op": "add", "path": "/data/b~1c", "value": "flow-value"}]'
patchesJson6902:
- target: {group: "", version: v1, kind: Service, name: web}
  path: operations.json
""",
        "prod/operations.yaml": """\
- op: remove
  path: /spec/template/spec/containers/0/securityContext/privileged
- op: add
  path: /spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation
  value: true
- op: add
  path: /spec/template/spec/containers/0/env/0
  value: {name: FIRST, value: operation-first}
- op: copy
  from: /spec/template/spec/containers/0/args
  path: /spec/template/spec/containers/1/args
""",
        "prod/operations.json": '[\n  {"op": "add", "path": "/spec/type",\n   "value": "LoadBalancer"}\n]\n',
        "prod/extra.yaml": """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: one, annotations: {patch: me}}
  data: {a: list-a}
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: two
  data:
    a: list-b
""",
    },
    "components": {
        **BASE,
        "parts/debug/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
resources: [tool.yaml]
components: [../loud]
patches:
- patch: |-
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      template:
        spec:
          shareProcessNamespace: true
""",
        "parts/debug/tool.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: tool}\nspec:\n  containers:\n  - {name: tool, image: tool-image}\n",
        "parts/loud/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
- name: registry.test/web
  newTag: loud-tag
commonAnnotations: {loud: "yes"}
""",
        "prod/kustomization.yaml": "namePrefix: p-\nresources: [../base]\ncomponents:\n- ../parts/debug\n",
    },
    "generators": {
        **BASE,
        "prod/kustomization.yaml": """\
resources: [../base, user.yaml, ../made]
configMapGenerator:
- name: settings
  literals:
  - colour=literal-red
  - quoted="literal quoted"
  files:
  - notes.txt
  - renamed=sub/other.conf
  envs: [settings.env]
  options:
    labels: {made: by-options}
- name: made
  behavior: merge
  literals: [added=merged-value]
secretGenerator:
- name: token
  type: Opaque
  literals: [password=hunter-literal]
  options:
    disableNameSuffixHash: true
generatorOptions:
  annotations:
    note: by-generator
""",
        "prod/notes.txt": "first line\nsecond line\n",
        "prod/sub/other.conf": "other\n",
        "prod/settings.env": "# comment\nSIZE=env-large\n\nSHAPE=env-round\n",
        "prod/user.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  containers:
  - name: user
    image: user-image
    envFrom:
    - configMapRef:
        name: settings
    - secretRef: {name: token}
""",
        "made/kustomization.yaml": "configMapGenerator:\n- name: made\n  literals:\n  - kept=made-value\n",
    },
    "images": {
        **BASE,
        "base/kustomization.yaml": """\
resources: [deployment.yaml, service.yaml]
images:
- name: helper
  newName: mirror.test/helper
""",
        "prod/kustomization.yaml": """\
resources: [../base]
images:
- name: registry.test/web
  newName: mirror.test/web
  newTag: "2.0"
- name: mirror.test/helper
  digest: sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3
replicas:
- name: web
  count: 5
""",
    },
    "replacements": {
        **BASE,
        "prod/kustomization.yaml": """\
resources: [../base, source.yaml]
replacements:
- source: {kind: ConfigMap, name: source, fieldPath: data.mode}
  targets:
  - select: {kind: Deployment, name: web}
    fieldPaths:
    - spec.template.spec.containers.[name=web].env.[name=MODE].value
    - metadata.annotations.mode/of\\.web
    options: {create: true}
- path: more.yaml
vars:
- name: SERVICE_NAME
  objref: {apiVersion: v1, kind: Service, name: web}
patches:
- target: {kind: Deployment}
  patch: |-
    - op: replace
      path: /spec/template/spec/containers/0/args/1
      value: --to=$(SERVICE_NAME)
""",
        "prod/more.yaml": """\
- source: {kind: ConfigMap, name: source, fieldPath: data.image}
  targets:
  - select: {kind: Deployment}
    fieldPaths:
    - spec.template.spec.containers.1.image
""",
        "prod/source.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: source}\ndata:\n  mode: source-mode\n  image: source-image\n",
    },
    "configured": {
        **BASE,
        "prod/kustomization.yaml": """\
resources: [../base, machine.yaml]
configurations: [settings.yaml]
images:
- {name: registry.test/engine, newTag: configured-tag}
commonLabels:
  app: configured
transformers:
- prefix.yaml
- |-
  apiVersion: builtin
  kind: PatchTransformer
  metadata: {name: not-important}
  target: {kind: Machine}
  patch: |-
    - op: add
      path: /spec/speed
      value: 9
""",
        "prod/prefix.yaml": """\
apiVersion: builtin
kind: PrefixTransformer
metadata: {name: any}
prefix: front-
fieldSpecs: [{path: metadata/name}]
---
apiVersion: builtin
kind: ImageTagTransformer
metadata: {name: any-image}
imageTag:
  name: helper
  newTag: transformed
fieldSpecs: [{path: "spec/template/spec/containers[]/image"}]
""",
        "prod/settings.yaml": "images:\n- {path: spec/engine/image, kind: Machine}\nnameReference:\n- kind: Service\n  fieldSpecs: [{path: spec/service, kind: Machine}]\n",
        "prod/machine.yaml": """\
apiVersion: shop.test/v1
kind: Machine
metadata: {name: mill}
spec:
  service: web
  engine:
    image: registry.test/engine:0
  ports:
  - port: 1
  - port: 2
""",
    },
    "twice": {
        **BASE,
        "left/kustomization.yaml": "resources: [../base]\nnamePrefix: left-\npatches:\n- path: p.yaml\n  target: {kind: Deployment}\n",
        "left/p.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {paused: true}\n",
        "right/kustomization.yaml": "resources: [../base]\nnamePrefix: right-\nreplicas: [{name: web, count: 3}]\n",
        "prod/kustomization.yaml": "resources: [../left, ../right]\nnamespace: both\n",
    },
    "legacy": {
        **BASE,
        "prod/kustomization.yaml": """\
bases: [../base]
commonLabels: {legacy: common}
imageTags:
- name: helper
  newTag: legacy-tag
patchesStrategicMerge:
- merge.yaml
- |-
  apiVersion: v1
  kind: Service
  metadata:
    name: web
  spec:
    externalName: legacy-inline
""",
        "prod/merge.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      hostPID: true
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  sessionAffinity: ClientIP
""",
    },
    "schema": {
        "prod/kustomization.yaml": "resources: [engine.yaml]\nopenapi: {path: schema.json}\npatches:\n- path: patch.yaml\n",
        "prod/engine.yaml": """\
apiVersion: shop.test/v1
kind: Engine
metadata: {name: mill}
spec:
  containers:
  - name: one
    image: one-image
  - name: two
    image: two-image
""",
        "prod/patch.yaml": """\
apiVersion: shop.test/v1
kind: Engine
metadata: {name: mill}
spec:
  containers:
  - name: two
    args: [patched]
""",
        "prod/schema.json": """\
{"definitions": {"test.shop.v1.Engine": {
  "x-kubernetes-group-version-kind": [{"group": "shop.test", "version": "v1", "kind": "Engine"}],
  "properties": {"spec": {"properties": {"containers": {
    "type": "array", "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge",
    "items": {"type": "object", "properties": {"name": {"type": "string"}, "image": {"type": "string"}}}}}}}}}}
""",
    },
    "access": {
        "prod/kustomization.yml": "resources: [rbac.yaml]\nnamespace: moved\nnamePrefix: a-\n",
        "prod/rbac.yaml": """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: old}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: admins}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- kind: ServiceAccount
  name: default
  namespace: old
---
apiVersion: v1
kind: Namespace
metadata: {name: old}
""",
    },
}

CHART: Final = {
    "prod/kustomization.yaml": """\
helmCharts:
- name: shop
  releaseName: mine
  valuesInline:
    image: inline-image
patches:
- target: {kind: Pod}
  patch: |-
    - op: add
      path: /spec/hostIPC
      value: true
""",
    "prod/charts/shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "prod/charts/shop/values.yaml": "image: chart-image\n",
    "prod/charts/shop/templates/pod.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: "{{ .Release.Name }}-shop"}
spec:
  containers:
  - {name: shop, image: "{{ .Values.image }}"}
""",
}
