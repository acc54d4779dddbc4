{{/*
The policy by which an account may change only the caBundle of a kind of webhook configurations: (dict "root" ROOT "name" NAME "labels" TEXT
"account" NAME "role" TEXT "kind" KIND).

RBAC can't restrict a patch to a field. Without this policy, anyone who has the account's token could make its webhooks intercept
every write to the cluster. The expressions list the fields that are not compared, so that fields added by later Kubernetes
versions are compared, too.
*/}}
{{- define "pillion.onlyTheCaBundle" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    matchPolicy: Equivalent
    resourceRules:
      - apiGroups: [admissionregistration.k8s.io]
        apiVersions: ["*"]
        operations: [CREATE, UPDATE, DELETE]
        resources: [{{ .kind | lower }}s]
  matchConditions:
    - name: {{ .account }}
      expression: request.userInfo.username == {{ printf "system:serviceaccount:%s:%s" .root.Release.Namespace .account | quote }}
  variables:
    # As dyn, the objects are maps, whose keys can be listed.
    - name: before
      expression: dyn(oldObject)
    - name: after
      expression: dyn(object)
    - name: hooksBefore
      expression: "has(variables.before.webhooks) ? variables.before.webhooks : []"
    - name: hooksAfter
      expression: "has(variables.after.webhooks) ? variables.after.webhooks : []"
  validations:
    - expression: request.operation == "UPDATE"
      message: {{ .role }} may update {{ .kind }}s, but neither create nor delete them.
      reason: Forbidden
    - expression: |-
        request.operation != "UPDATE" || (
          {{- include "pillion.same" (dict "before" "variables.before" "after" "variables.after" "but" (list "metadata" "webhooks")) | nindent 10 }}
          &&
          {{- include "pillion.same" (dict "before" "variables.before.metadata" "after" "variables.after.metadata" "but" (list "managedFields" "resourceVersion" "generation")) | nindent 10 }}
        )
      message: {{ .role }} may change only the caBundle of a {{ .kind }}'s webhooks; this changes the metadata.
      reason: Forbidden
    - expression: |-
        request.operation != "UPDATE" ||
        variables.hooksBefore.map(hook, hook.name) == variables.hooksAfter.map(hook, hook.name)
      message: {{ .role }} may change only the caBundle of a {{ .kind }}'s webhooks; this adds, removes, renames or reorders webhooks.
      reason: Forbidden
    # Names of webhooks are unique. (If they are not, no change is allowed.)
    - expression: |-
        request.operation != "UPDATE" || variables.hooksBefore.all(old, variables.hooksAfter.exists_one(new,
          new.name == old.name
          &&
          {{- include "pillion.same" (dict "before" "old" "after" "new" "but" (list "clientConfig")) | nindent 10 }}
          &&
          {{- include "pillion.same" (dict "before" "old.clientConfig" "after" "new.clientConfig" "but" (list "caBundle")) | nindent 10 }}
        ))
      message: {{ .role }} may change only the caBundle of a {{ .kind }}'s webhooks; this changes another field of a webhook.
      reason: Forbidden
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end }}
