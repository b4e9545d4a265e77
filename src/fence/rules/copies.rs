//! Copies: what the tools that carry Secrets from one namespace into another leave on the copy.
//!
//! Whoever may write the Secret may strip a mark. And a PushSecret of External Secrets leaves none on the Secret that it
//! writes by its Kubernetes provider: where that is used, `spec.copyMarks` can name a label that its template sets.

use std::borrow::Cow;

use serde::Deserialize;

/// What is kept of a Secret: some ten bytes above its two names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretMetadata {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Where it was copied from, if it was.
    pub origin: Option<Origin>,
}

/// A Secret that is a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The namespace of the original; nothing where the mark does not tell it.
    pub from: Option<Box<str>>,
    /// What tells that it is a copy.
    pub mark: MarkId,
}

/// A mark: one of the table, or of the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkId(u16);

/// An owner reference, as far as it matters.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Its `apiVersion`.
    pub api_version: &'a str,
    /// Its `kind`.
    pub kind: &'a str,
}

/// A mark of the policies (`spec.copyMarks`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomMark {
    place: Place,
    key: Box<str>,
    from: Option<Pattern>,
}

/// Where a mark stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An annotation.
    Annotation,
    /// A label.
    Label,
}

/// Why a custom mark does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// No annotation or label has such a key.
    #[error("this is no key of an annotation or a label: write it whole, such as \"example.com/copied-from\"")]
    Key,
    /// Something else in braces.
    #[error("\"from\" knows {{namespace}} and {{name}}, and no other braces")]
    Placeholder,
    /// The same twice.
    #[error("\"from\" names {{namespace}} or {{name}} twice: once is enough")]
    Twice,
    /// `{namespace}-{name}`.
    #[error(
        "what follows a placeholder of \"from\" has to begin with a character that no name has, such as \"/\": else nobody could tell where the namespace ends"
    )]
    Ambiguous,
}

/// `{namespace}/{name}` and its like.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(Box<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Namespace,
    Name,
}

/// A mark of the table.
struct Mark {
    name: &'static str,
    /// What a message says where the origin is not told.
    untold: &'static str,
    place: MarkPlace,
    from: From,
    source: &'static str,
}

enum MarkPlace {
    Annotation(&'static str),
    Label(&'static str),
    /// An owner of this API group and kind.
    Owner(&'static str, &'static str),
}

/// What the value says.
enum From {
    /// `namespace/name`.
    NamespaceAndName,
    /// The namespace itself.
    Namespace,
    /// An ObjectReference as JSON.
    Reference,
    /// Nothing of the origin.
    Untold,
    /// Nothing either, and it has to be `true`.
    True,
}

impl SecretMetadata {
    /// Keeps what matters of a Secret's metadata.
    pub fn read<'a>(
        namespace: &str,
        name: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
        owners: impl IntoIterator<Item = Owner<'a>>,
        custom: &[CustomMark],
    ) -> SecretMetadata {
        let origin = read(namespace, labels, annotations, owners, custom);
        SecretMetadata { namespace: namespace.into(), name: name.into(), origin }
    }
}

impl MarkId {
    /// The tool, or the key of the policies' own mark. `custom` is the list that it was read with.
    pub fn name(self, custom: &[CustomMark]) -> &str {
        let index = usize::from(self.0);
        match MARKS.get(index) {
            Some(mark) => mark.name,
            None => custom.get(index - MARKS.len()).map_or("a mark of the policies", |mark| &mark.key),
        }
    }
}

impl Origin {
    /// What a message says of the Secret where `from` is not told: what made it, and that this is all that is known.
    pub fn untold(&self) -> &'static str {
        let mark = MARKS.get(usize::from(self.mark.0));
        mark.map_or("marked as a copy; from where is not known", |mark| mark.untold)
    }
}

/// Each mark of the table with the page that documents it.
pub fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    MARKS.iter().map(|mark| (mark.name, mark.source))
}

