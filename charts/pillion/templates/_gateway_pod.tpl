{{/* The spec of a gateway's pods, as files/gateway.yaml makes it for others: (list NAME ROOT). */}}
{{- define "pillion.gatewayPod" -}}
{{- $id := . -}}
{{- $gateway := index (index . 1).Values.gateways (index . 0) -}}
{{- with index . 1 -}}
serviceAccountName: {{ include "pillion.gatewayAccount" $id }}
automountServiceAccountToken: false
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $gateway.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $gateway.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1337
  runAsGroup: 1337
  seccompProfile:
    type: RuntimeDefault
  # Allows ports below 1024 without root.
  sysctls:
    - name: net.ipv4.ip_unprivileged_port_start
      value: "0"
containers:
  - name: istio-proxy
    image: {{ include "pillion.proxyImage" . | quote }}
    {{- with .Values.global.imagePullPolicy }}
    imagePullPolicy: {{ . }}
    {{- end }}
    args:
      - gateway
      - --domain
      - $(POD_NAMESPACE).svc.{{ .Values.global.proxy.clusterDomain }}
      - --log-level={{ .Values.global.proxy.logLevel }}
      {{- with .Values.global.proxy.componentLogLevel }}
      - --component-log-level={{ . }}
      {{- end }}
    ports:
      {{- include "pillion.gatewayContainerPorts" $gateway | fromJsonArray | toYaml | nindent 6 }}
    env:
      {{- include "pillion.gatewayEnvironment" $id | nindent 6 }}
    readinessProbe:
      httpGet: {path: /healthz/ready, port: 15021}
      periodSeconds: 2
      timeoutSeconds: 3
      failureThreshold: 4
    resources:
      {{- toYaml $gateway.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      privileged: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    volumeMounts:
      - {name: istiod-ca-cert, mountPath: /var/run/secrets/istio, readOnly: true}
      - {name: istio-data, mountPath: /var/lib/istio/data}
      - {name: istio-token, mountPath: /var/run/secrets/tokens, readOnly: true}
      - {name: istio-podinfo, mountPath: /etc/istio/pod, readOnly: true}
volumes:
  - name: istio-data
    emptyDir: {}
  - name: istio-podinfo
    downwardAPI:
      items:
        - path: labels
          fieldRef: {fieldPath: metadata.labels}
        - path: annotations
          fieldRef: {fieldPath: metadata.annotations}
  - name: istio-token
    projected:
      sources:
        - serviceAccountToken:
            audience: istio-ca
            expirationSeconds: 43200
            path: istio-token
  # The pod starts once discovery has written it.
  - name: istiod-ca-cert
    configMap:
      name: istio-ca-root-cert{{ include "pillion.suffix" . }}
{{- with $gateway.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $gateway.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- with $gateway.affinity }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "pillion.gatewaySelectorLabels" $id | nindent 14 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The proxy's image as HUB/IMAGE:TAG; an image with a slash is used unchanged. */}}
{{- define "pillion.proxyImage" -}}
{{- $image := .Values.global.proxy.image -}}
{{- if contains "/" $image -}}
{{ $image }}
{{- else -}}
{{ .Values.global.hub }}/{{ $image }}:{{ .Values.global.tag }}
{{- end -}}
{{- end }}
