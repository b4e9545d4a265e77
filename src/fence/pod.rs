//! The parts of a pod that the fence reads, borrowed from the raw JSON.
//!
//! Our own types, not the typed API: a typed `Pod` costs several times as much, and copies every string. What a newer API
//! server adds is skipped, except in the places that can name a Secret: there the unknown member's name is kept.
//! The tests hold these types against the typed API, field by field.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use serde_json::value::RawValue;

use super::name::{Hidden, Text};
use super::rules;

/// The label and annotation keys by which a pod is bound to an operating system.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];
/// On a pod that a kubelet made from a file; the API server accepts no change to it.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// On a pod that was swapped: what became of its references. Information only; no decision reads it.
pub const SWAPPED_ANNOTATION: &str = "secretfence.dev/swapped";

/// A pod, or the pod template of a workload.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct PodTemplate<'a> {
    #[serde(borrow)]
    pub metadata: Option<Metadata<'a>>,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PodSpec<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct Metadata<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub generate_name: Text<'a>,
    pub namespace: Text<'a>,
    pub labels: Option<Labels<'a>>,
    pub annotations: Option<Annotations<'a>>,
    pub owner_references: List<OwnerReference<'a>>,
}

impl<'a> Metadata<'a> {
    /// The owner that controls the object, if any.
    pub fn controller(&self) -> Option<&OwnerReference<'a>> {
        self.owner_references.items.iter().find(|owner| owner.controller == Some(true))
    }

    /// The name, or `generateName` where the API server still has to make one of it.
    pub fn name_or_prefix(&self) -> &str {
        if self.name.as_str().is_empty() { self.generate_name.as_str() } else { self.name.as_str() }
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct OwnerReference<'a> {
    #[serde(borrow)]
    pub api_version: Text<'a>,
    pub kind: Text<'a>,
    pub name: Text<'a>,
    pub controller: Option<bool>,
}

/// Labels, in the order written.
#[derive(Debug, Default)]
pub struct Labels<'a>(pub Vec<(Text<'a>, Text<'a>)>);

/// What the fence reads of the annotations; the others are skipped unread.
#[derive(Debug, Default)]
pub struct Annotations<'a> {
    /// How long all of them are as JSON: at least as long as the API server counts them.
    pub bytes: usize,
    pub mirror: bool,
    pub swapped: Option<Hidden<'a>>,
    /// Those by which an agent is told to write secrets into the pod. A template among them may hold anything.
    pub injectors: Vec<(Text<'a>, Hidden<'a>)>,
    /// All others but our own: an env variable may take its value from one.
    pub others: Vec<(Text<'a>, Unread<'a>)>,
}

/// A part of the object that few rules ask for: kept as it stands, and read when one does. What has another shape than the
/// API gives it is then as if it were not there; the API server refuses it.
#[derive(Clone, Copy, Default)]
pub struct Unread<'a>(Option<&'a str>);

impl<'a> Unread<'a> {
    /// Whether there is something.
    pub fn is_there(self) -> bool {
        self.0.is_some()
    }

    /// The part, read.
    pub fn read<T: Deserialize<'a> + Default>(self) -> T {
        self.0.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }
}

/// It may hold credentials.
impl fmt::Debug for Unread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_there() { "<unread>" } else { "None" })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Unread<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'de RawValue>::deserialize(deserializer)?.get();
        Ok(Unread(Some(json).filter(|json| *json != "null")))
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct PodSpec<'a> {
    #[serde(borrow)]
    pub containers: List<Container<'a>>,
    pub init_containers: List<Container<'a>>,
    pub ephemeral_containers: List<Container<'a>>,
    pub volumes: List<Volume<'a>>,
    pub image_pull_secrets: List<SecretName<'a>>,
    pub service_account_name: Text<'a>,
    pub service_account: Text<'a>,
    pub security_context: Option<SecurityContext>,
    pub automount_service_account_token: Option<bool>,
    #[serde(rename = "hostPID")]
    pub host_pid: Option<bool>,
    pub enable_service_links: Option<bool>,
    pub os: Option<OperatingSystem<'a>>,
    pub node_selector: Option<Labels<'a>>,
    pub affinity: Option<Affinity<'a>>,
}