/// Reads the marks of a Secret of the namespace `own`. A copy from the same namespace is none. Of several marks one that
/// names another namespace counts before one that names none, and then the first of the table.
pub fn read<'a>(
    own: &str,
    labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    owners: impl IntoIterator<Item = Owner<'a>>,
    custom: &[CustomMark],
) -> Option<Origin> {
    let mut found = Best { own, origin: None };
    for (key, value) in labels {
        found.entry(Place::Label, key, value, custom);
    }
    for (key, value) in annotations {
        found.entry(Place::Annotation, key, value, custom);
    }
    for owner in owners {
        found.owner(owner);
    }
    found.origin
}

struct Best<'o> {
    own: &'o str,
    origin: Option<Origin>,
}

impl Best<'_> {
    fn entry(&mut self, place: Place, key: &str, value: &str, custom: &[CustomMark]) {
        for (index, mark) in MARKS.iter().enumerate() {
            if mark.place.is(place, key)
                && let Some(from) = mark.from.read(value)
            {
                self.offer(index, from.as_deref());
            }
        }
        for (index, mark) in custom.iter().enumerate() {
            if mark.place == place
                && &*mark.key == key
                && let Some(from) = mark.read(value)
            {
                self.offer(MARKS.len() + index, from);
            }
        }
    }

    fn owner(&mut self, owner: Owner<'_>) {
        for (index, mark) in MARKS.iter().enumerate() {
            if let MarkPlace::Owner(group, kind) = mark.place
                && owner.kind == kind
                && owner.api_version.split_once('/').is_some_and(|(its, _)| its == group)
            {
                self.offer(index, None);
            }
        }
    }

    /// A namespace that cannot be one is not kept: the value is whatever somebody wrote.
    fn offer(&mut self, index: usize, from: Option<&str>) {
        let from = from.filter(|from| is_namespace(from));
        let Ok(index) = u16::try_from(index) else { return };
        if from == Some(self.own) {
            return;
        }
        let rank = (from.is_none(), MarkId(index));
        if self.origin.as_ref().is_none_or(|origin| rank < (origin.from.is_none(), origin.mark)) {
            self.origin = Some(Origin { from: from.map(Into::into), mark: MarkId(index) });
        }
    }
}

impl MarkPlace {
    fn is(&self, place: Place, key: &str) -> bool {
        match self {
            MarkPlace::Annotation(its) => place == Place::Annotation && *its == key,
            MarkPlace::Label(its) => place == Place::Label && *its == key,
            MarkPlace::Owner(..) => false,
        }
    }
}

impl From {
    /// Nothing where the value says that it is no copy.
    fn read<'v>(&self, value: &'v str) -> Option<Option<Cow<'v, str>>> {
        #[derive(Deserialize)]
        struct Reference<'a> {
            #[serde(borrow)]
            namespace: Option<Cow<'a, str>>,
        }
        match self {
            From::NamespaceAndName => Some(value.split_once('/').map(|(namespace, _)| Cow::Borrowed(namespace.trim()))),
            From::Namespace => Some(Some(Cow::Borrowed(value))),
            From::Reference => {
                Some(serde_json::from_str::<Reference<'_>>(value).ok().and_then(|reference| reference.namespace))
            }
            From::Untold => Some(None),
            From::True => (value == "true").then_some(None),
        }
    }
}

impl CustomMark {
    /// Parses a mark. Without `from` any value marks a copy, of which nobody knows where it is from.
    ///
    /// # Errors
    /// Says what is wrong with the key or the pattern.
    pub fn parse(place: Place, key: &str, from: Option<&str>) -> Result<CustomMark, MarkError> {
        if !is_key(key) {
            return Err(MarkError::Key);
        }
        Ok(CustomMark { place, key: key.into(), from: from.map(Pattern::parse).transpose()? })
    }

