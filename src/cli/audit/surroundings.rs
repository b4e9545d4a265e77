//! What is known before the first object is judged: which namespaces are, how they are fenced, and the facts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use jiff::civil::Date;

use super::super::check::live;
use super::{owners, sentences};
use crate::cluster::audit::{Asks, AuditError, Half, MODE_LABEL, Namespace, Part, Reader, Registrations, Selector};
use crate::cluster::{Connection, Credentials, Needs, Snapshot, Unread};
use crate::fence::access::Dangling;
use crate::fence::facts::Labels;
use crate::fence::name::{Shown, in_full};
use crate::fence::{Facts, Kind, KindSet, PolicySet};
use crate::report::audit::fold::Around;
use crate::report::audit::{Cluster, Fence, LeftOut, ModeLabel, Registration, Scope};

/// What somebody asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Empty: all.
    pub(super) namespaces: Vec<String>,
    pub(super) selector: Option<Selector>,
    /// Who names a namespace asks for it, whatever this says.
    pub(super) include_left_out: bool,
}

/// What is known before the first object is judged.
pub(super) struct Surroundings {
    /// What is read; none where nothing is left to read.
    pub(super) part: Option<Part>,
    /// What is known beside the objects.
    pub(super) facts: Facts,
    /// For the report.
    pub(super) around: Around,
    /// The namespaces that are not judged.
    pub(super) left_out: HashSet<Arc<str>>,
    /// Rights that somebody has, and nobody can say which.
    pub(super) dangling: Vec<Dangling>,
}

impl Surroundings {
    pub(super) fn read(
        cluster: &Reader,
        connection: &Connection,
        policies: &PolicySet,
        asked: Asked,
        today: Date,
    ) -> anyhow::Result<Surroundings> {
        let Asked { mut namespaces, selector, include_left_out } = asked;
        namespaces.sort_unstable();
        namespaces.dedup();
        let scope =
            Scope { namespaces: namespaces.clone(), selector: selector.as_ref().map(|its| its.as_str().to_owned()) };
        let mut part = Part { namespaces, selector, without: Vec::new() };
        let by = || format!("the cluster cannot be audited, by {}", cluster.credentials);
        let (found, errors) = cluster.namespaces(&part).with_context(by)?;
        let needs = Needs::of(policies);
        let (mut errors, mut not_judged) = labels_in_words(errors, &part, needs.namespaces.is_some());
        let registrations = registrations(cluster, &mut errors, &mut not_judged);
        let standing: Vec<Standing> = found.iter().map(|its| Standing::of(its, registrations.as_ref())).collect();
        not_judged.extend(registrations.iter().flat_map(Registrations::shortfalls));
        not_judged.extend(halves_in_words(&found, &standing));

        let has_all = part.namespaces.is_empty();
        let never = |(_, standing): &(&Namespace, &Standing)| standing.never && has_all && !include_left_out;
        let left_out: HashSet<Arc<str>> =
            found.iter().zip(&standing).filter(never).map(|(its, _)| Arc::clone(&its.name)).collect();
        part.namespaces.retain(|name| found.iter().any(|its| *its.name == **name));
        part.without = left_out.iter().map(|name| name.to_string()).collect();
        part.without.sort_unstable();
        let nothing = !has_all && part.namespaces.is_empty();

        // The labels of all are known already.
        let needs = Needs { namespaces: None, ..needs };
        let (snapshot, unread) = Snapshot::read_what_it_may(connection, &needs, live::PATIENCE)
            .context("what the policies ask of the cluster cannot be read, so nothing was judged")?;
        errors.extend(unread.iter().flat_map(unread_in_words));
        let Snapshot { known, access, .. } = snapshot;
        let mut facts = known.added_to(Facts::on(today));
        facts.not_told = unread.iter().fold(KindSet::NONE, |all, its| all.union(its.topic.kinds()));
        facts.namespaces = Arc::new(labels(&found));
        facts.access = access.as_ref().map(|store| Arc::new(store.access()));
        let dangling = access.as_ref().map(|store| store.dangling()).unwrap_or_default();

        let judged = found.iter().zip(&standing).filter(|(its, _)| !left_out.contains(&its.name));
        let around = Around {
            namespaces: judged
                .map(|(its, standing)| (in_full(&its.name), standing.label.clone(), standing.fence))
                .collect(),
            registration: match &registrations {
                Some(registrations) if registrations.is_empty() => Registration::Missing,
                Some(_) => Registration::Installed,
                None => Registration::Unknown,
            },
            left_out: left_out_in_words(&left_out),
            cluster: name(cluster),
            scope,
            not_judged,
            errors,
        };
        Ok(Surroundings { part: (!nothing).then_some(part), facts, around, left_out, dangling })
    }
}

impl Surroundings {
    pub(super) fn selector(&self) -> Option<&Selector> {
        self.part.as_ref()?.selector.as_ref()
    }