impl PodSpec<'_> {
    /// `serviceAccountName`, else the deprecated `serviceAccount`, else `default`: as the ServiceAccount admission plugin
    /// and `SetDefaults_PodSpec` resolve it.
    pub fn service_account(&self) -> &str {
        [&self.service_account_name, &self.service_account]
            .into_iter()
            .map(Text::as_str)
            .find(|name| !name.is_empty())
            .unwrap_or("default")
    }

    /// Whether the pod is, or may be, for Windows nodes.
    pub fn may_run_on_windows(&self) -> bool {
        let by_name = self.os.as_ref().is_some_and(|os| os.name.as_str() == "windows");
        let by_selector = self.node_selector.as_ref().is_some_and(|labels| {
            labels.0.iter().any(|(key, value)| OS_LABELS.contains(&key.as_str()) && value.as_str() == "windows")
        });
        // Only pods for Windows have these.
        let has_options = |context: Option<SecurityContext>| context.is_some_and(|its| its.windows_options.is_some());
        let containers = self.containers.items.iter().chain(&self.init_containers.items);
        let by_options = has_options(self.security_context)
            || containers.into_iter().any(|container| has_options(container.security_context));
        by_name || by_selector || by_options || self.affinity.as_ref().is_some_and(Affinity::may_choose_windows)
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct OperatingSystem<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct Affinity<'a> {
    #[serde(borrow)]
    pub node_affinity: Option<NodeAffinity<'a>>,
}

impl Affinity<'_> {
    /// Terms are alternatives: one that names Windows, or everything but Linux, is enough.
    fn may_choose_windows(&self) -> bool {
        let required = self
            .node_affinity
            .as_ref()
            .and_then(|node| node.required_during_scheduling_ignored_during_execution.as_ref());
        required.is_some_and(|selector| {
            selector.node_selector_terms.items.iter().flat_map(|term| &term.match_expressions.items).any(|expression| {
                let named = |os| expression.values.items.iter().any(|value| value.as_str() == os);
                OS_LABELS.contains(&expression.key.as_str())
                    && match expression.operator.as_str() {
                        "In" => named("windows"),
                        "NotIn" => named("linux"),
                        _ => false,
                    }
            })
        })
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct NodeAffinity<'a> {
    #[serde(borrow)]
    pub required_during_scheduling_ignored_during_execution: Option<NodeSelector<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct NodeSelector<'a> {
    #[serde(borrow)]
    pub node_selector_terms: List<NodeSelectorTerm<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct NodeSelectorTerm<'a> {
    #[serde(borrow)]
    pub match_expressions: List<NodeSelectorRequirement<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct NodeSelectorRequirement<'a> {
    #[serde(borrow)]
    pub key: Text<'a>,
    pub operator: Text<'a>,
    pub values: List<Text<'a>>,
}

/// Of a pod or of a container: the container's wins, field by field.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityContext {
    pub fs_group: Option<i64>,
    pub run_as_user: Option<i64>,
    pub run_as_non_root: Option<bool>,
    pub privileged: Option<bool>,
    pub windows_options: Option<WindowsOptions>,
}

/// That they are there tells a pod for Windows.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WindowsOptions {
    pub host_process: Option<bool>,
}

impl SecurityContext {
    /// Whether it makes containers processes of the node
    /// (<https://kubernetes.io/docs/tasks/configure-pod-container/create-hostprocess-pod/>).
    pub fn is_host_process(&self) -> bool {
        self.windows_options.is_some_and(|options| options.host_process == Some(true))
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct Container<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub image: Option<Text<'a>>,
    pub command: List<Hidden<'a>>,
    pub args: List<Hidden<'a>>,
    pub env: List<EnvVar<'a>>,
    pub env_from: List<EnvFromSource<'a>>,
    pub volume_mounts: List<VolumeMount<'a>>,
    pub volume_devices: List<VolumeDevice<'a>>,
    pub liveness_probe: Option<Handler<'a>>,
    pub readiness_probe: Option<Handler<'a>>,
    pub startup_probe: Option<Handler<'a>>,
    pub lifecycle: Option<Box<Lifecycle<'a>>>,
    pub security_context: Option<SecurityContext>,
    pub termination_message_path: Text<'a>,
}

impl<'a> Container<'a> {
    /// The image, unless absent or empty: a patch or a dump, whose base is not seen.
    pub fn image(&self) -> Option<&str> {
        self.image.as_ref().map(Text::as_str).filter(|image| !image.is_empty())
    }

