//! A policy file as written. Every field that may be left out is an `Option`: what is left out means is decided when
//! the file is compiled, in one place.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::{BesideEnvFrom, FileMode, Templates};
use crate::fence::kind::{Kind, KindSet};

/// The `apiVersion` of every document.
pub const API_VERSION: &str = "secretfence.dev/v1alpha1";

/// The kinds of document in a policy directory.
pub const DOCUMENT_KINDS: [&str; 3] = ["SecretPolicy", "PodTemplates", "PolicyTest"];

/// One document.
#[derive(Clone, Debug)]
pub enum PolicyFile {
    /// A policy.
    SecretPolicy(Box<SecretPolicy>),
    /// Which custom resources hold pod templates.
    PodTemplates(PodTemplates),
    /// Unit tests of policies, read only by [`PolicyTest::read`](super::PolicyTest::read).
    PolicyTest,
}

/// `kind: SecretPolicy`: which pods it matches, and what becomes of their references to Secrets.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretPolicy {
    /// Always `secretfence.dev/v1alpha1`.
    pub api_version: String,
    /// Always `SecretPolicy`.
    pub kind: String,
    /// The policy's name.
    pub metadata: Metadata,
    /// What the policy says.
    pub spec: SecretPolicySpec,
}

/// `kind: PodTemplates`: custom resources that hold pod templates. At most one document in a policy set.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodTemplates {
    /// Always `secretfence.dev/v1alpha1`.
    pub api_version: String,
    /// Always `PodTemplates`.
    pub kind: String,
    /// The document's name.
    pub metadata: Metadata,
    /// The table.
    pub spec: PodTemplatesSpec,
}

/// The name of a document, and what other tools write beside it.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Unique in a policy set: lower case letters, digits, `-` and `.`. Of several policies that are equally strict,
    /// the first by name speaks.
    pub name: String,
    /// Not read.
    pub labels: Option<BTreeMap<String, String>>,
    /// Not read.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// What a policy says.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretPolicySpec {
    /// What the policy is for, in a sentence or two.
    pub description: Option<String>,
    /// `enforce` (default) denies and swaps; `dryRun` decides and reports everything, and changes nothing; `off` is
    /// checked for mistakes and otherwise not there.
    pub mode: Option<Mode>,
    /// Whether findings of `warn` and of a dry run are said to the client. Default true; the log has them either way.
    pub warnings: Option<bool>,
    /// What the policy is about: every field given must match. None given: everything.
    #[serde(rename = "match")]
    pub matches: Option<Scope>,
    /// What the policy is not about: any field given that matches excludes.
    pub exclude: Option<Scope>,
    /// What becomes of a pod template (of a Deployment, a Job) at the webhook: `warn` (default), `enforce` or `ignore`.
    /// Templates are never mutated.
    pub templates: Option<Templates>,
    /// In order: the first rule that fits a reference decides it. Where none fits, it is allowed.
    pub rules: Option<Vec<Rule>>,
    /// More rows for the catalogue of images that read files.
    pub readers: Option<Vec<Reader>>,
    /// Names of further CSI drivers that hand out secrets, such as `csi.example.com`.
    pub secret_drivers: Option<Vec<String>>,
    /// More marks of copies, for `copied`.
    pub copy_marks: Option<Vec<CopyMark>>,
}

/// Whether a policy is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Denies and swaps.
    Enforce,
    /// Reports what it would do.
    DryRun,
    /// Not there.
    Off,
}

/// What a policy matches or excludes. Globs are anchored, `*` crosses `/`, `?` is one character, `!x` excludes, and a
/// list of nothing but `!x` means everything else.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// Globs on the namespace.
    pub namespaces: Option<Vec<String>>,
    /// On the labels of the namespace. Needs a watch of Namespaces; where a namespace is not known, `match` counts as
    /// true and `exclude` as false.
    pub namespace_selector: Option<LabelSelector>,
    /// On the labels of the pod, or of the pod template.
    pub object_selector: Option<LabelSelector>,
    /// Globs on the name of the pod's ServiceAccount.
    pub service_accounts: Option<Vec<String>>,
    /// Kinds of object, exact. Default: `Pod` and everything that holds a pod template.
    pub kinds: Option<Vec<String>>,
}

/// A Kubernetes label selector: all of it must hold.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Further requirements.
    pub match_expressions: Option<Vec<LabelSelectorRequirement>>,
}

/// One requirement of a label selector.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelectorRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`. `NotIn` and `DoesNotExist` hold where the label is absent.
    pub operator: LabelSelectorOperator,
    /// For `In` and `NotIn` at least one value, for the others none.
    pub values: Option<Vec<String>>,
}

/// What is asked of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub enum LabelSelectorOperator {
    /// Its value is one of these.
    In,
    /// It is absent, or its value is none of these.
    NotIn,
    /// It is there.
    Exists,
    /// It is absent.
    DoesNotExist,
}

