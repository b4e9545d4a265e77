//! Objects in, one after the other; what is found in them, folded by owner, out.
//!
//! What grows is the number of owners and of their findings, not that of pods.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};

use jiff::civil::Date;
use smallvec::SmallVec;

use super::{
    Audit, Cluster, ExceptionUse, Fence, LeftOut, ModeLabel, NamespaceLine, Owner, Registration, Row, Scope, Template,
    Totals,
};
use crate::fence::kind::Kind;
use crate::fence::policy::{Mode, PolicySet};
use crate::fence::{Finding, Outcome};
use crate::report::{Policies, RuleLine, by_pointer};

/// How many owners are named that use an exception.
const NAMED_USERS: usize = 20;
/// How many findings of an owner are kept. One object has room for 50,000 references: what anybody may write into a
/// namespace shall not end the audit of all others for want of memory.
const KEPT_ROWS: usize = 1_000;

/// What makes pods, by its names: safe to show.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerName {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Group and version.
    pub api_version: String,
}

/// What is known of the cluster beside its workloads.
#[derive(Clone, Debug)]
pub struct Around {
    /// The namespaces that are judged, even where nothing is in them.
    pub namespaces: Vec<(String, ModeLabel, Fence)>,
    /// What asks the fence.
    pub registration: Registration,
    /// The namespaces that are not judged.
    pub left_out: Vec<LeftOut>,
    /// Which cluster it is.
    pub cluster: Cluster,
    /// What was asked for.
    pub scope: Scope,
    /// What was left out on purpose or cannot be known.
    pub not_judged: Vec<String>,
    /// What could not be read.
    pub errors: Vec<String>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Fold {
    owners: HashMap<OwnerName, Folded>,
    /// Policies in dry run were judged as if they enforced: nobody was to stop what they decide.
    foretells: bool,
}

/// What uses an exception, so far.
#[derive(Debug, Default)]
struct Uses {
    references: usize,
    owners: usize,
    /// The first of them, by name.
    first: BTreeSet<OwnerName>,
}

/// An owner, so far.
#[derive(Debug)]
struct Folded {
    template: Template,
    pods: usize,
    missed: usize,
    rows: Vec<Row>,
    /// The rows that are alike, by what they have in common.
    places: HashMap<Alike, SmallVec<[u32; 1]>>,
    /// What is not kept, each by the number that it has among those that are alike.
    more: HashSet<(Alike, u32)>,
    /// Of what is not kept.
    totals_of_more: Totals,
    /// References that exceptions decide of, each once, by what tells it from others: by policy and rule.
    excused: BTreeMap<(String, String), BTreeSet<String>>,
}

/// What two findings of an owner have in common that are one: what is said of the same reference, and comes to the same.
type Alike = u64;

impl Fold {
    /// For what these policies find. Where some are judged [as if they enforced](PolicySet::as_enforced), no pod is missed:
    /// of a reference nobody can say then whether it is there although one that does enforce would stop it.
    pub fn by(policies: &PolicySet) -> Fold {
        Fold { owners: HashMap::new(), foretells: policies.counts_as_enforced() > 0 }
    }

    /// Takes in the pod template of an owner. Of one that comes twice the first counts.
    pub fn template(&mut self, owner: OwnerName, findings: Vec<Finding>) {
        let folded = self.owners.entry(owner).or_insert_with(|| Folded::new(Template::Unknown));
        if folded.template == Template::Unknown {
            folded.template = Template::Judged;
            folded.take(findings, true, self.foretells);
        }
    }

    /// Whether the pod template of this owner was taken in.
    pub fn has_template_of(&self, owner: &OwnerName) -> bool {
        self.owners.get(owner).is_some_and(|folded| folded.template == Template::Judged)
    }