    /// Whether the labels of an object are those that are asked for.
    pub(super) fn chooses(&self, json: &[u8]) -> bool {
        self.selector().is_none_or(|selector| owners::has_labels(json, selector))
    }
}

fn name(cluster: &Reader) -> Cluster {
    let context = match &cluster.credentials {
        Credentials::Pod => None,
        Credentials::Kubeconfig { context, .. } => context.as_deref().map(|context| Shown(context).to_text()),
    };
    Cluster { context, server: cluster.server.clone() }
}

/// How a namespace is fenced.
struct Standing {
    label: ModeLabel,
    fence: Fence,
    /// No registration asks about it, however it is labelled.
    never: bool,
    /// What stands there of a fence with two halves.
    alone: Option<Half>,
}

impl Standing {
    fn of(namespace: &Namespace, registrations: Option<&Registrations>) -> Standing {
        let Some(labels) = &namespace.labels else {
            return Standing { label: ModeLabel::Unknown, fence: Fence::Unknown, never: false, alone: None };
        };
        let label = ModeLabel::of(labels.get(MODE_LABEL));
        let Some(registrations) = registrations else {
            return Standing { label, fence: Fence::Unknown, never: false, alone: None };
        };
        let asks = registrations.ask_about(labels);
        let fence = match asks {
            Asks::Enforcing => Fence::Enforced,
            Asks::Narrowed => Fence::Narrowed,
            Asks::DryRun => Fence::DryRun,
            Asks::Nobody | Asks::Never => Fence::Open,
        };
        Standing { label, fence, never: asks == Asks::Never, alone: registrations.alone(labels) }
    }
}

/// Labels that may not be read are an error only where a policy asks for them; else the state of the fence is what nobody
/// can say. A namespace that is not there is an error.
fn labels_in_words(errors: Vec<AuditError>, part: &Part, policies_ask: bool) -> (Vec<String>, Vec<String>) {
    let is_error = |error: &AuditError| {
        policies_ask || part.namespaces.is_empty() || !matches!(error, AuditError::Forbidden { .. })
    };
    let (errors, others): (Vec<AuditError>, Vec<AuditError>) = errors.into_iter().partition(is_error);
    let errors = errors.iter().map(ToString::to_string).collect();
    let others = others.iter().map(|error| format!("how namespaces are fenced: {error}")).collect();
    (errors, others)
}

/// Who may not read them is told all the more: nothing is left out then.
fn registrations(cluster: &Reader, errors: &mut Vec<String>, not_judged: &mut Vec<String>) -> Option<Registrations> {
    match cluster.registrations() {
        Ok(registrations) => return Some(registrations),
        Err(error @ AuditError::Forbidden { .. }) => {
            not_judged.push(format!("which namespaces are fenced, so none is left out: {error}"));
        }
        Err(error) => errors.push(error.to_string()),
    }
    None
}

/// What is not known is not judged; all the rest is.
fn unread_in_words(unread: &Unread) -> Vec<String> {
    let kinds: Vec<&str> = unread.topic.kinds().iter().map(Kind::name).collect();
    unread.errors.iter().map(|error| format!("no {} is judged: {error}", kinds.join(" and no "))).collect()
}

/// One sentence for each half that stands alone somewhere.
fn halves_in_words(namespaces: &[Namespace], standing: &[Standing]) -> Vec<String> {
    let way_out = "let both leave out the same";
    let of = |half: Half, what: &str, why: &str| {
        let its = namespaces.iter().zip(standing).filter(|(_, standing)| standing.alone == Some(half));
        let mut names: Vec<String> = its.map(|(its, _)| in_full(&its.name)).collect();
        names.sort_unstable();
        (!names.is_empty()).then(|| format!("{what} in {}: {why}: {way_out}", sentences::listed(&names)))
    };
    let swaps = of(
        Half::Swaps,
        "what should be denied",
        "nothing is, since the namespaceSelector of the mutating webhook takes them in and that of the validating one does not",
    );
    let denies = of(
        Half::Denies,
        "what could be swapped",
        "all of it is denied, since the namespaceSelector of the validating webhook takes them in and that of the mutating one does not",
    );
    swaps.into_iter().chain(denies).collect()
}

fn labels(namespaces: &[Namespace]) -> HashMap<Arc<str>, Labels> {
    namespaces.iter().filter_map(|its| Some((Arc::clone(&its.name), its.labels.clone()?))).collect()
}

fn left_out_in_words(namespaces: &HashSet<Arc<str>>) -> Vec<LeftOut> {
    let why = "no registration asks about it, however it is labelled: --include-left-out judges it, too";
    let mut all: Vec<LeftOut> =
        namespaces.iter().map(|name| LeftOut { namespace: in_full(name), why: why.to_owned() }).collect();
    all.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    all
}
