//! The typed API, field by field.
//!
//! Every struct is destructured without `..`: with a newer k8s-openapi this file does not compile until someone has said
//! of each new field which of three it is, and the tests hold the borrowed reader to that:
//!
//! - `finds`: its presence is a reference;
//! - `reads`: read on the way to one, or because the swap's safety depends on it;
//! - `skips`: it is kept unread until a rule on `literal` asks (`httpGet`, `fieldRef`, the `options` of a flexVolume:
//!   `tests/clear` holds the reader to those), or it hands the container no secret material of the pod's namespace, and no decision depends on it.

#![allow(clippy::needless_update, reason = "types of one field go through the same macro")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use k8s_openapi::api::apps::v1::{DaemonSetSpec, DeploymentSpec, ReplicaSetSpec, StatefulSetSpec};
use k8s_openapi::api::batch::v1::{CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    Affinity, AzureFileVolumeSource, CSIVolumeSource, CephFSVolumeSource, CinderVolumeSource, Container, EnvFromSource,
    EnvVar, EnvVarSource, EphemeralContainer, ExecAction, FileKeySelector, FlexVolumeSource, HostPathVolumeSource,
    ISCSIVolumeSource, KeyToPath, Lifecycle, LifecycleHandler, LocalObjectReference, NodeAffinity, NodeSelector,
    NodeSelectorRequirement, NodeSelectorTerm, Pod, PodOS, PodSecurityContext, PodSpec, PodTemplate, PodTemplateSpec,
    Probe, ProjectedVolumeSource, RBDVolumeSource, ReplicationControllerSpec, ScaleIOVolumeSource, SecretEnvSource,
    SecretKeySelector, SecretProjection, SecretReference, SecretVolumeSource, SecurityContext,
    ServiceAccountTokenProjection, StorageOSVolumeSource, Volume, VolumeDevice, VolumeMount, VolumeProjection,
    WindowsSecurityContextOptions,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use serde_json::{Value, json};

use super::policies;
use crate::fence::kind::Kind;
use crate::fence::reference::inventory;
use crate::fence::workload::{BUILT_IN, Shape, Workload};

/// What the borrowed reader makes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Finds(Kind),
    Reads,
    Skips,
}

/// A value that is there.
trait Present {
    fn present() -> Self;
}

impl<T: Default> Present for Option<T> {
    fn present() -> Self {
        Some(T::default())
    }
}

impl<T: Default> Present for Vec<T> {
    fn present() -> Self {
        vec![T::default()]
    }
}

macro_rules! present {
    ($($type:ty: $value:expr),* $(,)?) => {
        $(impl Present for $type {
            fn present() -> Self {
                $value
            }
        })*
    };
}

present! {
    String: "x".to_owned(),
    bool: true,
    i32: 1,
    i64: 1,
    BTreeMap<String, String>: BTreeMap::new(),
    LocalObjectReference: LocalObjectReference { name: "x".to_owned() },
    ObjectMeta: ObjectMeta { name: Some("x".to_owned()), ..ObjectMeta::default() },
    PodTemplateSpec: PodTemplateSpec { spec: Some(PodSpec::default()), ..PodTemplateSpec::default() },
    JobTemplateSpec: JobTemplateSpec { spec: Some(JobSpec::default()), ..JobTemplateSpec::default() },
    k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector:
        k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector {
            match_labels: Some(BTreeMap::new()), ..Default::default()
        },
}

/// `classify!(Type, place, finds { field: Kind, … }, reads { … }, skips { … })`
macro_rules! classify {
    (
        $type:ident, $place:expr,
        finds { $($found:ident: $kind:ident),* $(,)? },
        reads { $($read:ident),* $(,)? },
        skips { $($skipped:ident),* $(,)? }
        $(, skips_unchecked { $($unchecked:ident),* $(,)? })? $(,)?
    ) => {{
        // This is the guard: no `..` here.
        let $type { $($found: _,)* $($read: _,)* $($skipped: _,)* $($($unchecked: _,)*)? } = $type::default();
        let place = &$place;
        $(hold(&$type { $found: Present::present(), ..$type::default() }, Class::Finds(Kind::$kind), stringify!($found), place);)*
        $(hold(&$type { $read: Present::present(), ..$type::default() }, Class::Reads, stringify!($read), place);)*
        $(hold(&$type { $skipped: Present::present(), ..$type::default() }, Class::Skips, stringify!($skipped), place);)*
    }};
}

