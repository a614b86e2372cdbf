{{/* 63 characters are a DNS label; "-metrics" is the longest suffix. */}}
{{- define "latchkey-operator.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- end }}

{{- define "latchkey-operator.serviceAccount" -}}
{{- default (include "latchkey-operator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "latchkey-operator.lease" -}}
{{- default (include "latchkey-operator.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}

{{- define "latchkey-operator.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "latchkey-operator.image" -}}
{{ .Values.image.repository }}:{{ include "latchkey-operator.tag" . }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "latchkey-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "latchkey-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ include "latchkey-operator.tag" . | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: latchkey
{{ include "latchkey-operator.selector" . }}
{{- end }}