    /// Takes in a pod as it exists. `itself`: no controller made it, and the owner is the pod.
    pub fn pod(&mut self, owner: OwnerName, itself: bool, findings: Vec<Finding>) {
        let template = if itself { Template::Itself } else { Template::Unknown };
        let folded = match self.owners.entry(owner) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Folded::new(template)),
        };
        folded.pods += 1;
        folded.missed += usize::from(!self.foretells && findings.iter().any(stops));
        folded.take(findings, false, self.foretells);
    }

    /// All of it, in order.
    pub fn finish(self, policies: &PolicySet, today: Date, around: Around) -> Audit {
        let Around { namespaces, registration, left_out, cluster, scope, mut not_judged, errors } = around;
        if self.foretells {
            let text = "which pods are missed: policies in dry run, which were judged as if they enforced, let pods live on \
                        purpose: audit without --as-enforced for that";
            not_judged.push(text.to_owned());
        }
        let mut lines: BTreeMap<String, NamespaceLine> = namespaces
            .into_iter()
            .map(|(name, label, fence)| (name.clone(), NamespaceLine { name, label, fence, totals: Totals::default() }))
            .collect();
        let mut used: HashMap<(String, String), Uses> = HashMap::new();
        let (mut owners, mut untold) = (Vec::new(), BTreeSet::new());
        for (name, folded) in self.owners {
            let line = lines.entry(name.namespace.clone()).or_insert_with(|| NamespaceLine {
                name: name.namespace.clone(),
                label: ModeLabel::Unknown,
                fence: Fence::Unknown,
                totals: Totals::default(),
            });
            line.totals += folded.totals();
            for (exception, references) in &folded.excused {
                used.entry(exception.clone()).or_default().take(references.len(), &name);
            }
            untold.extend(folded.more_in_words(&name));
            owners.extend(folded.owner(name));
        }
        not_judged.extend(untold);
        owners.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut totals = Totals::default();
        lines.values().for_each(|line| totals += line.totals);
        let exceptions = policies.exceptions().map(|(policy, rule, exception)| {
            let uses = used.remove(&(policy.name.clone(), rule.name.clone()));
            let Uses { references, owners, first } = uses.unwrap_or_default();
            ExceptionUse {
                policy: policy.name.clone(),
                rule: rule.name.clone(),
                expires: exception.expires,
                state: exception.state(today),
                of_pods: !rule.on.contains(Kind::Literal) && !rule.on.contains(Kind::RawSecret),
                references,
                owners,
                used_by: first.into_iter().collect(),
            }
        });
        Audit {
            policies: Policies::of(policies),
            today,
            rules: RuleLine::of(policies),
            totals,
            owners,
            namespaces: lines.into_values().collect(),
            exceptions: exceptions.collect(),
            registration,
            left_out,
            cluster,
            scope,
            not_judged,
            errors,
            compared: None,
        }
    }
}

impl Uses {
    fn take(&mut self, references: usize, owner: &OwnerName) {
        self.references += references;
        self.owners += 1;
        self.first.insert(owner.clone());
        if self.first.len() > NAMED_USERS {
            self.first.pop_last();
        }
    }
}

impl Folded {
    fn new(template: Template) -> Folded {
        Folded {
            template,
            pods: 0,
            missed: 0,
            rows: Vec::new(),
            places: HashMap::new(),
            more: HashSet::new(),
            totals_of_more: Totals::default(),
            excused: BTreeMap::new(),
        }
    }

    /// Takes in the findings of the template, or of a pod. Two of one object that are alike stay two: the first goes with
    /// the first, the second with the second.
    fn take(&mut self, findings: Vec<Finding>, is_template: bool, foretold: bool) {
        let (pods, in_template) = (usize::from(!is_template), is_template || self.template == Template::Itself);
        let mut counts: HashMap<Alike, u32> = HashMap::new();
        for finding in findings {
            self.excuse(&finding);
            if finding.outcome == Outcome::Allowed {
                continue;
            }
            let alike = alike(&finding);
            let count = counts.entry(alike).or_default();
            let number = std::mem::replace(count, *count + 1);
            let places = self.places.entry(alike).or_default();
            match places.get(number as usize) {
                Some(place) => {
                    let row = &mut self.rows[*place as usize];
                    row.pods += pods;
                    if is_template && !row.in_template {
                        (row.in_template, row.finding) = (true, finding);
                    }
                }
                None if self.rows.len() < KEPT_ROWS => {
                    places.extend(u32::try_from(self.rows.len()));
                    self.rows.push(Row { finding, in_template, pods, foretold, known: false, slipped: 0 });
                }
                None if self.more.insert((alike, number)) => self.totals_of_more.take(&finding),
                None => {}
            }
        }
    }