/// Where a value stands in an object of a kind.
struct Place<F: Fn(Value) -> Value> {
    group: &'static str,
    kind: &'static str,
    object: F,
}

fn in_pod<F: Fn(Value) -> Value>(object: F) -> Place<F> {
    Place { group: "", kind: "Pod", object }
}

fn in_spec(member: &'static str) -> Place<impl Fn(Value) -> Value> {
    in_pod(move |value| json!({"spec": {member: value}}))
}

fn in_container(member: &'static str) -> Place<impl Fn(Value) -> Value> {
    in_pod(move |value| json!({"spec": {"containers": [{member: value}]}}))
}

fn in_volume(member: &'static str) -> Place<impl Fn(Value) -> Value> {
    in_pod(move |value| json!({"spec": {"volumes": [{member: value}]}}))
}

/// The kinds of the references found, or `None` where the reader refuses the object.
fn found<F: Fn(Value) -> Value>(value: &Value, place: &Place<F>) -> Option<Vec<Kind>> {
    let policies = policies([]);
    let shape = Shape::of(place.group, "v1", place.kind, &policies).unwrap();
    let object = (place.object)(value.clone()).to_string();
    let workload = Workload::parse(&object, shape).ok()?;
    let references = workload.templates.iter().flat_map(|(_, template)| inventory(&template.spec, &[]));
    Some(references.map(|reference| reference.kind).collect())
}

fn hold<T: Serialize + Default, F: Fn(Value) -> Value>(value: &T, class: Class, field: &str, place: &Place<F>) {
    let before = serde_json::to_value(T::default()).unwrap();
    let written = serde_json::to_value(value).unwrap();
    let changed: Vec<&String> = written
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(*value))
        .map(|(name, _)| name)
        .collect();
    let [member] = changed.as_slice() else { panic!("{field} is written as {changed:?}") };
    let context = format!("{field} of {}", std::any::type_name::<T>());

    let mut without = before.clone();
    without.as_object_mut().unwrap().remove(*member);
    let mut expected = found(&without, place).unwrap();
    if let Class::Finds(kind) = class {
        expected.push(kind);
    }
    assert_eq!(found(&written, place).as_ref(), Some(&expected), "{context}");

    // Whoever reads a field notices that its type is wrong; whoever skips it does not.
    let mistaken = [json!(17), json!({"wrong": {}})].map(|wrong| {
        let mut mistaken = written.clone();
        mistaken[*member] = wrong;
        found(&mistaken, place)
    });
    if class == Class::Skips {
        assert_eq!(mistaken, [Some(expected.clone()), Some(expected)], "{context}");
    } else {
        assert!(mistaken.iter().any(Option::is_none), "{context} is not read");
    }
}

