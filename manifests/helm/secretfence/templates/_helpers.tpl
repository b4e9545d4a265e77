{{- define "secretfence.labels" -}}
app.kubernetes.io/name: secretfence
{{ include "secretfence.labelsOfHelm" . }}
{{- end }}

{{- define "secretfence.labelsOfHelm" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Those of selectors: they must never change. */}}
{{- define "secretfence.selector" -}}
app.kubernetes.io/name: secretfence
{{- end }}

{{/* Of the scheduled audit: not those of the webhook, whose Service would lead to it. */}}
{{- define "secretfence.auditLabels" -}}
{{ include "secretfence.auditSelector" . }}
{{ include "secretfence.labelsOfHelm" . }}
{{- end }}

{{- define "secretfence.auditSelector" -}}
app.kubernetes.io/name: secretfence-audit
{{- end }}

{{- define "secretfence.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "secretfence.managed" -}}
{{- if eq .Values.certificates.mode "managed" }}true{{ end -}}
{{- end }}

{{- define "secretfence.clusterAccess" -}}
{{- if or .Values.clusterAccess.enabled .Values.clusterAccess.rules }}true{{ end -}}
{{- end }}

{{/* A token, and a way to the API server. */}}
{{- define "secretfence.callsTheCluster" -}}
{{- if or (include "secretfence.managed" .) (include "secretfence.clusterAccess" .) }}true{{ end -}}
{{- end }}

{{/* The files of policies, as YAML. */}}
{{- define "secretfence.policies" -}}
{{- if .Values.policies -}}
{{ toYaml .Values.policies }}
{{- else -}}
{{- $name := ternary "secrets-as-files.yaml" "starter.yaml" (eq .Values.registration "opt-in") -}}
{{ dict $name (.Files.Get (printf "files/policies/%s" $name)) | toYaml }}
{{- end -}}
{{- end }}

{{/* A hash of the content in the name, so that a change of policy is a rollout. */}}
{{- define "secretfence.policiesName" -}}
{{- if .Values.existingConfigMap -}}
{{ .Values.existingConfigMap }}
{{- else -}}
secretfence-policies-{{ include "secretfence.policies" . | sha256sum | trunc 10 }}
{{- end -}}
{{- end }}

{{- define "secretfence.subject" -}}
- kind: ServiceAccount
  name: secretfence
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "secretfence.auditSubject" -}}
- kind: ServiceAccount
  name: secretfence-audit
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* What the schema cannot say: one value against another. */}}
{{- define "secretfence.checks" -}}
{{- if eq .Release.Namespace "default" -}}
{{- fail "its own namespace is never judged: install it in a namespace of its own (--namespace secretfence --create-namespace)" -}}
{{- end -}}
{{- range $name, $_ := .Values.policies -}}
{{- if not (regexMatch `^[^.].*\.(yaml|yml|json)$` $name) -}}
{{- fail (printf "policies: a file named %q is not read: begin it with a letter, and end it in .yaml, .yml or .json" $name) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.certificates.secretName "secretfence-certificates" -}}
{{- fail "certificates.secretName: secretfence-certificates is the webhook's own: name the Secret otherwise" -}}
{{- end -}}
{{- if not (has "kube-system" .Values.systemNamespaces) -}}
{{- fail "systemNamespaces leaves out kube-system: a stopped cluster might not start again. To add to the list, there is extraSystemNamespaces" -}}
{{- end -}}
{{- if and .Values.policies .Values.existingConfigMap -}}
{{- fail "policies and existingConfigMap are both given: give one of them" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (ge (int .Values.podDisruptionBudget.minAvailable) (int .Values.replicas)) -}}
{{- fail (printf "no node with a replica could be drained: give more replicas than podDisruptionBudget.minAvailable (%d), or set podDisruptionBudget.enabled=false" (int .Values.podDisruptionBudget.minAvailable)) -}}
{{- end -}}
{{- if eq (int .Values.ports.reviews) (int .Values.ports.admin) -}}
{{- fail "ports.reviews and ports.admin are the same: one listener speaks TLS, the other does not" -}}
{{- end -}}
{{- end }}
