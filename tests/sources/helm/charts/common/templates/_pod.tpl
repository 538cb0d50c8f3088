{{- define "common.pod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-{{ .Chart.Name }}
spec:
  hostNetwork: {{ .Values.hostNetwork | default false }}
  containers:
    - name: main
      image: {{ required "image is required" .Values.image }}
{{- end }}