    /// Commands of exec probes and hooks, with the name of the field that holds each.
    pub fn exec_commands(&self) -> impl Iterator<Item = (&'static str, &Hidden<'a>)> {
        let hooks = self.lifecycle.as_ref();
        [
            ("livenessProbe", self.liveness_probe.as_ref()),
            ("readinessProbe", self.readiness_probe.as_ref()),
            ("startupProbe", self.startup_probe.as_ref()),
            ("lifecycle.postStart", hooks.and_then(|hooks| hooks.post_start.as_ref())),
            ("lifecycle.preStop", hooks.and_then(|hooks| hooks.pre_stop.as_ref())),
        ]
        .into_iter()
        .filter_map(|(field, handler)| Some((field, handler?.exec.as_ref()?)))
        .flat_map(|(field, exec)| exec.command.items.iter().map(move |word| (field, word)))
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct Lifecycle<'a> {
    #[serde(borrow)]
    pub post_start: Option<Handler<'a>>,
    pub pre_stop: Option<Handler<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct Handler<'a> {
    #[serde(borrow)]
    pub exec: Option<Box<Exec<'a>>>,
    #[serde(rename = "httpGet")]
    pub http_get: Unread<'a>,
}

/// The headers of an `httpGet`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct HttpGet<'a> {
    #[serde(borrow)]
    pub http_headers: List<HttpHeader<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct HttpHeader<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub value: Hidden<'a>,
}

/// `env[].valueFrom.fieldRef`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct FieldRef<'a> {
    #[serde(borrow)]
    pub field_path: Text<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct Exec<'a> {
    #[serde(borrow)]
    pub command: List<Hidden<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct VolumeMount<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub mount_path: Text<'a>,
    pub sub_path: Text<'a>,
    pub sub_path_expr: Hidden<'a>,
    pub read_only: Option<bool>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct VolumeDevice<'a> {
    #[serde(borrow)]
    pub device_path: Text<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct EnvVar<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub value: Hidden<'a>,
    pub value_from: Option<EnvVarSource<'a>>,
}

/// `env[].valueFrom`
#[derive(Debug, Default)]
pub struct EnvVarSource<'a> {
    pub secret_key_ref: Option<SecretKeySelector<'a>>,
    pub file_key_ref: Option<Box<FileKeySelector<'a>>>,
    pub field_ref: Unread<'a>,
    /// Whether it has a source that is about no Secret.
    pub other: bool,
    pub unknown: Option<Text<'a>>,
}

impl EnvVarSource<'_> {
    /// Whether a Secret's key is all that it names. The API server refuses two sources, but only after `/mutate`.
    pub fn is_secret_alone(&self) -> bool {
        !self.other && self.file_key_ref.is_none() && self.unknown.is_none()
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct SecretKeySelector<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub key: Text<'a>,
    pub optional: Option<bool>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct FileKeySelector<'a> {
    #[serde(borrow)]
    pub volume_name: Text<'a>,
    pub path: Text<'a>,
    pub key: Text<'a>,
    pub optional: Option<bool>,
}

/// `envFrom[]`
#[derive(Debug, Default)]
pub struct EnvFromSource<'a> {
    pub prefix: Text<'a>,
    pub secret_ref: Option<SecretEnvSource<'a>>,
    /// Whether it has a source that is about no Secret.
    pub other: bool,
    pub unknown: Option<Text<'a>>,
}

impl EnvFromSource<'_> {
    /// Whether a Secret is all that it names. The API server refuses two sources, but only after `/mutate`.
    pub fn is_secret_alone(&self) -> bool {
        !self.other && self.unknown.is_none()
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct SecretEnvSource<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub optional: Option<bool>,
}

/// A `LocalObjectReference` or a `SecretReference`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct SecretName<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
}