#[test]
fn every_field_of_a_pod_is_classified() {
    let itself = || in_pod(|pod| pod);
    classify!(Pod, itself(), finds {}, reads { metadata, spec }, skips { status });
    classify!(
        ObjectMeta,
        in_pod(|metadata| json!({"metadata": metadata})),
        finds {},
        reads { annotations, generate_name, labels, name, namespace, owner_references },
        skips {
            deletion_grace_period_seconds,
            finalizers,
            generation,
            managed_fields,
            resource_version,
            self_link,
            uid,
        },
        // Times, which have no default to make one of.
        skips_unchecked { creation_timestamp, deletion_timestamp },
    );
    classify!(
        OwnerReference,
        in_pod(|owner| json!({"metadata": {"ownerReferences": [owner]}})),
        finds {},
        reads { api_version, controller, kind, name },
        skips { block_owner_deletion, uid },
    );
    classify!(
        PodSpec,
        in_pod(|spec| json!({"spec": spec})),
        finds {},
        reads {
            affinity,
            automount_service_account_token,
            containers,
            enable_service_links,
            ephemeral_containers,
            host_pid,
            image_pull_secrets,
            init_containers,
            node_selector,
            os,
            security_context,
            service_account,
            service_account_name,
            volumes,
        },
        // Claims of dynamic resources are opaque: the driver gets their secrets, not the pod.
        skips {
            active_deadline_seconds,
            dns_config,
            dns_policy,
            eviction_responders,
            host_aliases,
            host_ipc,
            host_network,
            host_users,
            hostname,
            hostname_override,
            node_name,
            overhead,
            preemption_policy,
            priority,
            priority_class_name,
            readiness_gates,
            resource_claims,
            resources,
            restart_policy,
            runtime_class_name,
            scheduler_name,
            scheduling_gates,
            scheduling_group,
            set_hostname_as_fqdn,
            share_process_namespace,
            subdomain,
            termination_grace_period_seconds,
            tolerations,
            topology_spread_constraints,
        },
    );
    classify!(
        PodSecurityContext,
        in_spec("securityContext"),
        finds {},
        reads { fs_group, run_as_non_root, run_as_user, windows_options },
        skips {
            app_armor_profile,
            fs_group_change_policy,
            run_as_group,
            se_linux_change_policy,
            se_linux_options,
            seccomp_profile,
            supplemental_groups,
            supplemental_groups_policy,
            sysctls,
        },
    );
    classify!(PodOS, in_spec("os"), finds {}, reads { name }, skips {});
    classify!(
        Affinity,
        in_spec("affinity"),
        finds {},
        reads { node_affinity },
        skips { pod_affinity, pod_anti_affinity },
    );
    classify!(
        NodeAffinity,
        in_pod(|node| json!({"spec": {"affinity": {"nodeAffinity": node}}})),
        finds {},
        reads { required_during_scheduling_ignored_during_execution },
        skips { preferred_during_scheduling_ignored_during_execution },
    );
    let required = |selector: Value| json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}}});
    classify!(NodeSelector, in_pod(required), finds {}, reads { node_selector_terms }, skips {});
    let term = move |term: Value| required(json!({"nodeSelectorTerms": [term]}));
    // The only field that can be matched is metadata.name.
    classify!(NodeSelectorTerm, in_pod(term), finds {}, reads { match_expressions }, skips { match_fields });
    classify!(
        NodeSelectorRequirement,
        in_pod(move |expression| term(json!({"matchExpressions": [expression]}))),
        finds {},
        reads { key, operator, values },
        skips {},
    );
    classify!(
        LocalObjectReference,
        in_pod(|secret| json!({"spec": {"imagePullSecrets": [secret]}})),
        finds {},
        reads { name },
        skips {},
    );
    // Of volumes of the cluster only: no pod holds one.
    let SecretReference { name: _, namespace: _ } = SecretReference::default();
}

