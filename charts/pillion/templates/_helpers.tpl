{{/* The revision; an unnamed one is "default". */}}
{{- define "pillion.revision" -}}
{{- .Values.revision | default "default" -}}
{{- end }}

{{/* What a revision appends to names: nothing for the default one. */}}
{{- define "pillion.suffix" -}}
{{- $revision := include "pillion.revision" . -}}
{{- if ne $revision "default" }}-{{ $revision }}{{ end -}}
{{- end }}

{{/* The name of the injector's objects. */}}
{{- define "pillion.injector" -}}
pillion-injector{{ include "pillion.suffix" . }}
{{- end }}

{{/* Names of cluster-wide objects must differ between installations in different namespaces. */}}
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

{{/* The Secret of the injector's own certificates, and the Lease that says who renews them. */}}
{{- define "pillion.certificates" -}}
pillion-injector-certs{{ include "pillion.suffix" . }}
{{- end }}

{{/* Labels that pods are selected by; they never change. */}}
{{- define "pillion.selectorLabels" -}}
app: pillion-injector
istio.io/rev: {{ include "pillion.revision" . | quote }}
{{- end }}

{{/* Labels of every object, apart from app. */}}
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

{{/* Name, namespace and labels of an object in the installation's namespace: (list NAME ROOT) */}}
{{- define "pillion.metadata" -}}
{{- $root := index . 1 -}}
name: {{ index . 0 }}
namespace: {{ $root.Release.Namespace }}
labels:
  app: pillion-injector
  {{- include "pillion.labels" $root | nindent 2 }}
{{- end }}

{{/*
The CEL expression that two maps have the same keys and values, but for some keys: (dict "before" MAP "after" MAP "but" KEYS).
*/}}
{{- define "pillion.same" -}}
{{ .after }}.all(key, key in {{ .but | toJson }} || (key in {{ .before }} && {{ .after }}[key] == {{ .before }}[key])) &&
{{ .before }}.all(key, key in {{ .but | toJson }} || key in {{ .after }})
{{- end }}

{{/*
Whether a release has an object that the injector fills: (list ROOT APIVERSION KIND). "true", or nothing.

The chart makes it for own certificates. But one that is there already may be the injector's own, or another release's; Helm would
refuse to install over that. One of this release stays in it, whatever the values: Helm 4, when it goes back to a release that
has an object from one that does not, may take out of it what it holds. And so does one that the last release has made and somebody
has made anew since: Helm goes by that release's manifest, and deletes what the next one lacks. A manifest can't be looked up, so an
annotation of the Role tells what was in it.
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

{{/* The kinds of those that it has, separated by commas. */}}
{{- define "pillion.filled" -}}
{{- $kinds := list -}}
{{- range $kind, $version := dict "Secret" "v1" "Lease" "coordination.k8s.io/v1" -}}
{{- if include "pillion.has" (list $ $version $kind) -}}
{{- $kinds = append $kinds $kind -}}
{{- end -}}
{{- end -}}
{{- join "," $kinds -}}
{{- end }}

{{/* Whether an object of the cluster belongs to this release: (list ROOT OBJECT). "true", or nothing. */}}
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

{{/* HUB/IMAGE:TAG of the injector; an image with a slash is taken as it is. */}}
{{- define "pillion.image" -}}
{{- $image := .Values.injector.image -}}
{{- if contains "/" $image -}}
{{ $image }}
{{- else -}}
{{ .Values.global.hub }}/{{ $image }}:{{ .Values.global.tag }}
{{- end -}}
{{- end }}

{{/* Faults that a schema can't see. */}}
{{- define "pillion.validate" -}}
{{- $wanted := .Values.global.istioNamespace -}}
{{- if not (has $wanted (list "" "istio-system" .Release.Namespace)) -}}
{{- fail (printf "global.istioNamespace is %q, but the release goes into the namespace %q: leave the value out, or install with -n %s" $wanted .Release.Namespace $wanted) -}}
{{- end -}}
{{- $revision := include "pillion.revision" . -}}
{{- if has $revision .Values.revisionTags -}}
{{- fail (printf "revisionTags has %q, which is the revision itself: its pods would be injected twice" $revision) -}}
{{- end -}}
{{- with .Values.injector.clientCA -}}
{{- if and .configMap .secret -}}
{{- fail (printf "injector.clientCA names the ConfigMap %q and the Secret %q: leave one of them out" .configMap .secret) -}}
{{- end -}}
{{- if and .names (not (or .configMap .secret)) -}}
{{- fail "injector.clientCA.names lists names of client certificates, but no CA: set injector.clientCA.configMap or injector.clientCA.secret" -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := .Values.injector.webhookAnnotations -}}
{{- if and (hasPrefix "cert-manager.io/inject-" $key) (not $.Values.injector.certificateSecret) -}}
{{- fail (printf "injector.webhookAnnotations has %s, but the injector makes its own certificates, which cert-manager does not know: set injector.certificateSecret to cert-manager's Secret" $key) -}}
{{- end -}}
{{- end -}}
{{- $release := printf "%s/%s" .Release.Namespace .Release.Name -}}
{{- range $other := (lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" "").items -}}
{{- $labels := $other.metadata.labels | default dict -}}
{{- $notes := $other.metadata.annotations | default dict -}}
{{- $owner := printf "%s/%s" (get $notes "meta.helm.sh/release-namespace") (get $notes "meta.helm.sh/release-name") -}}
{{- $claims := get $labels "istio.io/tag" | default (get $labels "istio.io/rev") -}}
{{- $isOff := contains "istio.io/deactivated" (toJson ($other.webhooks | default list)) -}}
{{- if and (eq (get $labels "app") "sidecar-injector") (ne $owner $release) (not $isOff) (has $claims (concat (list $revision) $.Values.revisionTags)) -}}
{{- fail (printf "the MutatingWebhookConfiguration %s selects pods of the revision %q already: two injectors would refuse each other's pods. Install another revision (--set revision=NAME), or remove the other one first" $other.metadata.name $claims) -}}
{{- end -}}
{{- end -}}
{{- end }}
