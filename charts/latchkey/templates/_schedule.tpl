{{/* Seconds of a duration such as 1h30m; the schema has already refused anything else. */}}
{{- define "latchkey.seconds" -}}
{{- $total := 0 }}
{{- $unitSeconds := dict "h" 3600 "m" 60 "s" 1 }}
{{- range $part := regexFindAll "[0-9]+[hms]" . -1 }}
{{- $total = add $total (mul (regexFind "[0-9]+" $part | int) (get $unitSeconds (regexFind "[hms]" $part))) }}
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
{{- if gt (include "latchkey.seconds" $step.checkEvery | int) (include "latchkey.seconds" $step.hold | int) }}
{{- fail (printf "rollout.schedule[%d].checkEvery is %s, longer than its hold of %s: no check would run before the next step" $index $step.checkEvery $step.hold) }}
{{- end }}
{{- $last = $weight }}
{{- end }}
{{- if and . (ne $last 100) }}
{{- fail (printf "rollout.schedule ends at weight %d: the last step must have weight 100, or the new version is never promoted" $last) }}
{{- end }}
{{- end }}