#[test]
fn every_field_of_a_container_is_classified() {
    let list = |list: &'static str| in_pod(move |container| json!({"spec": {list: [container]}}));
    for place in ["containers", "initContainers"] {
        classify!(
            Container,
            list(place),
            finds {},
            reads {
                args,
                command,
                env,
                env_from,
                image,
                lifecycle,
                liveness_probe,
                name,
                readiness_probe,
                security_context,
                startup_probe,
                termination_message_path,
                volume_devices,
                volume_mounts,
            },
            skips {
                image_pull_policy,
                ports,
                resize_policy,
                resources,
                restart_policy,
                restart_policy_rules,
                stdin,
                stdin_once,
                termination_message_policy,
                tty,
                working_dir,
            },
        );
    }
    classify!(
        EphemeralContainer,
        list("ephemeralContainers"),
        finds {},
        reads {
            args,
            command,
            env,
            env_from,
            image,
            lifecycle,
            liveness_probe,
            name,
            readiness_probe,
            security_context,
            startup_probe,
            termination_message_path,
            volume_devices,
            volume_mounts,
        },
        skips {
            image_pull_policy,
            ports,
            resize_policy,
            resources,
            restart_policy,
            restart_policy_rules,
            stdin,
            stdin_once,
            target_container_name,
            termination_message_policy,
            tty,
            working_dir,
        },
    );
    classify!(
        SecurityContext,
        in_container("securityContext"),
        finds {},
        reads { privileged, run_as_non_root, run_as_user, windows_options },
        skips {
            allow_privilege_escalation,
            app_armor_profile,
            capabilities,
            proc_mount,
            read_only_root_filesystem,
            run_as_group,
            se_linux_options,
            seccomp_profile,
        },
    );
    classify!(
        WindowsSecurityContextOptions,
        in_pod(|options| json!({"spec": {"containers": [{"securityContext": {"windowsOptions": options}}]}})),
        finds {},
        reads { host_process },
        skips { gmsa_credential_spec, gmsa_credential_spec_name, run_as_user_name },
    );
    let mount = |mount: Value| json!({"spec": {"containers": [{"volumeMounts": [mount]}]}});
    classify!(
        VolumeMount,
        in_pod(mount),
        finds {},
        reads { mount_path, name, read_only, sub_path, sub_path_expr },
        skips { bind_mount_options, mount_propagation, recursive_read_only },
    );
    let device = |device: Value| json!({"spec": {"containers": [{"volumeDevices": [device]}]}});
    classify!(VolumeDevice, in_pod(device), finds {}, reads { device_path }, skips { name });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        classify!(
            Probe,
            in_container(probe),
            finds {},
            reads { exec },
            skips {
                failure_threshold,
                grpc,
                http_get,
                initial_delay_seconds,
                period_seconds,
                success_threshold,
                tcp_socket,
                termination_grace_period_seconds,
                timeout_seconds,
            },
        );
    }
    classify!(Lifecycle, in_container("lifecycle"), finds {}, reads { post_start, pre_stop }, skips { stop_signal });
    for hook in ["postStart", "preStop"] {
        let hook = move |handler: Value| json!({"spec": {"containers": [{"lifecycle": {hook: handler}}]}});
        classify!(LifecycleHandler, in_pod(hook), finds {}, reads { exec }, skips { http_get, sleep, tcp_socket });
    }
    let exec = |exec: Value| json!({"spec": {"containers": [{"livenessProbe": {"exec": exec}}]}});
    classify!(ExecAction, in_pod(exec), finds {}, reads { command }, skips {});
}

#[test]
fn every_field_of_an_environment_is_classified() {
    let env = |entry: Value| json!({"spec": {"containers": [{"env": [entry]}]}});
    classify!(EnvVar, in_pod(env), finds {}, reads { name, value, value_from }, skips {});
    classify!(
        EnvVarSource,
        in_pod(move |source| env(json!({"valueFrom": source}))),
        finds { secret_key_ref: SecretKeyRef, file_key_ref: FileKeyRef },
        reads {},
        skips { config_map_key_ref, field_ref, resource_field_ref },
    );
    classify!(
        SecretKeySelector,
        in_pod(move |secret| env(json!({"valueFrom": {"secretKeyRef": secret}}))),
        finds {},
        reads { key, name, optional },
        skips {},
    );
    classify!(
        FileKeySelector,
        in_pod(move |file| env(json!({"valueFrom": {"fileKeyRef": file}}))),
        finds {},
        reads { key, optional, path, volume_name },
        skips {},
    );
    let env_from = |source: Value| json!({"spec": {"initContainers": [{"envFrom": [source]}]}});
    classify!(
        EnvFromSource,
        in_pod(env_from),
        finds { secret_ref: EnvFrom },
        reads { prefix },
        skips { config_map_ref },
    );
    classify!(
        SecretEnvSource,
        in_pod(move |secret| env_from(json!({"secretRef": secret}))),
        finds {},
        reads { name, optional },
        skips {},
    );
}