    /// What a value says of the origin; nothing where it is no mark. One that does not fit a pattern with a placeholder is a
    /// mark all the same: a copy from who knows where, rather than none.
    fn read<'v>(&self, value: &'v str) -> Option<Option<&'v str>> {
        match &self.from {
            None => Some(None),
            Some(pattern) => match pattern.read(value) {
                None if pattern.is_fixed() => None,
                None => Some(None),
                Some(namespace) => Some(namespace),
            },
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, MarkError> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (part, behind) = if let Some(behind) = rest.strip_prefix("{namespace}") {
                (Part::Namespace, behind)
            } else if let Some(behind) = rest.strip_prefix("{name}") {
                (Part::Name, behind)
            } else {
                let end = rest.find('{').unwrap_or(rest.len());
                let (literal, behind) = rest.split_at(end);
                if literal.is_empty() || literal.contains('}') {
                    return Err(MarkError::Placeholder);
                }
                (Part::Text(literal.into()), behind)
            };
            match &part {
                Part::Text(literal) if !parts.is_empty() && literal.starts_with(is_name_character) => {
                    return Err(MarkError::Ambiguous);
                }
                Part::Text(_) => {}
                placeholder if parts.contains(placeholder) => return Err(MarkError::Twice),
                _ if matches!(parts.last(), Some(Part::Namespace | Part::Name)) => return Err(MarkError::Ambiguous),
                _ => {}
            }
            parts.push(part);
            rest = behind;
        }
        Ok(Pattern(parts.into()))
    }

    fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether the value fits, and the namespace in it.
    fn read<'v>(&self, value: &'v str) -> Option<Option<&'v str>> {
        let mut namespace = None;
        let mut rest = value;
        for part in &self.0 {
            if let Part::Text(literal) = part {
                rest = rest.strip_prefix(&**literal)?;
                continue;
            }
            let end = rest.find(|character| !is_name_character(character)).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            if name.is_empty() {
                return None;
            }
            if *part == Part::Namespace {
                namespace = Some(name);
            }
            rest = behind;
        }
        rest.is_empty().then_some(namespace)
    }
}

/// Of a DNS subdomain, as Secrets are named.
fn is_name_character(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '-' | '.')
}

