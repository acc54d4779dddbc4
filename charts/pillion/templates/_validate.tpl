{{/*
Validates that the values have what templates can't do without. After an upgrade with --reuse-values they are those of the chart before, in
which newer keys are missing: they would come to nothing, or to flags without a value.
*/}}
{{- define "pillion.validateKeys" -}}
{{- $needed := list "crds" "discovery.enabled" "injector.clientCA" "injector.networkPolicy.ingress" -}}
{{- if (.Values.discovery | default dict).enabled -}}
{{- range $key := list "caOverlap" "defaultLoadBalancer" "logFormat" "maxWorkloadCertificateLifetime" "mutualTls" "networkPolicy" "podDisruptionBudget" "statuses" "validation" "workloadCertificateLifetime" -}}
{{- $needed = append $needed (printf "discovery.%s" $key) -}}
{{- end -}}
{{- end -}}
{{- $missing := list -}}
{{- range $path := $needed -}}
{{- $value := $.Values -}}
{{- range $key := splitList "." $path -}}
{{- $value = index ($value | default dict) $key -}}
{{- end -}}
{{- if kindIs "invalid" $value -}}
{{- $missing = append $missing $path -}}
{{- end -}}
{{- end -}}
{{- if $missing -}}
{{- fail (printf "these values are missing or null: %s. With helm upgrade --reuse-values, they are those of an older chart: use --reset-then-reuse-values, which adds the defaults of this one" (join ", " $missing)) -}}
{{- end -}}
{{- end }}

{{/* The minutes of a duration such as 90d, 24h or 30m. */}}
{{- define "pillion.minutes" -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get (dict "d" 1440 "h" 60 "m" 1) (regexFind "[dhm]$" .)) -}}
{{- end }}

{{/* Validates how long certificates last, as the discovery service does, which only knows its flags: discovery's values. */}}
{{- define "pillion.validateLifetimes" -}}
{{- $lifetime := include "pillion.minutes" .workloadCertificateLifetime | int64 -}}
{{- $longest := include "pillion.minutes" .maxWorkloadCertificateLifetime | int64 -}}
{{- $overlap := include "pillion.minutes" .caOverlap | int64 -}}
{{- /* The default of --ca-lifetime, which the chart does not set. */ -}}
{{- $ca := include "pillion.minutes" "3650d" | int64 -}}
{{- if gt $lifetime $longest -}}
{{- fail (printf "discovery.workloadCertificateLifetime is %s, which is longer than discovery.maxWorkloadCertificateLifetime, %s: set the latter to at least %s, too, or shorten the former" .workloadCertificateLifetime .maxWorkloadCertificateLifetime .workloadCertificateLifetime) -}}
{{- end -}}
{{- if gt (mul 6 $overlap) $ca -}}
{{- fail (printf "discovery.caOverlap is %s, but must be at most 608d: the mesh's CA is valid for 3650d, and six overlaps must fit into that" .caOverlap) -}}
{{- end -}}
{{- if gt (add (mul 2 $longest) (mul 4 $overlap)) $ca -}}
{{- fail (printf "discovery.maxWorkloadCertificateLifetime is %s, but with twice discovery.caOverlap (%s) it must come to at most 1825d, half of the 3650d for which the mesh's CA is valid: shorten one of them" .maxWorkloadCertificateLifetime .caOverlap) -}}
{{- end -}}
{{- end }}

{{/* Validates what the schema can't. */}}
{{- define "pillion.validate" -}}
{{- include "pillion.validateKeys" . -}}
{{- if .Values.discovery.enabled -}}
{{- include "pillion.validateLifetimes" .Values.discovery -}}
{{- end -}}
{{- with .Values.global.caAddress -}}
{{- fail (printf "global.caAddress is %q, but proxies get their certificates from the discovery service alone: remove the value. To have a CA of your own sign, plug it in as the Secret cacerts (docs/identity.md)" .) -}}
{{- end -}}
{{- $expected := .Values.global.istioNamespace -}}
{{- if not (has $expected (list "" "istio-system" .Release.Namespace)) -}}
{{- fail (printf "global.istioNamespace is %q, but the release is installed in the namespace %q: omit the value, or install with -n %s" $expected .Release.Namespace $expected) -}}
{{- end -}}
{{- $revision := include "pillion.revision" . -}}
{{- if has $revision .Values.revisionTags -}}
{{- fail (printf "revisionTags contains %q, which is the revision itself: its pods would be injected twice" $revision) -}}
{{- end -}}
{{- if and (eq (dig "outboundTrafficPolicy" "mode" "" .Values.meshConfig) "REGISTRY_ONLY") (not .Values.discovery.enabled) -}}
{{- fail "meshConfig.outboundTrafficPolicy.mode is REGISTRY_ONLY, to which proxies keep only with discovery: set discovery.enabled, or use a NetworkPolicy" -}}
{{- end -}}
{{- with .Values.injector.clientCA -}}
{{- if and .configMap .secret -}}
{{- fail (printf "injector.clientCA names both the ConfigMap %q and the Secret %q: remove one of them" .configMap .secret) -}}
{{- end -}}
{{- if and .names (not (or .configMap .secret)) -}}
{{- fail "injector.clientCA.names lists names of client certificates, but no CA: set injector.clientCA.configMap or injector.clientCA.secret" -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := .Values.injector.webhookAnnotations -}}
{{- if and (hasPrefix "cert-manager.io/inject-" $key) (not $.Values.injector.certificateSecret) -}}
{{- fail (printf "injector.webhookAnnotations contains %s, but the injector makes its own certificates, which cert-manager does not manage: set injector.certificateSecret to cert-manager's Secret" $key) -}}
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
{{- fail (printf "the MutatingWebhookConfiguration %s already selects pods of the revision %q: two injectors would refuse each other's pods. Install another revision (--set revision=NAME), or remove the other installation first" $other.metadata.name $claims) -}}
{{- end -}}
{{- end -}}
{{- end }}