/// `volumes[]`
#[derive(Debug, Default)]
pub struct Volume<'a> {
    pub name: Text<'a>,
    pub secret: Option<SecretVolume<'a>>,
    pub projected: Option<Projected<'a>>,
    pub csi: Option<Box<CsiVolume<'a>>>,
    pub host_path: Option<HostPathVolume<'a>>,
    /// The plugin's field name and what it names as its Secret.
    pub legacy: Vec<(LegacyPlugin, Text<'a>)>,
    /// What a flexVolume's driver is told.
    pub flex_options: Unread<'a>,
    pub unknown: Option<Text<'a>>,
    /// How many sources were given, of whatever sort. The API server wants exactly one.
    pub sources: u32,
}

/// The storage plugins older than CSI that take a Secret of the pod's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegacyPlugin {
    AzureFile,
    Cephfs,
    Cinder,
    FlexVolume,
    Iscsi,
    Rbd,
    ScaleIo,
    Storageos,
}

impl LegacyPlugin {
    /// The field of the volume.
    pub fn field(self) -> &'static str {
        match self {
            LegacyPlugin::AzureFile => "azureFile",
            LegacyPlugin::Cephfs => "cephfs",
            LegacyPlugin::Cinder => "cinder",
            LegacyPlugin::FlexVolume => "flexVolume",
            LegacyPlugin::Iscsi => "iscsi",
            LegacyPlugin::Rbd => "rbd",
            LegacyPlugin::ScaleIo => "scaleIO",
            LegacyPlugin::Storageos => "storageos",
        }
    }

    /// The field of the plugin that names the Secret.
    pub fn secret_field(self) -> &'static str {
        if self == LegacyPlugin::AzureFile { "secretName" } else { "secretRef" }
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct SecretVolume<'a> {
    #[serde(borrow)]
    pub secret_name: Text<'a>,
    pub items: List<KeyToPath<'a>>,
    pub optional: Option<bool>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct KeyToPath<'a> {
    #[serde(borrow)]
    pub key: Text<'a>,
    pub path: Text<'a>,
    pub mode: Option<i64>,
    pub user: Option<i64>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct Projected<'a> {
    #[serde(borrow)]
    pub sources: List<ProjectedSource<'a>>,
    pub default_mode: Option<i64>,
    pub default_user: Option<i64>,
}

/// `volumes[].projected.sources[]`
#[derive(Debug, Default)]
pub struct ProjectedSource<'a> {
    pub secret: Option<SecretProjection<'a>>,
    pub token: Option<TokenProjection<'a>>,
    pub unknown: Option<Text<'a>>,
    /// Some other source that we know.
    pub other: bool,
}

/// `volumes[].projected.sources[].serviceAccountToken`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct TokenProjection<'a> {
    /// Of the API server where it is empty.
    #[serde(borrow)]
    pub audience: Text<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct SecretProjection<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub items: List<KeyToPath<'a>>,
    pub optional: Option<bool>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
pub struct CsiVolume<'a> {
    #[serde(borrow)]
    pub driver: Text<'a>,
    pub node_publish_secret_ref: Option<SecretName<'a>>,
    pub volume_attributes: Option<Attributes<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, remote = "Self")]
pub struct HostPathVolume<'a> {
    #[serde(borrow)]
    pub path: Text<'a>,
}

/// What a CSI driver is told, in the order written. A value may be a credential in clear.
#[derive(Debug, Default)]
pub struct Attributes<'a>(pub Vec<(Text<'a>, Hidden<'a>)>);

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", remote = "Self")]
struct LegacySource<'a> {
    #[serde(borrow)]
    secret_ref: Option<SecretName<'a>>,
    secret_name: Option<Text<'a>>,
    options: Unread<'a>,
}

/// The most memory that the lists of one object take together: three bytes of `{},` are a whole container here, and whoever
/// may create a pod may send a million of them. What people write is far from it: 36,000 containers, 110,000 variables.
const LISTS_BYTES: usize = 16 << 20;

thread_local! {
    /// What is left of [`LISTS_BYTES`] while this thread reads an object. What serde derives has no room for it.
    static LISTS_LEFT: Cell<usize> = const { Cell::new(LISTS_BYTES) };
}

/// Begins an object: what lists took before is no longer counted.
pub(super) fn begin_object() {
    LISTS_LEFT.set(LISTS_BYTES);
}

