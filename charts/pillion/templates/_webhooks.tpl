{{/*
The webhooks for one value of the label istio.io/rev, with Istio's names and selectors: (dict "root" ROOT "rev" VALUE).
At most one of them matches a pod: their namespace selectors are mutually exclusive, or else their object selectors are.
*/}}
{{- define "pillion.webhooks" -}}
{{- $root := .root -}}
{{- $isDefault := eq .rev "default" -}}
- name: rev.namespace.sidecar-injector.istio.io
  {{- include "pillion.webhookCommon" $root | nindent 2 }}
  namespaceSelector:
    matchExpressions:
      - {key: istio.io/rev, operator: In, values: [{{ .rev | quote }}]}
      - {key: istio-injection, operator: DoesNotExist}
      {{- include "pillion.otherNamespaces" (list $root) | nindent 6 }}
  objectSelector:
    matchExpressions:
      - {key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}
- name: rev.object.sidecar-injector.istio.io
  {{- include "pillion.webhookCommon" $root | nindent 2 }}
  namespaceSelector:
    matchExpressions:
      - {key: istio.io/rev, operator: DoesNotExist}
      - {key: istio-injection, operator: DoesNotExist}
      {{- include "pillion.otherNamespaces" (list $root) | nindent 6 }}
  objectSelector:
    matchExpressions:
      - {key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}
      - {key: istio.io/rev, operator: In, values: [{{ .rev | quote }}]}
{{- if $isDefault }}
- name: namespace.sidecar-injector.istio.io
  {{- include "pillion.webhookCommon" $root | nindent 2 }}
  namespaceSelector:
    matchExpressions:
      - {key: istio-injection, operator: In, values: [enabled]}
      {{- include "pillion.otherNamespaces" (list $root) | nindent 6 }}
  objectSelector:
    matchExpressions:
      - {key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}
- name: object.sidecar-injector.istio.io
  {{- include "pillion.webhookCommon" $root | nindent 2 }}
  namespaceSelector:
    matchExpressions:
      - {key: istio-injection, operator: DoesNotExist}
      - {key: istio.io/rev, operator: DoesNotExist}
      {{- include "pillion.otherNamespaces" (list $root) | nindent 6 }}
  objectSelector:
    matchExpressions:
      - {key: sidecar.istio.io/inject, operator: In, values: ["true"]}
      - {key: istio.io/rev, operator: DoesNotExist}
{{- if $root.Values.sidecarInjectorWebhook.enableNamespacesByDefault }}
- name: auto.sidecar-injector.istio.io
  {{- include "pillion.webhookCommon" $root | nindent 2 }}
  namespaceSelector:
    matchExpressions:
      - {key: istio-injection, operator: DoesNotExist}
      - {key: istio.io/rev, operator: DoesNotExist}
      {{- include "pillion.otherNamespaces" (list $root "kube-public" "kube-node-lease" "local-path-storage") | nindent 6 }}
  objectSelector:
    matchExpressions:
      - {key: sidecar.istio.io/inject, operator: DoesNotExist}
      - {key: istio.io/rev, operator: DoesNotExist}
{{- end }}
{{- end }}
{{- end }}

{{/*
The fields that all webhooks share. They deliberately have no caBundle: the injector writes it, and upgrades and rollbacks
don't change a field that is in no manifest of the release.
*/}}
{{- define "pillion.webhookCommon" -}}
clientConfig:
  {{- with .Values.sidecarInjectorWebhook.injectionURL }}
  url: {{ . | quote }}
  {{- else }}
  service:
    name: {{ include "pillion.injector" . }}
    namespace: {{ .Release.Namespace }}
    path: /inject
    port: 443
  {{- end }}
rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
    scope: Namespaced
failurePolicy: Fail
matchPolicy: Equivalent
reinvocationPolicy: {{ .Values.sidecarInjectorWebhook.reinvocationPolicy }}
sideEffects: None
timeoutSeconds: 10
admissionReviewVersions: [v1, v1beta1]
{{- end }}

{{/*
Excludes the namespaces that are never injected, whatever their labels: (list ROOT MORE...). The injector's own is one of
them, because its pods would wait for themselves.
*/}}
{{- define "pillion.otherNamespaces" -}}
{{- $namespaces := concat (list "kube-system" (first .).Release.Namespace) (rest .) | uniq -}}
- {key: kubernetes.io/metadata.name, operator: NotIn, values: [{{ join ", " $namespaces }}]}
{{- end }}
