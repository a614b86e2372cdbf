{{/* Names and labels. The release name is the name of everything: release auth-api makes Deployment auth-api. */}}

{{/* 50 characters leave room for "-canary", the ReplicaSet's hash and the pod's suffix within the 63 of a DNS label. */}}
{{- define "latchkey.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "latchkey.stable" -}}
{{ include "latchkey.fullname" . }}-stable
{{- end }}

{{- define "latchkey.canary" -}}
{{ include "latchkey.fullname" . }}-canary
{{- end }}

{{- define "latchkey.serviceAccount" -}}
{{- default (include "latchkey.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "latchkey.secret" -}}
{{- default (include "latchkey.fullname" .) .Values.existingSecret }}
{{- end }}

{{- define "latchkey.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "latchkey.image" -}}
{{ .Values.image.repository }}:{{ include "latchkey.tag" . }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Labels of every object. Never on pods: a new chart version alone would be a new pod template, hence a rollout. */}}
{{- define "latchkey.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ include "latchkey.tag" . | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: latchkey
{{ include "latchkey.appLabels" . }}
{{- end }}

{{/* What all pods of this release share, whichever track they are on. */}}
{{- define "latchkey.appLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Selector of the target Deployment's pods. The operator's copy differs in one label: track is stable. */}}
{{- define "latchkey.canarySelector" -}}
{{ include "latchkey.appLabels" . }}
latchkey.dev/track: canary
{{- end }}

{{- define "latchkey.stableSelector" -}}
{{ include "latchkey.appLabels" . }}
latchkey.dev/track: stable
{{- end }}

{{/* Who serves users when nothing is rolling: the operator's copy, or without a rollout the Deployment's own pods. */}}
{{- define "latchkey.servingSelector" -}}
{{- include (ternary "latchkey.stableSelector" "latchkey.canarySelector" .Values.rollout.enabled) . }}
{{- end }}
