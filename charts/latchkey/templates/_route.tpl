{{/*
The two weights, as YAML {stable, canary}. The operator moves them on the live route; an upgrade must apply exactly what
is there, or it would move traffic (docs/adr/0006-helm-and-the-route.md). Without a live route, or where the cluster
cannot be asked (helm template), the Deployment's own pods get everything: the first install serves at once, and the
operator turns the route round when its stable copy is ready.
*/}}
{{- define "latchkey.weights" -}}
{{- $weights := dict "stable" 0 "canary" 100 }}
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
{{- toYaml $weights }}
{{- end }}

{{/* One backend. Fields with a server-side default are written out: the apiserver compares the rules before defaulting. */}}
{{- define "latchkey.backend" -}}
- group: ""
  kind: Service
  name: {{ .name }}
  port: 80
  weight: {{ .weight }}
{{- end }}