#[test]
fn every_field_of_a_volume_is_classified() {
    classify!(
        Volume,
        in_pod(|volume| json!({"spec": {"volumes": [volume]}})),
        finds { azure_file: LegacyVolume, scale_io: LegacyVolume, secret: Volume },
        reads { cephfs, cinder, csi, flex_volume, host_path, iscsi, name, projected, rbd, storageos },
        // What `ephemeral` and `persistentVolumeClaim` take goes to their driver, and what `image` takes to the kubelet.
        skips {
            aws_elastic_block_store,
            azure_disk,
            config_map,
            downward_api,
            empty_dir,
            ephemeral,
            fc,
            flocker,
            gce_persistent_disk,
            git_repo,
            glusterfs,
            image,
            nfs,
            persistent_volume_claim,
            photon_persistent_disk,
            portworx_volume,
            quobyte,
            vsphere_volume,
        },
    );
    classify!(
        SecretVolumeSource,
        in_volume("secret"),
        finds {},
        reads { items, optional, secret_name },
        skips { default_mode, default_user },
    );
    classify!(
        KeyToPath,
        in_volume("secret").of(|item| json!({"items": [item]})),
        finds {},
        reads { key, mode, path, user },
        skips {},
    );
    classify!(
        ProjectedVolumeSource,
        in_volume("projected"),
        finds {},
        reads { default_mode, default_user, sources },
        skips {},
    );
    classify!(
        VolumeProjection,
        in_volume("projected").of(|source| json!({"sources": [source]})),
        finds { secret: Volume },
        reads { service_account_token },
        skips { cluster_trust_bundle, config_map, downward_api, pod_certificate },
    );
    classify!(
        ServiceAccountTokenProjection,
        in_volume("projected").of(|token| json!({"sources": [{"serviceAccountToken": token}]})),
        finds {},
        reads { audience },
        skips { expiration_seconds, path, user },
    );
    classify!(HostPathVolumeSource, in_volume("hostPath"), finds {}, reads { path }, skips { type_ });
    classify!(
        SecretProjection,
        in_volume("projected").of(|secret| json!({"sources": [{"secret": secret}]})),
        finds {},
        reads { items, name, optional },
        skips {},
    );
    classify!(
        CSIVolumeSource,
        in_volume("csi"),
        finds { node_publish_secret_ref: Csi },
        reads { driver, volume_attributes },
        skips { fs_type, read_only },
    );
    classify!(
        AzureFileVolumeSource,
        in_volume("azureFile"),
        finds { secret_name: LegacyVolume },
        reads {},
        skips { read_only, share_name },
    );
    // A secretFile and a keyring are paths on the node.
    classify!(
        CephFSVolumeSource,
        in_volume("cephfs"),
        finds { secret_ref: LegacyVolume },
        reads {},
        skips { monitors, path, read_only, secret_file, user },
    );
    classify!(
        CinderVolumeSource,
        in_volume("cinder"),
        finds { secret_ref: LegacyVolume },
        reads {},
        skips { fs_type, read_only, volume_id },
    );
    classify!(
        FlexVolumeSource,
        in_volume("flexVolume"),
        finds { secret_ref: LegacyVolume },
        reads {},
        skips { driver, fs_type, options, read_only },
    );
    classify!(
        ISCSIVolumeSource,
        in_volume("iscsi"),
        finds { secret_ref: LegacyVolume },
        reads {},
        skips {
            chap_auth_discovery,
            chap_auth_session,
            fs_type,
            initiator_name,
            iqn,
            iscsi_interface,
            lun,
            portals,
            read_only,
            target_portal,
        },
    );
    classify!(
        RBDVolumeSource,
        in_volume("rbd"),
        finds { secret_ref: LegacyVolume },
        reads {},
        skips { fs_type, image, keyring, monitors, pool, read_only, user },
    );
    classify!(
        ScaleIOVolumeSource,
        in_volume("scaleIO"),
        finds { secret_ref: LegacyVolume },
        reads {},
        skips {
            fs_type,
            gateway,
            protection_domain,
            read_only,
            ssl_enabled,
            storage_mode,
            storage_pool,
            system,
            volume_name,
        },
    );
    classify!(
        StorageOSVolumeSource,
        in_volume("storageos"),
        finds { secret_ref: LegacyVolume },
        reads {},
        skips { fs_type, read_only, volume_name, volume_namespace },
    );
}

