{{ define "labels" }}
ä: {{ fail "no labels today" }}
{{ end }}
