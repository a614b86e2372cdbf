{{/* Milliseconds of a duration such as 1h30m; the schema has already refused anything else. */}}
{{- define "latchkey.milliseconds" -}}
{{- $total := 0 }}
{{- $unitMs := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 }}
{{- range $part := regexFindAll "[0-9]+(ms|s|m|h)" . -1 }}
{{- $total = add $total (mul (regexFind "[0-9]+" $part | int) (get $unitMs (regexFind "[a-z]+" $part))) }}
{{- end }}
{{- $total }}
{{- end }}

{{/*
Refuses a schedule that the CRD would refuse too. Here it costs nothing; there Helm has already applied the Deployment
and the route when the apiserver says no.
*/}}
{{- define "latchkey.checkSchedule" -}}
{{- $last := 0 }}
{{- range $index, $step := . }}
{{- $weight := int $step.weight }}
{{- if le $weight $last }}
{{- fail (printf "rollout.schedule[%d].weight is %d, but the step before it has %d: weights must rise from step to step" $index $weight $last) }}
{{- end }}
{{- if gt (include "latchkey.milliseconds" $step.checkEvery | int) (include "latchkey.milliseconds" $step.hold | int) }}
{{- fail (printf "rollout.schedule[%d].checkEvery is %s, longer than its hold of %s: no check would run before the next step" $index $step.checkEvery $step.hold) }}
{{- end }}
{{- $last = $weight }}
{{- end }}
{{- if and . (ne $last 100) }}
{{- fail (printf "rollout.schedule ends at weight %d: the last step must have weight 100, or the new version is never promoted" $last) }}
{{- end }}
{{- end }}