/// Takes an item from what is left, if that much is.
fn take_item<T>() -> bool {
    let left = LISTS_LEFT.get().checked_sub(size_of::<T>());
    left.inspect(|left| LISTS_LEFT.set(*left)).is_some()
}

/// Appends an item, if there is room for it.
fn keep<T, E: serde::de::Error>(items: &mut Vec<T>, item: T) -> Result<(), E> {
    if !take_item::<T>() {
        let most = LISTS_BYTES >> 20;
        return Err(E::custom(format_args!(
            "more, expected at most what takes {most} MiB, lists of all sorts together"
        )));
    }
    items.push(item);
    Ok(())
}

/// A list that may be absent or null, and whose items may be null: all are what Go decodes them to.
#[derive(Debug)]
pub struct List<T> {
    pub items: Vec<T>,
    /// Whether there is an array to append to.
    pub written: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List { items: Vec::new(), written: false }
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(List::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element::<Option<T>>()? {
                    keep(&mut items, item.unwrap_or_default())?;
                }
                Ok(List { items, written: true })
            }
        }

        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Objects are objects: what serde derives takes a list for one, too, field by field, and so would read what the API
/// server refuses.
macro_rules! objects_only {
    ($($type:ident)*) => { $(
        impl<'de: 'a, 'a> Deserialize<'de> for $type<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor<'a>(PhantomData<&'a ()>);

                impl<'de: 'a, 'a> Visitor<'de> for ObjectVisitor<'a> {
                    type Value = $type<'a>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                        // The derived function, not this one: an inherent function goes first.
                        <$type<'a>>::deserialize(MapAccessDeserializer::new(map))
                    }
                }

                deserializer.deserialize_map(ObjectVisitor(PhantomData))
            }
        }
    )* };
}

objects_only! {
    PodTemplate Metadata OwnerReference PodSpec OperatingSystem Affinity
    NodeAffinity NodeSelector NodeSelectorTerm NodeSelectorRequirement Container Lifecycle
    Handler Exec VolumeMount VolumeDevice EnvVar SecretKeySelector
    FileKeySelector SecretEnvSource SecretName SecretVolume KeyToPath Projected
    SecretProjection CsiVolume LegacySource HostPathVolume TokenProjection
    HttpGet HttpHeader FieldRef
}

/// Deserializes an object member by member: `$visit` takes the member's name and the map.
macro_rules! deserialize_members {
    ($type:ident, $expecting:literal, |$value:ident, $key:ident, $map:ident| $body:block) => {
        impl<'de: 'a, 'a> Deserialize<'de> for $type<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct MembersVisitor<'a>(PhantomData<&'a ()>);

                impl<'de: 'a, 'a> Visitor<'de> for MembersVisitor<'a> {
                    type Value = $type<'a>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<Self::Value, A::Error> {
                        let mut $value = $type::default();
                        while let Some($key) = $map.next_key::<Text<'a>>()? {
                            $body
                        }
                        Ok($value)
                    }
                }

                deserializer.deserialize_map(MembersVisitor(PhantomData))
            }
        }
    };
}

deserialize_members!(Labels, "an object of strings", |labels, key, map| {
    let value = map.next_value::<Text<'a>>()?;
    labels.0.push((key, value));
});

deserialize_members!(Attributes, "an object of strings", |attributes, key, map| {
    let value = map.next_value::<Hidden<'a>>()?;
    attributes.0.push((key, value));
});

deserialize_members!(Annotations, "an object of strings", |annotations, key, map| {
    annotations.bytes += key.as_str().len();
    match key.as_str() {
        SWAPPED_ANNOTATION => {
            annotations.swapped = map.next_value::<Option<Hidden<'a>>>()?;
            annotations.bytes += annotations.swapped.as_ref().map_or(0, |text| text.as_str().len());
        }
        name if rules::store::is_of_injector(name) => {
            if let Some(value) = map.next_value::<Option<Hidden<'a>>>()? {
                annotations.bytes += value.as_str().len();
                annotations.injectors.push((key, value));
            }
        }
        name => {
            annotations.mirror |= name == MIRROR_ANNOTATION;
            let value = map.next_value::<&RawValue>()?.get();
            annotations.bytes += value.len();
            keep(&mut annotations.others, (key, Unread(Some(value))))?;
        }
    }
});

