{{/* The gateways to install, by Istio's names; none without discovery, which configures them. */}}
{{- define "pillion.gateways" -}}
{{- $names := list -}}
{{- if .Values.discovery.enabled -}}
{{- range $name, $gateway := .Values.gateways -}}
{{- if $gateway.enabled -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end }}

{{/* The name of a gateway's objects: (list NAME ROOT). */}}
{{- define "pillion.gateway" -}}
{{ index . 0 }}{{ include "pillion.suffix" (index . 1) }}
{{- end }}

{{/* The name of its service account; the same as Istio's: (list NAME ROOT). */}}
{{- define "pillion.gatewayAccount" -}}
{{ include "pillion.gateway" . }}-service-account
{{- end }}

{{/* The labels that select a gateway's pods; they never change: (list NAME ROOT). */}}
{{- define "pillion.gatewaySelectorLabels" -}}
app: {{ index . 0 }}
istio: {{ trimPrefix "istio-" (index . 0) }}
istio.io/rev: {{ include "pillion.revision" (index . 1) | quote }}
{{- end }}

{{/* The labels of a gateway's objects: (list NAME ROOT). */}}
{{- define "pillion.gatewayLabels" -}}
{{- $own := include "pillion.gatewaySelectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" "gateway" -}}
{{- mergeOverwrite (include "pillion.labels" (index . 1) | fromYaml) $own | toYaml -}}
{{- end }}

{{/* The name, namespace and labels of a gateway's object: (list OBJECT NAME ROOT). */}}
{{- define "pillion.gatewayMetadata" -}}
name: {{ index . 0 }}
namespace: {{ (index . 2).Release.Namespace }}
labels:
  {{- include "pillion.gatewayLabels" (rest .) | nindent 2 }}
{{- end }}

{{/*
A value of an environment variable, in quotes. Kubernetes expands $(NAME) in it; what is given as JSON has no "$" then.
*/}}
{{- define "pillion.jsonVariable" -}}
{{ . | toJson | replace "$" "\\u0024" | quote }}
{{- end }}

{{/* The environment of a gateway's proxy, as in files/gateway.yaml: (list NAME ROOT). */}}
{{- define "pillion.gatewayEnvironment" -}}
{{- $name := include "pillion.gateway" . -}}
{{- $canonicalName := index . 0 -}}
{{- $gateway := index (index . 1).Values.gateways $canonicalName -}}
{{- with index . 1 -}}
{{- $mesh := .Values.meshConfig -}}
{{- $proxyConfig := $mesh.defaultConfig | default dict -}}
{{- $trustDomain := $mesh.trustDomain | default "cluster.local" -}}
{{- $discovery := printf "%s.%s.svc:15012" (include "pillion.discovery" .) .Release.Namespace -}}
- name: CA_ADDR
  value: {{ $proxyConfig.discoveryAddress | default $discovery | quote }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: INSTANCE_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: SERVICE_ACCOUNT
  valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}
- name: HOST_IP
  valueFrom: {fieldRef: {fieldPath: status.hostIP}}
- name: ISTIO_CPU_LIMIT
  valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: "1"}}
- name: PROXY_CONFIG
  value: {{ include "pillion.jsonVariable" (merge (deepCopy $proxyConfig) (dict "discoveryAddress" $discovery)) }}
- name: ISTIO_META_POD_PORTS
  value: {{ include "pillion.gatewayContainerPorts" $gateway | fromJsonArray | toJson | quote }}
- name: ISTIO_META_APP_CONTAINERS
  value: istio-proxy
- name: ISTIO_META_CLUSTER_ID
  value: {{ .Values.global.multiCluster.clusterName | default "Kubernetes" | quote }}
- name: ISTIO_META_NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
{{- with .Values.global.network }}
- name: ISTIO_META_NETWORK
  value: {{ . | quote }}
{{- end }}
- name: ISTIO_META_WORKLOAD_NAME
  value: {{ $name }}
- name: ISTIO_META_OWNER
  value: kubernetes://apis/apps/v1/namespaces/{{ .Release.Namespace }}/deployments/{{ $name }}
- name: CANONICAL_SERVICE
  value: {{ $canonicalName }}
- name: CANONICAL_REVISION
  value: latest
- name: ISTIO_META_MESH_ID
  value: {{ .Values.global.meshID | default $trustDomain | quote }}
- name: TRUST_DOMAIN
  value: {{ $trustDomain | quote }}
{{- with $mesh.trustDomainAliases }}
- name: PILLION_TRUST_DOMAIN_ALIASES
  value: {{ join "," . | quote }}
{{- end }}
{{- with $mesh.accessLogFile }}
- name: PILLION_ACCESS_LOG
  value: {{ include "pillion.jsonVariable" (pick $mesh "accessLogFile" "accessLogEncoding" "accessLogFormat") }}
{{- end }}
{{- range $variable, $value := $proxyConfig.proxyMetadata }}
- name: {{ $variable }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The ports of a gateway's container, each once, as JSON. */}}
{{- define "pillion.gatewayContainerPorts" -}}
{{- $ports := list -}}
{{- $seen := list -}}
{{- range .ports -}}
{{- $number := int (.targetPort | default .port) -}}
{{- $protocol := .protocol | default "TCP" -}}
{{- if not (has (printf "%d/%s" $number $protocol) $seen) -}}
{{- $seen = append $seen (printf "%d/%s" $number $protocol) -}}
{{- $ports = append $ports (dict "name" .name "containerPort" $number "protocol" $protocol) -}}
{{- end -}}
{{- end -}}
{{- toJson (append $ports (dict "name" "http-envoy-prom" "containerPort" 15090 "protocol" "TCP")) -}}
{{- end }}

{{/* Validates what the schema can't: (list NAME ROOT). */}}
{{- define "pillion.validateGateway" -}}
{{- $key := printf "gateways.%s" (index . 0) -}}
{{- with index (index . 1).Values.gateways (index . 0) -}}
{{- $names := list -}}
{{- range .ports -}}
{{- if has .name $names -}}
{{- fail (printf "%s.ports has two ports with the name %q: give one of them another name" $key .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- if and .nodePorts (eq .type "ClusterIP") -}}
{{- fail (printf "%s.nodePorts is set, but a Service of the type ClusterIP has none: set %s.type to NodePort or LoadBalancer" $key $key) -}}
{{- end -}}
{{- range $port, $number := .nodePorts -}}
{{- if not (has $port $names) -}}
{{- fail (printf "%s.nodePorts has %q, which is no port of the Service; its ports are %s" $key $port (join ", " $names)) -}}
{{- end -}}
{{- end -}}
{{- if and .externalTrafficPolicy (eq .type "ClusterIP") -}}
{{- fail (printf "%s.externalTrafficPolicy is set, but a Service of the type ClusterIP takes no traffic from outside: set %s.type to NodePort or LoadBalancer" $key $key) -}}
{{- end -}}
{{- if and (ne .type "LoadBalancer") (or .loadBalancerIP .loadBalancerClass .loadBalancerSourceRanges) -}}
{{- fail (printf "%s has settings of a load balancer, but its type is %s: set %s.type to LoadBalancer" $key .type $key) -}}
{{- end -}}
{{- end -}}
{{- end }}