    fn excuse(&mut self, finding: &Finding) {
        for exception in &finding.exceptions {
            let references = match self.excused.get_mut(exception) {
                Some(references) => references,
                None => self.excused.entry(exception.clone()).or_default(),
            };
            if !references.contains(&finding.fingerprint) {
                references.insert(finding.fingerprint.clone());
            }
        }
    }

    /// What is not kept of an owner, if anything is not.
    fn more_in_words(&self, name: &OwnerName) -> Option<String> {
        let OwnerName { namespace, kind, name, .. } = name;
        let more = self.more.len();
        (more > 0).then(|| {
            format!("{kind} {namespace}/{name} has {more} more findings than the {KEPT_ROWS} that are told: they are counted")
        })
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals { owners: 1, pods: self.pods, missed: self.missed, ..self.totals_of_more };
        self.rows.iter().for_each(|row| totals.take(&row.finding));
        totals
    }

    /// None where nothing was found.
    fn owner(mut self, name: OwnerName) -> Option<Owner> {
        if self.rows.is_empty() {
            return None;
        }
        self.rows.sort_by(|a, b| {
            let container = |row: &Row| row.finding.container.clone();
            container(a)
                .cmp(&container(b))
                .then_with(|| by_pointer(&a.finding.pointer, &b.finding.pointer))
                .then(a.finding.mode.cmp(&b.finding.mode))
                .then_with(|| a.finding.fingerprint.cmp(&b.finding.fingerprint))
        });
        let OwnerName { namespace, api_version, kind, name } = name;
        let Folded { template, pods, missed, rows, .. } = self;
        Some(Owner { namespace, api_version, kind, name, template, pods, missed, slipped: 0, rows })
    }
}

impl Owner {
    fn order(&self) -> (&str, &str, &str, &str) {
        (&self.namespace, &self.kind, &self.name, &self.api_version)
    }
}

fn alike(finding: &Finding) -> Alike {
    let mut hasher = DefaultHasher::new();
    (&finding.fingerprint, finding.mode, finding.outcome, finding.reads).hash(&mut hasher);
    hasher.finish()
}

