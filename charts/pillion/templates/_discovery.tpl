{{/* The name of the discovery service's objects. */}}
{{- define "pillion.discovery" -}}
pillion-discovery{{ include "pillion.suffix" . }}
{{- end }}

{{/* The name of its cluster-scoped objects. */}}
{{- define "pillion.discovery.clusterName" -}}
{{ include "pillion.discovery" . }}{{ include "pillion.clusterSuffix" . }}
{{- end }}

{{/* The name of the Secret with the mesh's CA and the serving certificate, and of the Lease for renewing them. */}}
{{- define "pillion.discovery.certificates" -}}
pillion-discovery-certs{{ include "pillion.suffix" . }}
{{- end }}

{{/* The name of the Lease of the replica that writes the statuses of rules. */}}
{{- define "pillion.discovery.statusLease" -}}
pillion-discovery-status{{ include "pillion.suffix" . }}
{{- end }}

{{/* The labels that select its pods; they never change. */}}
{{- define "pillion.discovery.selectorLabels" -}}
app: pillion-discovery
istio.io/rev: {{ include "pillion.revision" . | quote }}
{{- end }}

{{/* The labels of every object of it. */}}
{{- define "pillion.discovery.labels" -}}
{{- $own := dict "app" "pillion-discovery" "app.kubernetes.io/component" "discovery" -}}
{{- mergeOverwrite (include "pillion.labels" . | fromYaml) $own | toYaml -}}
{{- end }}

{{/* The name, namespace and labels of an object in the installation's namespace: (list NAME ROOT). */}}
{{- define "pillion.discovery.metadata" -}}
{{- $root := index . 1 -}}
name: {{ index . 0 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "pillion.discovery.labels" $root | nindent 2 }}
{{- end }}

{{/* The name and labels of a cluster-scoped object: (list NAME ROOT). */}}
{{- define "pillion.discovery.clusterMetadata" -}}
{{- $root := index . 1 -}}
name: {{ index . 0 }}
labels:
  {{- include "pillion.discovery.labels" $root | nindent 2 }}
{{- end }}

{{/*
Whether the release contains an object that the discovery service fills: (list ROOT APIVERSION KIND). "true", or empty. For the reasons,
see pillion.has.
*/}}
{{- define "pillion.discovery.has" -}}
{{- $root := index . 0 -}}
{{- $kind := index . 2 -}}
{{- $namespace := $root.Release.Namespace -}}
{{- $found := lookup (index . 1) $kind $namespace (include "pillion.discovery.certificates" $root) -}}
{{- $role := lookup "rbac.authorization.k8s.io/v1" "Role" $namespace (include "pillion.discovery" $root) -}}
{{- $had := dig "metadata" "annotations" "pillion.io/has" "" ($role | default dict) | splitList "," -}}
{{- if not $found -}}
true
{{- else if or (include "pillion.isOwn" (list $root $found)) (and (include "pillion.isOwn" (list $root $role)) (has $kind $had)) -}}
true
{{- end -}}
{{- end }}

{{/* The kinds of these objects that the release contains, separated by commas. */}}
{{- define "pillion.discovery.filled" -}}
{{- $kinds := list -}}
{{- range $kind, $version := dict "Secret" "v1" "Lease" "coordination.k8s.io/v1" -}}
{{- if include "pillion.discovery.has" (list $ $version $kind) -}}
{{- $kinds = append $kinds $kind -}}
{{- end -}}
{{- end -}}
{{- join "," $kinds -}}
{{- end }}

{{/* Its image as HUB/IMAGE:TAG; an image with a slash is used unchanged. */}}
{{- define "pillion.discovery.image" -}}
{{- $image := .Values.discovery.image -}}
{{- if contains "/" $image -}}
{{ $image }}
{{- else -}}
{{ .Values.global.hub }}/{{ $image }}:{{ .Values.global.tag }}
{{- end -}}
{{- end }}

{{/* The configuration of the webhook that reviews rules. */}}
{{- define "pillion.discovery.webhookConfiguration" -}}
istio-validator{{ include "pillion.suffix" . }}{{ include "pillion.clusterSuffix" . }}
{{- end }}
