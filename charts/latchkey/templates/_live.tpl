{{/*
What an upgrade reads from the live cluster, so that it applies what is there instead of what was there when the release
was first installed. docs/adr/0006-helm-and-the-route.md tells why, with measurements. `helm template` cannot ask a
cluster: it gets the values of a first install.
*/}}

{{/*
The two weights as YAML {stable, canary}. Without a live route the Deployment's own pods get everything: the first install
serves at once, and the operator turns the route round when its stable copy is ready. So it stays without a rollout.
*/}}
{{- define "latchkey.weights" -}}
{{- $weights := dict "stable" 0 "canary" 100 }}
{{- if .Values.rollout.enabled }}
{{- $live := lookup "gateway.networking.k8s.io/v1" "HTTPRoute" .Release.Namespace (include "latchkey.fullname" .) }}
{{- range $rule := dig "spec" "rules" list $live }}
{{- if eq (dig "name" "" $rule) "api" }}
{{- range $backend := dig "backendRefs" list $rule }}
{{- /* Gateway API reads a weight that is missing as 1. */}}
{{- if eq $backend.name (include "latchkey.stable" $) }}{{ $_ := set $weights "stable" (dig "weight" 1 $backend | int) }}{{ end }}
{{- if eq $backend.name (include "latchkey.canary" $) }}{{ $_ := set $weights "canary" (dig "weight" 1 $backend | int) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $weights }}
{{- end }}

{{/*
The operator's own two rules, as a YAML list, or nothing: rules are one list and belong together to whoever applies them, so those
that are there are applied as they are. They are there while a cohort selects who is on the canary (rollout.cohort).
*/}}
{{- define "latchkey.liveCohortRules" -}}
{{- if .Values.rollout.enabled }}
{{- $live := lookup "gateway.networking.k8s.io/v1" "HTTPRoute" .Release.Namespace (include "latchkey.fullname" .) }}
{{- range $rule := dig "spec" "rules" list $live }}
{{- if has (dig "name" "" $rule) (list "latchkey-cohort-canary" "latchkey-cohort-stable") }}
{{ list $rule | toYaml }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The Deployment's replicas, or nothing: with a rollout they are the operator's. As long as somebody is entered as their owner
the live number is rendered, since an owner who leaves a field out deletes it, and 1 would be the default. That somebody is
Helm, from revisions without a rollout; the operator's first write through deployments/scale ends it.
*/}}
{{- define "latchkey.replicas" -}}
{{- if .Values.rollout.enabled }}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "latchkey.fullname" .) }}
{{- $isOwned := false }}
{{- range $entry := dig "metadata" "managedFields" list $live }}
{{- if hasKey (dig "fieldsV1" "f:spec" dict $entry) "f:replicas" }}{{ $isOwned = true }}{{ end }}
{{- end }}
{{- if $isOwned }}{{ $live.spec.replicas }}{{ end }}
{{- else }}
{{- with .Values.replicas }}{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/* The canary Service's selector as it is: the operator changes it when weight 0 alone did not stop the traffic. */}}
{{- define "latchkey.liveCanarySelector" -}}
{{- $live := lookup "v1" "Service" .Release.Namespace (include "latchkey.canary" .) }}
{{- $selector := dig "spec" "selector" dict $live }}
{{- if and .Values.rollout.enabled $selector }}
{{- toYaml $selector }}
{{- else }}
{{- include "latchkey.canarySelector" . }}
{{- end }}
{{- end }}