/// A DNS label.
fn is_namespace(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// A qualified name: a DNS subdomain, a slash and a name, or the name alone.
fn is_key(key: &str) -> bool {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    is_name && domain.is_none_or(|domain| (1..=253).contains(&domain.len()) && domain.chars().all(is_name_character))
}

const REFLECTOR: &str = "https://github.com/emberstack/kubernetes-reflector#readme";
const REPLICATOR: &str = "https://github.com/mittwald/kubernetes-replicator#readme";
const CONFIG_SYNCER: &str = "https://github.com/kubeops/config-syncer/blob/master/pkg/syncer/syncer.go";
const KYVERNO: &str = "https://github.com/kyverno/kyverno/blob/main/pkg/background/common/constants.go";
const EXTERNAL_SECRETS: &str =
    "https://github.com/external-secrets/external-secrets/blob/main/apis/externalsecrets/v1/externalsecret_types.go";

// What a message says of a Secret whose mark does not tell where it is from.
const BY_REFLECTOR: &str = "a copy made by reflector; from where is not known";
const BY_REPLICATOR: &str = "a copy made by kubernetes-replicator; from where is not known";
const BY_CONFIG_SYNCER: &str = "a copy made by config-syncer; from where is not known";
const BY_KYVERNO: &str = "made by Kyverno; of what is not known";
const BY_EXTERNAL_SECRETS: &str = "made by External Secrets; where its store reads is not known";
const SEALED: &str = "sealed cluster-wide; it may come from anywhere";

// One call a row: laid out by rustfmt nobody would read it.
#[rustfmt::skip]
const MARKS: &[Mark] = &[
    mark("reflector", BY_REFLECTOR, MarkPlace::Annotation("reflector.v1.k8s.emberstack.com/reflects"), From::NamespaceAndName, REFLECTOR),
    mark("kubernetes-replicator", BY_REPLICATOR, MarkPlace::Annotation("replicator.v1.mittwald.de/replicate-from"), From::NamespaceAndName, REPLICATOR),
    // Pushed by `replicate-to`: the copy does not say by which Secret.
    mark("kubernetes-replicator", BY_REPLICATOR, MarkPlace::Annotation("replicator.v1.mittwald.de/replicated-from-version"), From::Untold, REPLICATOR),
    mark("config-syncer", BY_CONFIG_SYNCER, MarkPlace::Label("kubed.appscode.com/origin.namespace"), From::Namespace, CONFIG_SYNCER),
    mark("config-syncer", BY_CONFIG_SYNCER, MarkPlace::Annotation("kubed.appscode.com/origin"), From::Reference, CONFIG_SYNCER),
    // `generate.kyverno.io/clone-source` is on the original.
    mark("Kyverno", BY_KYVERNO, MarkPlace::Label("generate.kyverno.io/source-namespace"), From::Namespace, KYVERNO),
    mark("Kyverno", BY_KYVERNO, MarkPlace::Label("generate.kyverno.io/source-uid"), From::Untold, KYVERNO),
    // Before 1.10, and the trigger's, not the original's: what a rule makes of its own data has it too.
    mark("Kyverno", BY_KYVERNO, MarkPlace::Label("kyverno.io/generated-by-kind"), From::Untold,
        "https://github.com/kyverno/kyverno/blob/00914bd25d105ecdeba3f089310aa4e509ff165f/pkg/background/common/labels.go"),
    // An ExternalSecret, or one that a ClusterExternalSecret made; its store may be another namespace.
    mark("External Secrets", BY_EXTERNAL_SECRETS, MarkPlace::Owner("external-secrets.io", "ExternalSecret"), From::Untold,
        "https://external-secrets.io/latest/guides/ownership-deletion-policy/"),
    mark("External Secrets", BY_EXTERNAL_SECRETS, MarkPlace::Label("reconcile.external-secrets.io/managed"), From::True, EXTERNAL_SECRETS),
    mark("External Secrets", BY_EXTERNAL_SECRETS, MarkPlace::Label("reconcile.external-secrets.io/created-by"), From::Untold, EXTERNAL_SECRETS),
    mark("External Secrets", BY_EXTERNAL_SECRETS, MarkPlace::Annotation("reconcile.external-secrets.io/data-hash"), From::Untold, EXTERNAL_SECRETS),
    // What is sealed so can be unsealed in any namespace.
    mark("Sealed Secrets", SEALED, MarkPlace::Annotation("sealedsecrets.bitnami.com/cluster-wide"), From::True,
        "https://github.com/bitnami-labs/sealed-secrets#scopes"),
];

const fn mark(name: &'static str, untold: &'static str, place: MarkPlace, from: From, source: &'static str) -> Mark {
    Mark { name, untold, place, from, source }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    enum Example {
        Annotation(&'static str, &'static str),
        Label(&'static str, &'static str),
        Owner(&'static str, &'static str),
    }
    use Example::{Annotation as A, Label as L, Owner as O};

    /// For each mark an example with the origin, and one that only looks like it.
    #[rustfmt::skip]
    const EXAMPLES: &[(Example, Option<&str>, Example)] = &[
        (A("reflector.v1.k8s.emberstack.com/reflects", "payments/db"), Some("payments"), A("reflector.v1.k8s.emberstack.com/reflection-allowed", "true")),
        (A("replicator.v1.mittwald.de/replicate-from", "payments/db"), Some("payments"), A("replicator.v1.mittwald.de/replicate-to", "team-.*")),
        (A("replicator.v1.mittwald.de/replicated-from-version", "4711"), None, A("replicator.v1.mittwald.de/replication-allowed", "true")),
        (L("kubed.appscode.com/origin.namespace", "payments"), Some("payments"), L("kubed.appscode.com/origin.name", "db")),
        (A("kubed.appscode.com/origin", "{\"kind\":\"Secret\",\"namespace\":\"payments\",\"name\":\"db\"}"), Some("payments"), A("kubed.appscode.com/sync", "app=x")),
        (L("generate.kyverno.io/source-namespace", "payments"), Some("payments"), L("generate.kyverno.io/clone-source", "")),
        (L("generate.kyverno.io/source-uid", "1-2-3"), None, L("generate.kyverno.io/trigger-uid", "1-2-3")),
        (L("kyverno.io/generated-by-kind", "Namespace"), None, L("generate.kyverno.io/clone-policy-name", "sync")),
        (O("external-secrets.io/v1", "ExternalSecret"), None, O("external-secrets.io/v1", "SecretStore")),
        (L("reconcile.external-secrets.io/managed", "true"), None, L("reconcile.external-secrets.io/managed", "false")),
        (L("reconcile.external-secrets.io/created-by", "abc"), None, A("reconcile.external-secrets.io/created-by", "abc")),
        (A("reconcile.external-secrets.io/data-hash", "abc"), None, A("external-secrets.io/force-sync", "1")),
        (A("sealedsecrets.bitnami.com/cluster-wide", "true"), None, A("sealedsecrets.bitnami.com/namespace-wide", "true")),
    ];

    fn of(example: &Example, custom: &[CustomMark]) -> Option<Origin> {
        match example {
            A(key, value) => read("team", [], [(*key, *value)], [], custom),
            L(key, value) => read("team", [(*key, *value)], [], [], custom),
            O(api_version, kind) => read("team", [], [], [Owner { api_version, kind }], custom),
        }
    }

    fn custom(from: &str) -> Result<CustomMark, MarkError> {
        CustomMark::parse(Place::Annotation, "example.com/copied-from", Some(from))
    }

    fn custom_from(from: &str, value: &'static str) -> Option<Option<String>> {
        let found = of(&A("example.com/copied-from", value), &[custom(from).unwrap()])?;
        Some(found.from.map(String::from))
    }

    #[test]
    fn every_mark_has_a_source_and_is_found_by_its_example_but_not_by_its_near_miss() {
        assert_eq!(EXAMPLES.len(), MARKS.len());
        for (index, mark) in MARKS.iter().enumerate() {
            assert!(mark.source.starts_with("https://"), "{}", mark.name);
            let (example, from, near_miss) = &EXAMPLES[index];
            let found = of(example, &[]).unwrap_or_else(|| panic!("{}: {index}", mark.name));
            assert_eq!((found.from.as_deref(), found.mark), (*from, MarkId(u16::try_from(index).unwrap())));
            assert_eq!(found.mark.name(&[]), mark.name);
            assert_eq!(of(near_miss, &[]), None, "{}: {index}", mark.name);
        }
    }

    #[test]
    fn a_copy_within_the_namespace_is_none() {
        assert_eq!(of(&A("replicator.v1.mittwald.de/replicate-from", "team/db"), &[]), None);
        assert_eq!(of(&L("generate.kyverno.io/source-namespace", "team"), &[]), None);
        assert!(of(&L("generate.kyverno.io/source-namespace", "team-a"), &[]).is_some());
    }

    #[test]
    fn a_mark_that_names_a_namespace_counts_before_one_that_names_none() {
        let labels =
            [("reconcile.external-secrets.io/managed", "true"), ("generate.kyverno.io/source-namespace", "payments")];
        let annotations = [("replicator.v1.mittwald.de/replicated-from-version", "1")];
        let found = read("team", labels, annotations, [], &[]).unwrap();
        assert_eq!((found.from.as_deref(), found.mark.name(&[])), (Some("payments"), "Kyverno"));
        // What is said of the own namespace does not hide the rest.
        let labels = [("generate.kyverno.io/source-namespace", "team")];
        let found = read("team", labels, annotations, [], &[]).unwrap();
        assert_eq!((found.from.as_deref(), found.mark.name(&[])), (None, "kubernetes-replicator"));
    }

    #[test]
    fn a_value_that_is_no_namespace_is_a_copy_from_who_knows_where() {
        let huge = Box::leak("x".repeat(1 << 18).into_boxed_str());
        for value in ["", "/", "db", "Payments/db", "a b/c", "\u{1b}[31m/x", huge] {
            let found = of(&A("reflector.v1.k8s.emberstack.com/reflects", value), &[]).unwrap();
            assert_eq!(found.from, None, "{value:.20}");
        }
        for value in ["", "{}", "[]", "{\"namespace\": 1}", "{\"namespace\": \"\"}", "null"] {
            assert_eq!(of(&A("kubed.appscode.com/origin", value), &[]).unwrap().from, None, "{value}");
        }
        let escaped = r#"{"namespace": "pay\u006dents"}"#;
        assert_eq!(of(&A("kubed.appscode.com/origin", escaped), &[]).unwrap().from.as_deref(), Some("payments"));
    }

    #[test]
    fn custom_marks_take_the_namespace_out_of_the_value() {
        assert_eq!(custom_from("{namespace}/{name}", "payments/db"), Some(Some("payments".into())));
        assert_eq!(custom_from("ns:{namespace}", "ns:payments"), Some(Some("payments".into())));
        assert_eq!(custom_from("{name}@{namespace}", "db.x@payments"), Some(Some("payments".into())));
        assert_eq!(custom_from("{name}", "db"), Some(None));
        assert_eq!(custom_from("{namespace}/{name}", "team/db"), None);
        // It does not fit, and is a copy all the same.
        assert_eq!(custom_from("{namespace}/{name}", "payments"), Some(None));
        assert_eq!(custom_from("{namespace}/{name}", "payments/db/more"), Some(None));
        // Nothing to take out: the value tells.
        assert_eq!(custom_from("true", "true"), Some(None));
        assert_eq!(custom_from("true", "false"), None);
        let any = CustomMark::parse(Place::Label, "copied", None).unwrap();
        let found = of(&L("copied", "x"), std::slice::from_ref(&any)).unwrap();
        assert_eq!((found.from.as_deref(), found.mark.name(std::slice::from_ref(&any))), (None, "copied"));
        assert_eq!(of(&A("copied", "x"), &[any]), None);
    }

    #[test]
    fn a_custom_mark_that_does_not_compile_says_why() {
        assert_eq!(custom("{namespace}-{name}"), Err(MarkError::Ambiguous));
        assert_eq!(custom("{namespace}{name}"), Err(MarkError::Ambiguous));
        assert_eq!(custom("{namespace}/{namespace}"), Err(MarkError::Twice));
        for from in ["{uid}/x", "{namespace", "x}", "{}", "{{namespace}}"] {
            assert_eq!(custom(from), Err(MarkError::Placeholder), "{from}");
        }
        for key in ["", "/x", "x/", "a/b/c", "a b", "Example.com/x", "x\n"] {
            assert_eq!(CustomMark::parse(Place::Label, key, None), Err(MarkError::Key), "{key}");
        }
        assert!(MarkError::Placeholder.to_string().contains("{namespace}"));
    }

    #[test]
    fn a_secret_takes_less_than_400_bytes() {
        let long = "n".repeat(40);
        let annotations = [("reflector.v1.k8s.emberstack.com/reflects", "payments-of-the-whole-company/db")];
        let kept = SecretMetadata::read("a-namespace-of-some-length", &long, [], annotations, [], &[]);
        let heap = kept.namespace.len() + kept.name.len() + kept.origin.unwrap().from.unwrap().len();
        assert!(size_of::<SecretMetadata>() + heap < 200, "{}", size_of::<SecretMetadata>());
        // By the longest names that the API server takes a mark's namespace makes no difference.
        assert!(size_of::<SecretMetadata>() <= 64);
    }

    proptest! {
        #[test]
        fn a_custom_mark_reads_what_it_wrote(namespace in "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", name in "[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?", between in "[/:@_ ]") {
            let pattern = custom(&format!("x={{namespace}}{between}{{name}}")).unwrap();
            let value = format!("x={namespace}{between}{name}");
            prop_assert_eq!(pattern.read(&value), Some(Some(&*namespace)));
        }

        #[test]
        fn any_pattern_and_value_are_read_without_a_panic(pattern in "(\\{namespace\\}|\\{name\\}|\\{|\\}|[/a.é]){0,6}", value in "[/a.é-]{0,8}") {
            if let Ok(mark) = custom(&pattern) {
                let _ = mark.read(&value);
            }
        }
    }
}