deserialize_members!(EnvVarSource, "an env var source", |source, key, map| {
    match key.as_str() {
        "secretKeyRef" => source.secret_key_ref = map.next_value()?,
        "fileKeyRef" => source.file_key_ref = map.next_value()?,
        "fieldRef" => {
            source.field_ref = map.next_value()?;
            source.other |= source.field_ref.is_there();
        }
        "resourceFieldRef" | "configMapKeyRef" => {
            source.other |= map.next_value::<Option<IgnoredAny>>()?.is_some();
        }
        _ => note_unknown(&mut source.unknown, key, &mut map)?,
    }
});

deserialize_members!(EnvFromSource, "an envFrom source", |source, key, map| {
    match key.as_str() {
        "prefix" => source.prefix = map.next_value()?,
        "secretRef" => source.secret_ref = map.next_value()?,
        "configMapRef" => source.other |= map.next_value::<Option<IgnoredAny>>()?.is_some(),
        _ => note_unknown(&mut source.unknown, key, &mut map)?,
    }
});

deserialize_members!(ProjectedSource, "a projected source", |source, key, map| {
    match key.as_str() {
        "secret" => source.secret = map.next_value()?,
        "serviceAccountToken" => {
            source.token = map.next_value()?;
            source.other |= source.token.is_some();
        }
        "configMap" | "downwardAPI" | "clusterTrustBundle" | "podCertificate" => {
            source.other |= map.next_value::<Option<IgnoredAny>>()?.is_some();
        }
        _ => note_unknown(&mut source.unknown, key, &mut map)?,
    }
});

deserialize_members!(Volume, "a volume", |volume, key, map| {
    let legacy = match key.as_str() {
        "name" => {
            volume.name = map.next_value()?;
            continue;
        }
        "azureFile" => LegacyPlugin::AzureFile,
        "cephfs" => LegacyPlugin::Cephfs,
        "cinder" => LegacyPlugin::Cinder,
        "flexVolume" => LegacyPlugin::FlexVolume,
        "iscsi" => LegacyPlugin::Iscsi,
        "rbd" => LegacyPlugin::Rbd,
        "scaleIO" => LegacyPlugin::ScaleIo,
        "storageos" => LegacyPlugin::Storageos,
        other => {
            let given = match other {
                "secret" => {
                    volume.secret = map.next_value()?;
                    volume.secret.is_some()
                }
                "projected" => {
                    volume.projected = map.next_value()?;
                    volume.projected.is_some()
                }
                "csi" => {
                    volume.csi = map.next_value()?;
                    volume.csi.is_some()
                }
                "hostPath" => {
                    volume.host_path = map.next_value()?;
                    volume.host_path.is_some()
                }
                _ if VOLUMES_WITHOUT_SECRET.contains(&other) => map.next_value::<Option<IgnoredAny>>()?.is_some(),
                _ => {
                    note_unknown(&mut volume.unknown, key, &mut map)?;
                    volume.unknown.is_some()
                }
            };
            volume.sources += u32::from(given);
            continue;
        }
    };
    if let Some(source) = map.next_value::<Option<LegacySource<'a>>>()? {
        volume.sources += 1;
        if legacy == LegacyPlugin::FlexVolume {
            volume.flex_options = source.options;
        }
        let secret = if legacy == LegacyPlugin::AzureFile {
            source.secret_name
        } else {
            source.secret_ref.map(|reference| reference.name)
        };
        if let Some(secret) = secret {
            volume.legacy.push((legacy, secret));
        }
    }
});

/// Volume sources that hand the pod no Secret; `ephemeral` and `persistentVolumeClaim` hand it to their driver.
pub const VOLUMES_WITHOUT_SECRET: [&str; 18] = [
    "awsElasticBlockStore",
    "azureDisk",
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "image",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "vsphereVolume",
];

fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Keeps the name of the first unknown member that is not null.
fn note_unknown<'de: 'a, 'a, A: MapAccess<'de>>(
    unknown: &mut Option<Text<'a>>,
    key: Text<'a>,
    map: &mut A,
) -> Result<(), A::Error> {
    if map.next_value::<Option<IgnoredAny>>()?.is_some() && unknown.is_none() {
        *unknown = Some(key);
    }
    Ok(())
}