impl<F: Fn(Value) -> Value + 'static> Place<F> {
    /// The same place, deeper.
    fn of(self, inner: impl Fn(Value) -> Value) -> Place<impl Fn(Value) -> Value> {
        let object = self.object;
        Place { group: self.group, kind: self.kind, object: move |value| object(inner(value)) }
    }
}

#[test]
fn every_field_on_the_way_to_a_template_is_classified() {
    let spec = |group, kind| Place { group, kind, object: |spec| json!({"spec": spec}) };
    for group in ["apps", "extensions"] {
        classify!(
            DeploymentSpec,
            spec(group, "Deployment"),
            finds {},
            reads { template },
            skips {
                min_ready_seconds,
                paused,
                progress_deadline_seconds,
                replicas,
                revision_history_limit,
                selector,
                strategy,
            },
        );
        classify!(
            ReplicaSetSpec,
            spec(group, "ReplicaSet"),
            finds {},
            reads { template },
            skips { min_ready_seconds, replicas, selector },
        );
        classify!(
            DaemonSetSpec,
            spec(group, "DaemonSet"),
            finds {},
            reads { template },
            skips { min_ready_seconds, revision_history_limit, selector, update_strategy },
        );
    }
    classify!(
        StatefulSetSpec,
        spec("apps", "StatefulSet"),
        finds {},
        reads { template },
        skips {
            min_ready_seconds,
            ordinals,
            persistent_volume_claim_retention_policy,
            pod_management_policy,
            replicas,
            revision_history_limit,
            selector,
            service_name,
            update_strategy,
            volume_claim_templates,
        },
    );
    classify!(
        ReplicationControllerSpec,
        spec("", "ReplicationController"),
        finds {},
        reads { template },
        skips { min_ready_seconds, replicas, selector },
    );
    classify!(
        JobSpec,
        spec("batch", "Job"),
        finds {},
        reads { template },
        skips {
            active_deadline_seconds,
            backoff_limit,
            backoff_limit_per_index,
            completion_mode,
            completions,
            managed_by,
            manual_selector,
            max_failed_indexes,
            parallelism,
            pod_failure_policy,
            pod_replacement_policy,
            scheduling,
            selector,
            success_policy,
            suspend,
            ttl_seconds_after_finished,
        },
    );
    classify!(
        CronJobSpec,
        spec("batch", "CronJob"),
        finds {},
        reads { job_template },
        skips {
            concurrency_policy,
            failed_jobs_history_limit,
            schedule,
            starting_deadline_seconds,
            successful_jobs_history_limit,
            suspend,
            time_zone,
        },
    );
    let job = Place { group: "batch", kind: "CronJob", object: |job| json!({"spec": {"jobTemplate": job}}) };
    classify!(JobTemplateSpec, job, finds {}, reads { spec }, skips { metadata });
    let itself = Place { group: "", kind: "PodTemplate", object: |object| object };
    classify!(PodTemplate, itself, finds {}, reads { metadata, template }, skips {});
    let template = Place { group: "apps", kind: "Deployment", object: |its| json!({"spec": {"template": its}}) };
    classify!(PodTemplateSpec, template, finds {}, reads { metadata, spec }, skips {});
}