/// One rule.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Unique in its policy. Every message, log line and metric names it.
    pub name: String,
    /// The kinds of reference that the rule is about, or groups of them: `env`, `clear`, `file`,
    /// `crossNamespace`, `any`.
    pub on: Vec<Selected>,
    /// What the rule selects among them: all given must match. Always selects; what becomes of it is the `action`.
    #[serde(rename = "where")]
    pub selects: Option<Where>,
    /// `allow`, `warn`, `mount` (swap for a read-only file) or `deny`. Of several policies the strictest wins.
    pub action: Action,
    /// How a reference becomes a file. Only with `action: mount`.
    pub mount: Option<Mount>,
    /// For `copied`: what becomes of a Secret that is not known. `warn` unless given.
    pub missing: Option<Missing>,
    /// What a person should do instead: replaces the part of the message after the colon.
    pub message: Option<String>,
    /// Why this is allowed. With `expires` it makes an `allow` an exception.
    pub reason: Option<String>,
    /// The last day on which the exception holds, in UTC: `2027-03-31`. Afterwards the rule matches nothing.
    pub expires: Option<Day>,
}

/// What a rule selects. Globs, as in `match`. A reference without the field that is named here does not fit.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Where {
    /// Globs on the namespace.
    pub namespaces: Option<Vec<String>>,
    /// Globs on the container's name. It is the tenant's to choose.
    pub containers: Option<Vec<String>>,
    /// Globs on the container's image. Both sides are normalised: `nginx` is `docker.io/library/nginx`. A pattern
    /// without `:` or `@` ignores tag and digest; one that begins with `*` is left as it is.
    pub images: Option<Vec<String>>,
    /// Globs on the Secret's name; for `rawSecret` its own.
    pub secrets: Option<Vec<String>>,
    /// Globs on the key in the Secret, or in the ConfigMap for `literal`.
    pub keys: Option<Vec<String>>,
    /// Globs on the name of the environment variable; for `literal` also of the flag, the HTTP header or the attribute of a
    /// volume. It is the tenant's to choose.
    pub variables: Option<Vec<String>>,
    /// Whether the container's image is known to read this variable from a file, and its own entrypoint runs.
    pub reads_files: Option<bool>,
    /// Globs on a path: of the node for `nodeAccess`, of an external store for `storePath`, `externalEnv` and `injected`.
    /// `@node-secrets` names the places of a node where Secrets lie; `{namespace}` and `{serviceAccount}` stand for
    /// the pod's own and match whole path segments.
    pub paths: Option<Vec<String>>,
    /// Globs on the namespaces that a ServiceAccount gets at, for `reach`; `*` is every one.
    pub reach: Option<Vec<String>>,
    /// Globs on the namespace that a Secret was copied from, for `copied`, or is mounted from, for `sharedSecret`.
    pub from: Option<Vec<String>>,
}

/// What becomes of a Secret of which nobody can say whether it is a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Missing {
    /// Refused.
    Deny,
    /// Said, and let through.
    #[default]
    Warn,
    /// Let through.
    Allow,
}

/// What a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Let through.
    Allow,
    /// Let through, and said.
    Warn,
    /// Swapped for a read-only file.
    Mount,
    /// Refused.
    Deny,
}

/// How a reference becomes a file.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// Root of the files in the container: absolute, clean, and not at, above or below `/run/secrets`. Default
    /// `/run/secretfence`.
    pub path: Option<String>,
    /// The variable that names the file: `auto` (default: the catalogue's form, else `{name}_FILE`), a pattern of
    /// `{name}`, `{secret}` and `{key}`, or `""` for none.
    pub variable: Option<String>,
    /// `auto` (default), or an octal mode in quotes such as `"0440"`.
    pub file_mode: Option<FileMode>,
    /// What an `envFrom` in the same container does: `unsafe` (default: it might show the removed name again) or `swap`.
    pub beside_env_from: Option<BesideEnvFrom>,
    /// The keys of whole Secrets that are taken by `envFrom`: a glob on the Secret, and all its keys. A key that is
    /// left out is lost to the program. Of several globs that fit, the one with the most fixed characters counts.
    pub keys: Option<BTreeMap<String, Vec<String>>>,
    /// What becomes of a reference that cannot be swapped safely: `deny` (default) or `warn`.
    #[serde(rename = "unsafe")]
    pub unsafe_references: Option<UnsafeReferences>,
}

/// What becomes of a reference that cannot be swapped safely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum UnsafeReferences {
    /// Refused.
    Deny,
    /// Let through, and said.
    Warn,
}

/// A row for the catalogue of images that read files.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reader {
    /// Globs on the image, as in `where.images`.
    pub images: Vec<String>,
    /// Globs on the variable.
    pub variables: Vec<String>,
    /// How the variable that names the file is called: `{name}_FILE`.
    pub form: String,
    /// Where that is documented.
    pub source: String,
}

/// A mark by which a tool tells that a Secret is a copy.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopyMark {
    /// The annotation that tells. One of this and `label`.
    pub annotation: Option<String>,
    /// The label that tells.
    pub label: Option<String>,
    /// How the value names the origin: `{namespace}/{name}`. Without it the origin is not known.
    pub from: Option<String>,
}