/// Whether the pod would not be there as it is.
fn stops(finding: &Finding) -> bool {
    finding.mode != Some(Mode::DryRun) && matches!(finding.outcome, Outcome::Denied | Outcome::Swapped)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::{Value, json};

    use super::*;
    use crate::fence::{Evaluation, Facts, Question, Subject, evaluate_for};
    use crate::policy_dir;

    const POLICIES: &str = "\
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: files}
spec:
  rules:
    - {name: vendor, on: [secretKeyRef], where: {containers: [vendor]}, action: allow, reason: x, expires: 2027-01-01}
    - {name: unused, on: [secretKeyRef], where: {containers: [nobody]}, action: allow, reason: x, expires: 2026-11-30}
    - {name: swap, on: [secretKeyRef], where: {variables: [SWAP]}, action: mount}
    - {name: deny, on: [env], action: deny}
";

    fn policies() -> PolicySet {
        policy_dir::compile(&[("p.yaml".into(), POLICIES.as_bytes().to_vec())]).unwrap().set
    }

    fn owner(kind: &str, name: &str) -> OwnerName {
        let api_version = if kind == "Pod" { "v1" } else { "apps/v1" }.to_owned();
        OwnerName { namespace: "shop".to_owned(), api_version, kind: kind.to_owned(), name: name.to_owned() }
    }

    fn env(variable: &str) -> Value {
        json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}})
    }

    fn spec(variables: &[&str]) -> Value {
        let env: Vec<Value> = variables.iter().map(|variable| env(variable)).collect();
        json!({"containers": [{"name": "api", "image": "api:1", "env": env}]})
    }

    fn findings(object: &Value, owner: &OwnerName, policies: &PolicySet) -> Vec<Finding> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let question = Question { api_version: &api_version, kind: &kind, namespace: "shop", all: true, patch: false };
        let subject = Subject { kind: &owner.kind, namespace: &owner.namespace, name: &owner.name };
        let facts = Facts::on(date(2026, 11, 21));
        match evaluate_for(object.to_string().as_bytes(), &question, subject, policies, &facts).unwrap() {
            Evaluation::Judged(judgement) => judgement.findings,
            other => panic!("{other:?}"),
        }
    }

    fn template(fold: &mut Fold, name: &str, spec: &Value) {
        let owner = owner("Deployment", name);
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"template": {"spec": spec}}});
        let findings = findings(&object, &owner, &policies());
        fold.template(owner, findings);
    }

    fn pod(fold: &mut Fold, owner: OwnerName, spec: &Value) {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec});
        let findings = findings(&object, &owner, &policies());
        fold.pod(owner.clone(), owner.kind == "Pod", findings);
    }

    fn finish(fold: Fold) -> Audit {
        finish_by(fold, &policies())
    }

    fn finish_by(fold: Fold, policies: &PolicySet) -> Audit {
        let around = Around {
            namespaces: vec![("empty".to_owned(), ModeLabel::None, Fence::Open)],
            registration: Registration::Missing,
            left_out: Vec::new(),
            cluster: Cluster::default(),
            scope: Scope::default(),
            not_judged: Vec::new(),
            errors: Vec::new(),
        };
        fold.finish(policies, date(2026, 11, 21), around)
    }

    fn rows(owner: &Owner) -> Vec<(&str, bool, usize, usize)> {
        let row = |row: &'_ Row| (row.finding.outcome.name(), row.in_template, row.pods, row.missed());
        owner.rows.iter().map(row).collect()
    }

    #[test]
    fn forty_replicas_are_one_row() {
        let mut fold = Fold::default();
        template(&mut fold, "web", &spec(&["A"]));
        (0..40).for_each(|_| pod(&mut fold, owner("Deployment", "web"), &spec(&["A"])));
        let audit = finish(fold);
        let [web] = &audit.owners[..] else { panic!("{:?}", audit.owners) };
        assert_eq!((web.template, web.pods, web.missed), (Template::Judged, 40, 40));
        assert_eq!(rows(web), [("denied", true, 40, 40)]);
        assert_eq!(web.rows[0].finding.pointer, "/spec/template/spec/containers/0/env/0");
        assert_eq!((audit.totals.owners, audit.totals.pods, audit.totals.denied), (1, 40, 1));
    }

    #[test]
    fn a_pod_that_was_swapped_has_no_finding() {
        let mut fold = Fold::default();
        template(&mut fold, "web", &spec(&["SWAP"]));
        pod(&mut fold, owner("Deployment", "web"), &spec(&["SWAP"]));
        pod(&mut fold, owner("Deployment", "web"), &spec(&[]));
        let audit = finish(fold);
        assert_eq!(rows(&audit.owners[0]), [("swapped", true, 1, 1)]);
        assert_eq!((audit.owners[0].pods, audit.owners[0].missed), (2, 1));
        let change = audit.owners[0].rows[0].change();
        let expected = "in the program: read the file that SWAP_FILE names (/run/secretfence/db/password) where it is set, else SWAP as now; the manifest stays as it is: the webhook, or secretfence fix, does the rest";
        assert_eq!(change.as_deref(), Some(expected));
    }

    #[test]
    fn pods_of_an_older_template_have_rows_of_their_own() {
        let mut fold = Fold::default();
        // In either order.
        pod(&mut fold, owner("Deployment", "web"), &spec(&["A", "B"]));
        template(&mut fold, "web", &spec(&["B"]));
        let audit = finish(fold);
        assert_eq!(rows(&audit.owners[0]), [("denied", false, 1, 1), ("denied", true, 1, 1)]);
        assert_eq!(audit.owners[0].missed, 1);
    }

    #[test]
    fn two_references_that_are_alike_stay_two() {
        let mut fold = Fold::default();
        template(&mut fold, "web", &spec(&["A", "A"]));
        pod(&mut fold, owner("Deployment", "web"), &spec(&["A", "A"]));
        pod(&mut fold, owner("Deployment", "web"), &spec(&["A"]));
        assert_eq!(rows(&finish(fold).owners[0]), [("denied", true, 2, 2), ("denied", true, 1, 1)]);
    }

    #[test]
    fn a_list_that_came_twice_counts_a_template_once() {
        let mut fold = Fold::default();
        template(&mut fold, "web", &spec(&["A"]));
        template(&mut fold, "web", &spec(&["A"]));
        assert_eq!(rows(&finish(fold).owners[0]), [("denied", true, 0, 0)]);
    }

    #[test]
    fn a_pod_of_nobodys_is_its_own_owner() {
        let mut fold = Fold::default();
        pod(&mut fold, owner("Pod", "job-1"), &spec(&["A"]));
        let audit = finish(fold);
        assert_eq!(
            (audit.owners[0].template, rows(&audit.owners[0])),
            (Template::Itself, vec![("denied", true, 1, 1)])
        );
    }

    #[test]
    fn exceptions_are_counted_once_for_each_owner_and_reference() {
        let mut fold = Fold::default();
        let mut vendor = spec(&["A", "B"]);
        vendor["containers"][0]["name"] = json!("vendor");
        template(&mut fold, "web", &vendor);
        (0..3).for_each(|_| pod(&mut fold, owner("Deployment", "web"), &vendor));
        pod(&mut fold, owner("Pod", "one"), &vendor);
        let audit = finish(fold);
        let uses: Vec<_> = audit.exceptions.iter().map(|its| (&*its.rule, its.references, its.owners)).collect();
        assert_eq!(uses, [("vendor", 4, 2), ("unused", 0, 0)]);
        let users = |index: usize| audit.exceptions[index].used_by.iter().map(|its| (&*its.kind, &*its.name));
        assert_eq!(users(0).collect::<Vec<_>>(), [("Deployment", "web"), ("Pod", "one")]);
        assert_eq!(users(1).count(), 0);
        assert!(audit.owners.is_empty());
        assert_eq!(audit.totals.owners, 2);
    }

    /// How many references of one pod use the exceptions of `b`, beside what `a` says.
    fn uses_of_b(a: &str, b: &str, pod_spec: &Value) -> Vec<(usize, bool)> {
        let policy = |name: &str, rules: &str| {
            let text = format!(
                "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: {name}}}\nspec: {{rules: [{rules}]}}\n"
            );
            (format!("{name}.yaml").into(), text.into_bytes())
        };
        let policies = policy_dir::compile(&[policy("a", a), policy("b", b)]).unwrap().set;
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": pod_spec});
        let (mut fold, owner) = (Fold::default(), owner("Pod", "pod"));
        fold.pod(owner.clone(), true, findings(&object, &owner, &policies));
        let audit = finish_by(fold, &policies);
        let of_b = audit.exceptions.iter().filter(|its| its.policy == "b");
        of_b.map(|its| (its.references, audit.sees_use_of(its))).collect()
    }

    /// Without it the reference would come to something else by its own policy, now or as soon as the other one goes.
    #[test]
    fn an_exception_is_used_whatever_other_policies_make_of_the_reference() {
        let exception = "{name: vendor, on: [env, volume], action: allow, reason: x, expires: 2027-01-01}";
        for a in [
            exception,
            "{name: allow, on: [env], action: allow}",
            "{name: warn, on: [env], action: warn}",
            "{name: swap, on: [env], action: mount}",
            "{name: deny, on: [env], action: deny}",
        ] {
            let used =
                uses_of_b(a, &format!("{exception}, {{name: deny, on: [env], action: deny}}"), &spec(&["A", "B"]));
            assert_eq!(used, [(2, true)], "{a}");
        }
        let (dry_run, ended) = (exception.replace("vendor", "other"), exception.replace("2027-01-01", "2026-11-20"));
        assert_eq!(uses_of_b(&dry_run, &ended, &spec(&["A"])), [(0, true)]);
        let after = format!("{{name: warn, on: [env], action: warn}}, {exception}");
        assert_eq!(uses_of_b(exception, &after, &spec(&["A"])), [(0, true)], "an earlier rule decides");
    }

    #[test]
    fn an_exception_is_used_by_one_key_of_several_and_where_the_volume_of_a_swap_is_refused() {
        let items = json!([{"key": "a", "path": "a"}, {"key": "b", "path": "b"}]);
        let volume = json!({"name": "v", "secret": {"secretName": "db", "items": items}});
        let pod = json!({"containers": [{"name": "api", "image": "api:1"}], "volumes": [volume]});
        let one = "{name: one, on: [volume], where: {keys: [b]}, action: allow, reason: x, expires: 2027-01-01}";
        let deny = "{name: deny, on: [volume], action: deny}";
        assert_eq!(uses_of_b(deny, &format!("{one}, {deny}"), &pod), [(1, true)]);
        let exception = "{name: vendor, on: [env], action: allow, reason: x, expires: 2027-01-01}";
        let swap = format!("{{name: swap, on: [env], action: mount}}, {deny}");
        assert_eq!(uses_of_b(&swap, exception, &spec(&["A"])), [(1, true)]);
    }

    #[test]
    fn of_an_exception_that_config_maps_may_use_nobody_says_that_nothing_does() {
        for (on, of_pods) in [("rawSecret", false), ("literal", false), ("env, literal", false), ("env, volume", true)]
        {
            let exception = format!("{{name: x, on: [{on}], action: allow, reason: x, expires: 2027-01-01}}");
            let used = uses_of_b("{name: deny, on: [env], action: deny}", &exception, &spec(&[]));
            assert_eq!(used, [(0, of_pods)], "{on}");
        }
    }

    #[test]
    fn what_an_owner_has_beyond_the_rows_that_are_kept_is_counted_once_and_said() {
        let mut fold = Fold::default();
        let names: Vec<String> = (0..KEPT_ROWS + 5).map(|number| format!("A{number}")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        // Alike with the last one, and one more all the same.
        names.push(names[KEPT_ROWS + 4]);
        template(&mut fold, "web", &spec(&names));
        (0..3).for_each(|_| pod(&mut fold, owner("Deployment", "web"), &spec(&names)));
        let mut audit = finish(fold);
        assert_eq!((audit.owners[0].rows.len(), audit.totals.denied), (KEPT_ROWS, KEPT_ROWS + 6));
        assert!(audit.owners[0].rows.iter().all(|row| row.in_template && row.pods == 3));
        let sentence = "Deployment shop/web has 6 more findings than the 1000 that are told: they are counted";
        assert_eq!(audit.not_judged, [sentence]);
        // Whether an earlier audit knew of them nobody can say.
        audit.owners[0].rows.iter_mut().for_each(|row| row.known = true);
        assert!(audit.denies());
        audit.totals.denied = KEPT_ROWS;
        assert!(!audit.denies());
    }

    #[test]
    fn of_those_that_use_an_exception_the_first_are_named() {
        let mut fold = Fold::default();
        let mut vendor = spec(&["A"]);
        vendor["containers"][0]["name"] = json!("vendor");
        (0..30).rev().for_each(|number| pod(&mut fold, owner("Pod", &format!("pod-{number:02}")), &vendor));
        let audit = finish(fold);
        let names: Vec<&str> = audit.exceptions[0].used_by.iter().map(|its| &*its.name).collect();
        assert_eq!(names, (0..20).map(|number| format!("pod-{number:02}")).collect::<Vec<_>>());
        assert_eq!(audit.exceptions[0].owners, 30);
    }

    #[test]
    fn a_clean_namespace_has_a_line() {
        let mut fold = Fold::default();
        pod(&mut fold, owner("Pod", "one"), &spec(&["A"]));
        let audit = finish(fold);
        let lines: Vec<_> = audit.namespaces.iter().map(|line| (&*line.name, line.totals.pods)).collect();
        assert_eq!(lines, [("empty", 0), ("shop", 1)]);
    }
}
