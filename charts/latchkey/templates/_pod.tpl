{{/* The API's environment. It is written into the pod template so that configuration versions, rolls out and goes back with the code. */}}
{{- define "latchkey.env" -}}
- name: APP_ENV
  value: {{ .Values.config.environment }}
- name: APP_VERSION
  value: {{ include "latchkey.tag" . | quote }}
- name: EXPOSE_VERSION
  value: {{ .Values.config.exposeVersion | quote }}
- name: LOG_LEVEL
  value: {{ .Values.config.logLevel }}
- name: BCRYPT_COST
  value: {{ .Values.config.bcryptCost | int | quote }}
- name: SHUTDOWN_GRACE_SECONDS
  value: {{ .Values.config.shutdownGraceSeconds | int | quote }}
{{- with .Values.config.rateLimitPerMinute }}
- name: RATE_LIMIT_PER_MINUTE
  value: {{ int . | quote }}
{{- end }}
- name: EMAIL_VERIFICATION
  value: {{ .Values.config.emailVerification }}
{{- with .Values.config.publicUrl }}
- name: PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.config.mailFrom }}
- name: MAIL_FROM
  value: {{ . | quote }}
{{- end }}
{{- with .Values.config.allowedOrigins }}
- name: ALLOWED_ORIGINS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.config.cohortCookie }}
- name: COHORT_COOKIE
  value: {{ . | quote }}
{{- end }}
{{- with .Values.config.trustProxy }}
- name: TRUST_PROXY
  value: {{ join "," . | quote }}
{{- end }}
{{- if and .Values.rollout.enabled .Values.rollout.operatorUrl }}
- name: AUTH_ROLLOUT_URL
  value: {{ printf "%s/rollouts/%s/%s/percentage" (trimSuffix "/" .Values.rollout.operatorUrl) .Release.Namespace (include "latchkey.fullname" .) | quote }}
{{- end }}
{{- with .Values.config.authUpstream }}
{{- if .url }}
- name: AUTH_UPSTREAM_URL
  value: {{ .url | quote }}
- name: AUTH_UPSTREAM_SERVICE_ID
  value: {{ .serviceId | quote }}
{{- with .attempts }}
- name: AUTH_UPSTREAM_ATTEMPTS
  value: {{ int . | quote }}
{{- end }}
- name: AUTH_UPSTREAM_CONNECT_TIMEOUT_MS
  value: {{ .connectTimeoutMs | int | quote }}
- name: AUTH_UPSTREAM_READ_TIMEOUT_MS
  value: {{ .readTimeoutMs | int | quote }}
- name: AUTH_UPSTREAM_HEALTH_PATH
  value: {{ .healthPath | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* One secret value by reference: dict "secret" NAME "key" KEY "optional" BOOL. */}}
{{- define "latchkey.secretEnv" -}}
- name: {{ .key }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{/* The API's secrets by reference. */}}
{{- define "latchkey.secretsEnv" -}}
{{- $secret := include "latchkey.secret" . }}
{{- range $i, $key := list "DATABASE_URL" "JWT_PRIVATE_KEY" "REFRESH_TOKEN_KEY" "PASSWORD_PEPPER" "ENCRYPTION_KEY" }}
{{- if $i }}{{ "\n" }}{{ end }}
{{- include "latchkey.secretEnv" (dict "secret" $secret "key" $key) }}
{{- end }}
{{- if (.Values.config.authUpstream).url }}
{{ include "latchkey.secretEnv" (dict "secret" $secret "key" "AUTH_UPSTREAM_SERVICE_SECRET") }}
{{- end }}
{{- range $key := list "REDIS_URL" "SMTP_URL" "JWT_VERIFICATION_KEYS" "PASSWORD_PEPPERS_PREVIOUS" "ENCRYPTION_KEYS_PREVIOUS" "AUDIT_KEY" "AUDIT_KEYS_PREVIOUS" "SERVICE_KEYS" }}
{{ include "latchkey.secretEnv" (dict "secret" $secret "key" $key "optional" true) }}
{{- end }}
{{- end }}

{{/* It alone sees the owner's URL; the API's it needs to grant that role. */}}
{{- define "latchkey.migrateContainer" -}}
- name: migrate
  image: {{ include "latchkey.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [node, api/src/cli/db.ts, migrate]
  env:
    {{- $secret := include "latchkey.secret" . }}
    {{- range $key := list "MIGRATION_DATABASE_URL" "DATABASE_URL" }}
    {{- include "latchkey.secretEnv" (dict "secret" $secret "key" $key) | nindent 4 }}
    {{- end }}
  securityContext:
    {{- include "latchkey.containerSecurityContext" . | nindent 4 }}
  resources:
    {{- toYaml .Values.migrate.resources | nindent 4 }}
{{- end }}

{{/* The restricted Pod Security level and a read-only root. 65532 is the images' user. */}}
{{- define "latchkey.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "latchkey.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