/// The table of custom resources that hold pod templates.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodTemplatesSpec {
    /// One row for each resource.
    pub rows: Vec<PodTemplatesRow>,
}

/// One custom resource.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodTemplatesRow {
    /// The API group: `ray.io`.
    pub group: String,
    /// The versions whose objects have these paths: `[v1]`.
    pub versions: Vec<String>,
    /// The plural name, as the webhook registers it: `rayclusters`.
    pub resource: String,
    /// The kind: `RayCluster`.
    pub kind: String,
    /// Where the pod templates stand: `spec.workerGroupSpecs[*].template`.
    pub paths: Vec<String>,
}

/// A kind of reference, or a group of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// One kind, named alone.
    Kind(Kind),
    /// A group.
    Group(Group),
}

/// A group of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// `secretKeyRef`, `envFrom`, `fileKeyRef`
    Env,
    /// `literal`, `externalEnv`, `rawSecret`
    Clear,
    /// `volume`, `csi`, `legacyVolume`, `injected`
    File,
    /// `nodeAccess`, `storePath`, `sharedSecret`, `reach`, `copied`
    CrossNamespace,
    /// Every kind that the pod itself tells: all but `reach` and `copied`, which take a watch, and `rawSecret`.
    Any,
}

/// Everything that `on` knows.
static SELECTED_NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| Kind::ALL.into_iter().map(Kind::name).chain(Group::ALL.into_iter().map(Group::name)).collect());

impl Group {
    /// Every group, in documented order.
    pub const ALL: [Group; 5] = [Group::Env, Group::Clear, Group::File, Group::CrossNamespace, Group::Any];

    /// The name as a policy file writes it.
    pub fn name(self) -> &'static str {
        match self {
            Group::Env => "env",
            Group::Clear => "clear",
            Group::File => "file",
            Group::CrossNamespace => "crossNamespace",
            Group::Any => "any",
        }
    }
}

impl Selected {
    /// The kinds that are meant.
    pub fn kinds(self) -> KindSet {
        match self {
            Selected::Kind(kind) => KindSet::NONE.with(kind),
            Selected::Group(Group::Env) => KindSet::ENV,
            Selected::Group(Group::Clear) => KindSet::CLEAR,
            Selected::Group(Group::File) => KindSet::FILE,
            Selected::Group(Group::CrossNamespace) => KindSet::CROSS_NAMESPACE,
            Selected::Group(Group::Any) => KindSet::any(),
        }
    }

    fn from_name(name: &str) -> Option<Selected> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).map(Selected::Kind);
        kind.or_else(|| Group::ALL.into_iter().find(|group| group.name() == name).map(Selected::Group))
    }
}

/// For editors: the names, and which are groups.
#[cfg(feature = "cli")]
impl schemars::JsonSchema for Selected {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Selected".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let groups: Vec<serde_json::Value> = Group::ALL
            .into_iter()
            .map(|group| {
                let kinds: Vec<&str> = Selected::Group(group).kinds().iter().map(Kind::name).collect();
                serde_json::json!({"const": group.name(), "description": format!("All of {}.", kinds.join(", "))})
            })
            .collect();
        let kinds: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
        schemars::json_schema!({
            "type": "string",
            "oneOf": std::iter::once(serde_json::json!({"enum": kinds})).chain(groups).collect::<Vec<_>>(),
        })
    }
}

impl<'de> Deserialize<'de> for Selected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Selected, D::Error> {
        let name = String::deserialize(deserializer)?;
        Selected::from_name(&name).ok_or_else(|| de::Error::unknown_variant(&name, &SELECTED_NAMES))
    }
}

/// A day, written `2027-03-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub Date);

#[cfg(feature = "cli")]
impl schemars::JsonSchema for Day {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        struct DayVisitor;
        impl Visitor<'_> for DayVisitor {
            type Value = Day;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a day such as 2027-03-31")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Day, E> {
                parse_day(text).map(Day).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(DayVisitor)
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for FileMode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileMode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^(auto|0?[0-7]{3})$"})
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FileMode, D::Error> {
        struct FileModeVisitor;
        impl Visitor<'_> for FileModeVisitor {
            type Value = FileMode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "auto or an octal mode in quotes, such as \"0440\" (without quotes YAML reads 0440 as the number 288)",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FileMode, E> {
                if text == "auto" {
                    return Ok(FileMode::Auto);
                }
                let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| (b'0'..b'8').contains(&byte));
                match u16::from_str_radix(text, 8) {
                    Ok(mode) if octal && mode <= 0o777 => Ok(FileMode::Octal(mode)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(FileModeVisitor)
    }
}

/// Strictly `YYYY-MM-DD`: the parser of dates knows more forms than a reader of the file should have to.
fn parse_day(text: &str) -> Option<Date> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if shaped { text.parse().ok() } else { None }
}
