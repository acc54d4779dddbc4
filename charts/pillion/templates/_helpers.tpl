{{/* The revision; "default" if it has no name. */}}
{{- define "pillion.revision" -}}
{{- .Values.revision | default "default" -}}
{{- end }}

{{/* The suffix of names for this revision; empty for the default revision. */}}
{{- define "pillion.suffix" -}}
{{- $revision := include "pillion.revision" . -}}
{{- if ne $revision "default" }}-{{ $revision }}{{ end -}}
{{- end }}

{{/* The name of the injector's objects. */}}
{{- define "pillion.injector" -}}
pillion-injector{{ include "pillion.suffix" . }}
{{- end }}

{{/* The suffix of names of cluster-scoped objects, which must differ between installations in different namespaces. */}}
{{- define "pillion.clusterSuffix" -}}
{{- if ne .Release.Namespace "istio-system" }}-{{ .Release.Namespace }}{{ end -}}
{{- end }}

{{- define "pillion.clusterName" -}}
{{ include "pillion.injector" . }}{{ include "pillion.clusterSuffix" . }}
{{- end }}

{{/* The webhook configuration of the revision itself. */}}
{{- define "pillion.webhookConfiguration" -}}
istio-sidecar-injector{{ include "pillion.suffix" . }}{{ include "pillion.clusterSuffix" . }}
{{- end }}

{{/* The name of the Secret with the injector's own certificates, and of the Lease for renewing them. */}}
{{- define "pillion.certificates" -}}
pillion-injector-certs{{ include "pillion.suffix" . }}
{{- end }}

{{/* The labels that select pods; they never change. */}}
{{- define "pillion.selectorLabels" -}}
app: pillion-injector
istio.io/rev: {{ include "pillion.revision" . | quote }}
{{- end }}

{{/* The labels of every object, except app. */}}
{{- define "pillion.labels" -}}
istio.io/rev: {{ include "pillion.revision" . | quote }}
app.kubernetes.io/name: pillion
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: injector
app.kubernetes.io/part-of: pillion
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The name, namespace and labels of an object in the installation's namespace: (list NAME ROOT). */}}
{{- define "pillion.metadata" -}}
{{- $root := index . 1 -}}
name: {{ index . 0 }}
namespace: {{ $root.Release.Namespace }}
labels:
  app: pillion-injector
  {{- include "pillion.labels" $root | nindent 2 }}
{{- end }}

{{/*
A CEL expression that is true if two maps have the same keys and values, except for some keys:
(dict "before" MAP "after" MAP "but" KEYS).
*/}}
{{- define "pillion.same" -}}
{{ .after }}.all(key, key in {{ .but | toJson }} || (key in {{ .before }} && {{ .after }}[key] == {{ .before }}[key])) &&
{{ .before }}.all(key, key in {{ .but | toJson }} || key in {{ .after }})
{{- end }}

{{/*
Whether the release contains an object that the injector fills: (list ROOT APIVERSION KIND). "true", or empty.

The chart creates the object if the injector makes its own certificates. But an existing object may have been created by the injector,
or by another release; Helm would refuse to install over it. An object of this release stays in the release, whatever the values: when
Helm 4 rolls back from a release without an object to one that has it, it may remove the object's data. The same applies to an object
that the last release created and that somebody has recreated since: Helm uses that release's manifest, and deletes what the next
manifest lacks. A template can't look up the last manifest, so an annotation of the Role lists what was in it.
*/}}
{{- define "pillion.has" -}}
{{- $root := index . 0 -}}
{{- $kind := index . 2 -}}
{{- $namespace := $root.Release.Namespace -}}
{{- $found := lookup (index . 1) $kind $namespace (include "pillion.certificates" $root) -}}
{{- $role := lookup "rbac.authorization.k8s.io/v1" "Role" $namespace (include "pillion.injector" $root) -}}
{{- $had := dig "metadata" "annotations" "pillion.io/has" "" ($role | default dict) | splitList "," -}}
{{- if not $found -}}
{{- if not $root.Values.injector.certificateSecret }}true{{ end -}}
{{- else if or (include "pillion.isOwn" (list $root $found)) (and (include "pillion.isOwn" (list $root $role)) (has $kind $had)) -}}
true
{{- end -}}
{{- end }}

{{/* The kinds of these objects that the release contains, separated by commas. */}}
{{- define "pillion.filled" -}}
{{- $kinds := list -}}
{{- range $kind, $version := dict "Secret" "v1" "Lease" "coordination.k8s.io/v1" -}}
{{- if include "pillion.has" (list $ $version $kind) -}}
{{- $kinds = append $kinds $kind -}}
{{- end -}}
{{- end -}}
{{- join "," $kinds -}}
{{- end }}

{{/* Whether an object in the cluster belongs to this release: (list ROOT OBJECT). "true", or empty. */}}
{{- define "pillion.isOwn" -}}
{{- $release := (index . 0).Release -}}
{{- $metadata := dig "metadata" dict (index . 1 | default dict) -}}
{{- $annotations := get $metadata "annotations" | default dict -}}
{{- $labels := get $metadata "labels" | default dict -}}
{{- $owner := printf "%s/%s" (get $annotations "meta.helm.sh/release-namespace") (get $annotations "meta.helm.sh/release-name") -}}
{{- if and (eq $owner (printf "%s/%s" $release.Namespace $release.Name)) (eq (get $labels "app.kubernetes.io/managed-by") "Helm") -}}
true
{{- end -}}
{{- end }}

{{/* The injector's image as HUB/IMAGE:TAG; an image with a slash is used unchanged. */}}
{{- define "pillion.image" -}}
{{- $image := .Values.injector.image -}}
{{- if contains "/" $image -}}
{{ $image }}
{{- else -}}
{{ .Values.global.hub }}/{{ $image }}:{{ .Values.global.tag }}
{{- end -}}
{{- end }}
