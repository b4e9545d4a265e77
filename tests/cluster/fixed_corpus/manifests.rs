//! Manifests that are not in this repository's own files, and where custom resources hold pods.

/// Where the custom resources of the corpus hold pods.
pub const CUSTOM_RESOURCES: &str = "
apiVersion: secretfence.dev/v1alpha1
kind: PodTemplates
metadata: {name: of-the-corpus}
spec:
  rows:
    - {group: argoproj.io, versions: [v1alpha1], resource: rollouts, kind: Rollout, paths: [spec.template]}
    - group: elasticsearch.k8s.elastic.co
      versions: [v1]
      resource: elasticsearches
      kind: Elasticsearch
      paths: ['spec.nodeSets[*].podTemplate']
    - group: extensions.agents.x-k8s.io
      versions: [v1alpha1]
      resource: sandboxtemplates
      kind: SandboxTemplate
      paths: [spec.podTemplate]
    - group: leaderworkerset.x-k8s.io
      versions: [v1]
      resource: leaderworkersets
      kind: LeaderWorkerSet
      paths: [spec.leaderWorkerTemplate.leaderTemplate, spec.leaderWorkerTemplate.workerTemplate]
    - group: ray.io
      versions: [v1]
      resource: rayclusters
      kind: RayCluster
      paths: [spec.headGroupSpec.template, 'spec.workerGroupSpecs[*].template']
    - group: ray.io
      versions: [v1]
      resource: rayservices
      kind: RayService
      paths: [spec.rayClusterConfig.headGroupSpec.template, 'spec.rayClusterConfig.workerGroupSpecs[*].template']
";

/// What no manifest of this repository has: a List, JSON, flow style, whole Secrets with their keys beside them, and beside
/// a ConfigMap; a custom resource; and one reference that stays, since the program is told the variable.
pub const OTHER_LAYOUTS: [(&str, &str); 4] = [
    (
        "list.json",
        r#"{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [
    {"name": "a", "image": "a", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "a"}}}]}]}},
  {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "b"}, "spec": {"schedule": "@daily", "jobTemplate": {
    "spec": {"template": {"spec": {"restartPolicy": "Never", "initContainers": [{"name": "i", "image": "i", "env": [
      {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "b", "optional": true}}}]}],
      "containers": [{"name": "b", "image": "b"}]}}}}}}
]}
"#,
    ),
    (
        "whole-secrets.yaml",
        "\
apiVersion: v1
kind: Secret
metadata: {name: whole}
stringData: {USER: u, PASSWORD: p}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: whole}
spec:
  serviceName: whole
  selector: {matchLabels: {app: whole}}
  template:
    metadata: {labels: {app: whole}}
    spec:
      securityContext: {fsGroup: 2000, runAsNonRoot: true}
      containers:
      - name: whole
        image: whole
        envFrom:
        - configMapRef: {name: defaults}
        - secretRef: {name: whole}
          prefix: DB_
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
",
    ),
    (
        "custom.yaml",
        "\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: custom}
spec:
  template:
    spec:
      containers: [{name: a, image: a, env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: a}}}]}]
",
    ),
    (
        "one-stays.yaml",
        "\
apiVersion: batch/v1
kind: Job
metadata: {name: one-stays}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: a
          image: a
          args: [--user=$(USER)] # the shell would see nothing
          env:
            - {name: USER, valueFrom: {secretKeyRef: {name: db, key: user}}}
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
",
    ),
];

/// The Secret that the example takes whole.
pub const KEYS_OF_BACKUP: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: backup}
stringData: {BUCKET: b, TOKEN: t}
";