/// Types cannot be asked who holds a `PodTemplateSpec`: its source can.
#[test]
fn every_workload_of_the_typed_api_is_built_in() {
    let sources = api_sources();
    let holders = |what: &str| -> BTreeSet<String> {
        let field = format!("crate::api::{what}");
        let holds = |text: &&(String, String)| {
            text.1.lines().any(|line| line.trim().starts_with("pub ") && line.contains(&field))
        };
        sources.iter().filter(holds).map(|(path, _)| path.clone()).collect()
    };
    let mut all = holders("core::v1::PodTemplateSpec");
    all.extend(holders("batch::v1::JobTemplateSpec"));
    all.remove("batch/v1/job_template_spec.rs");
    for (module, group, kind) in [
        ("core/v1/pod_template.rs", "", "PodTemplate"),
        ("core/v1/replication_controller_spec.rs", "", "ReplicationController"),
        ("apps/v1/replica_set_spec.rs", "apps", "ReplicaSet"),
        ("apps/v1/deployment_spec.rs", "apps", "Deployment"),
        ("apps/v1/stateful_set_spec.rs", "apps", "StatefulSet"),
        ("apps/v1/daemon_set_spec.rs", "apps", "DaemonSet"),
        ("batch/v1/cron_job_spec.rs", "batch", "CronJob"),
    ] {
        assert!(all.remove(module), "{module} holds no template");
        assert!(BUILT_IN.iter().any(|(its_group, its_kind, _)| (*its_group, *its_kind) == (group, kind)), "{kind}");
    }
    // A Job is one, and what a CronJob makes.
    assert!(holders("batch::v1::JobSpec").contains("batch/v1/job_template_spec.rs"));
    assert!(all.remove("batch/v1/job_spec.rs"));
    assert_eq!(all, BTreeSet::new(), "in no table");
    assert!(BUILT_IN.iter().any(|(_, kind, _)| *kind == "Job") && BUILT_IN.iter().any(|(_, kind, _)| *kind == "Pod"));
}

/// The files of the newest API version that the tests are built with, by path below `api/`.
fn api_sources() -> Vec<(String, String)> {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = run("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = run(
        env!("CARGO"),
        &["metadata", "--format-version=1", "--offline", "--filter-platform", host, "--manifest-path", manifest],
    );
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "k8s-openapi").unwrap();
    let root = PathBuf::from(package["manifest_path"].as_str().unwrap()).with_file_name("src").join("v1_37/api");
    let mut found = Vec::new();
    let mut left = vec![root.clone()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn an_invented_member_of_a_source_is_an_unknown_source_unless_null() {
    let env = |entry: Value| json!({"spec": {"containers": [{"env": [{"name": "A", "valueFrom": entry}]}]}});
    let env_from = |entry: Value| json!({"spec": {"ephemeralContainers": [{"envFrom": [entry]}]}});
    let volume = |volume: Value| json!({"spec": {"volumes": [volume]}});
    let source = move |source: Value| volume(json!({"projected": {"sources": [source]}}));
    let places: [(&str, &dyn Fn(Value) -> Value); 4] = [
        ("/spec/containers/0/env/0", &env),
        ("/spec/ephemeralContainers/0/envFrom/0", &env_from),
        ("/spec/volumes/0", &volume),
        ("/spec/volumes/0/projected/sources/0", &source),
    ];
    for (pointer, place) in places {
        for value in [json!({}), json!(1), json!("x"), json!([]), json!(false)] {
            let object = place(json!({"inventedSource": value, "anotherNull": null})).to_string();
            let workload = Workload::parse(&object, Shape::Pod).unwrap();
            let references = inventory(&workload.templates[0].1.spec, &[]);
            assert_eq!(references.len(), 1, "{pointer}");
            assert_eq!(references[0].kind, Kind::UnknownSource);
            assert_eq!(references[0].pointer(""), pointer);
            assert_eq!(references[0].detail, "inventedSource");
        }
        assert_eq!(found(&json!({"inventedSource": null}), &in_pod(place)), Some(Vec::new()), "{pointer}");
    }
}
