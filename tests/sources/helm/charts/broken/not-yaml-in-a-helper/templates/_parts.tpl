{{- define "parts" -}}
{{- range .Values.items }}
- name: {{ . }}
 value: "x"
{{- end }}
{{- end -}}
