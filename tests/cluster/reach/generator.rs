//! Sets of RBAC objects, small and full of the corners.

use std::ptr;

use secretfence::fence::access::{Access, Names, Naming, Object, Place, ROWS, Reached, Row, Scope};
use serde_json::{Value, json};

/// Marks what is ours in the cluster.
pub const LABEL: &str = "example.com/reach";

const VERSION: &str = "rbac.authorization.k8s.io/v1";
const GROUP: &str = "rbac.authorization.k8s.io";

/// In `resourceNames`, with the empty one.
const NAMES: [&str; 3] = ["one", "two", ""];
/// In nobody's.
const OTHER_NAME: &str = "three";

/// Two namespaces with one or two ServiceAccounts, and what speaks of them.
pub struct Set {
    name: String,
    pub namespaces: [String; 2],
    /// In the order in which they are to be made.
    pub objects: Vec<Value>,
    /// The ClusterRoles that an aggregated one is to be made of.
    pub aggregated: Vec<(String, Vec<String>)>,
    rules: Vec<Value>,
    accounts: usize,
    is_cluster_wide: bool,
}

/// What the API server is asked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Namespace and name.
    pub account: (&'a str, &'a str),
    pub row: usize,
    pub namespace: Option<&'a str>,
    pub name: &'a str,
}

/// With the reason why it is allowed, or none.
pub type Answered<'a> = (Question<'a>, Option<String>);

impl Question<'_> {
    pub fn but_for_the_name(&self) -> (usize, (&str, &str), Option<&str>) {
        (self.row, self.account, self.namespace)
    }
}

impl std::fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {} in {:?} named {:?}", self.account, ROWS[self.row], self.namespace, self.name)
    }
}

impl Set {
    /// A set in the namespaces of a slot. Only one that is alone speaks of all ServiceAccounts cluster-wide.
    pub fn generate(random: &mut Random, number: usize, slot: usize, is_alone: bool) -> Set {
        let name = format!("set-{number}");
        let namespaces = ["a", "b"].map(|half| format!("reach-{slot}-{half}"));
        let mut set = Set {
            name,
            namespaces,
            objects: Vec::new(),
            aggregated: Vec::new(),
            rules: Vec::new(),
            accounts: 1 + usize::from(random.one_in(6)),
            is_cluster_wide: false,
        };
        let mut roles = Vec::new();
        for index in 0..random.between(1, 2) {
            roles.push(set.role(random, index));
        }
        for index in 0..random.between(1, 2) {
            roles.push(set.cluster_role(random, index));
        }
        if random.one_in(2) {
            set.aggregate(random, &mut roles);
        }
        if random.one_in(10) {
            roles.push((None, "is-not-there".to_owned()));
        }
        for index in 0..random.between(1, 3) {
            set.role_binding(random, index, &roles);
        }
        for index in 0..random.between(0, 1) + usize::from(is_alone) {
            set.cluster_role_binding(random, index, &roles, is_alone);
        }
        set
    }

    pub fn parsed(&self) -> impl Iterator<Item = Object> {
        self.objects.iter().map(|object| Object::parse(object.to_string().as_bytes()).unwrap().unwrap())
    }

    /// Each account, row and place, without a name, and with each name that a rule for this row has.
    pub fn questions(&self) -> Vec<Question<'_>> {
        let mut questions = Vec::new();
        for (row, names) in ROWS.iter().map(|row| self.names(row)).enumerate() {
            for account in self.accounts() {
                for namespace in self.places().into_iter().filter(|place| self.is_asked(&ROWS[row], *place)) {
                    let question = |name| Question { account, row, namespace, name };
                    questions.extend(names.iter().copied().map(question));
                }
            }
        }
        questions
    }

    /// Holds what is reached against the answers, whose names are understood as requests have them.
    pub fn assert_reached(&self, access: &Access, answered: &[Answered<'_>]) {
        let accounts = self.accounts().into_iter();
        let all: Vec<(_, Vec<Reached<'_>>)> =
            accounts.map(|account| (account, access.reach(account.0, account.1).iter().collect())).collect();
        for same in answered.chunk_by(|(a, _), (b, _)| (a.row, a.account) == (b.row, b.account)) {
            let Question { row, account, .. } = same[0].0;
            let row = &ROWS[row];
            let of_account = all.iter().filter(|(own, _)| *own == account).flat_map(|(_, reached)| reached);
            let reached: Vec<Reached<'_>> = of_account.filter(|reached| ptr::eq(reached.row, row)).copied().collect();
            for place in self.places() {
                let (is_own, is_cluster) = (place == Some(account.0), row.place == Place::Cluster);
                let asked = if is_cluster { None } else { place };
                let here: Vec<_> = same.iter().filter(|(question, _)| question.namespace == asked).collect();
                if here.is_empty() {
                    assert!(!reaches(&reached, account.0, place, None), "{account:?} {row}");
                    continue;
                }
                let allows = |name| here.iter().any(|(question, said)| question.name == name && said.is_some());
                // The name of a request that no rule names.
                let any = if row.naming() == Naming::Always && here.len() > 1 { OTHER_NAME } else { "" };
                let all = !is_own && allows(any);
                let told = || format!("{account:?} {row} in {place:?}: {reached:#?}\n{:#}", json!(self.objects));
                assert_eq!(reaches(&reached, account.0, place, None), all, "{}", told());
                for name in here.iter().map(|(question, _)| question.name).filter(|name| !name.is_empty()) {
                    let by_name = row.naming() != Naming::Never && allows(name) && !is_own;
                    assert_eq!(reaches(&reached, account.0, place, Some(name)), all || by_name, "{name} {}", told());
                }
            }
        }
    }

    /// Whether this is asked: what is in namespaces is asked for everywhere at once only where a ClusterRoleBinding is.
    fn is_asked(&self, row: &Row, place: Option<&str>) -> bool {
        place.is_some() || row.place == Place::Cluster || self.is_cluster_wide
    }

    fn accounts(&self) -> Vec<(&str, &str)> {
        let [a, b] = &self.namespaces;
        let mut accounts = vec![(a.as_str(), "web"), (b, "job")];
        accounts.truncate(self.accounts);
        accounts
    }

    fn places(&self) -> [Option<&str>; 3] {
        let [a, b] = &self.namespaces;
        [Some(a), Some(b), None]
    }

    /// The names to ask for: the empty one first; and where a rule that may hold the row has some, all of them and another.
    fn names(&self, row: &Row) -> Vec<&'static str> {
        let has = |rule: &Value, list: &str, is_it: &dyn Fn(&str) -> bool| {
            rule[list].as_array().unwrap().iter().any(|text| is_it(text.as_str().unwrap()))
        };
        // Wider than what it allows: a rule that must not match is asked with its names too.
        let speaks = |rule: &&Value| {
            has(rule, "verbs", &|verb| verb == "*" || verb == row.verb)
                && has(rule, "resources", &|resource| {
                    let first = resource.split('/').next().unwrap();
                    first == "*" || first == row.resource
                })
        };
        let mut names = vec![""];
        let rules: Vec<_> = self.rules.iter().filter(speaks).filter(|rule| rule["resourceNames"].is_array()).collect();
        names.extend(
            ["one", "two"]
                .iter()
                .filter(|name| rules.iter().any(|rule| has(rule, "resourceNames", &|own| own == **name))),
        );
        if !rules.is_empty() {
            names.push(OTHER_NAME);
        }
        names
    }

    fn role(&mut self, random: &mut Random, index: usize) -> (Option<String>, String) {
        let (namespace, name) = (random.of(&self.namespaces).clone(), format!("role-{index}"));
        let rules = self.some_rules(random);
        self.add("Role", Some(&namespace), &name, json!({"rules": rules}));
        (Some(namespace), name)
    }

    fn cluster_role(&mut self, random: &mut Random, index: usize) -> (Option<String>, String) {
        let name = format!("{}-role-{index}", self.name);
        let rules = self.some_rules(random);
        self.add("ClusterRole", None, &name, json!({"rules": rules}));
        (None, name)
    }

    /// A ClusterRole that is made of a labelled one, and of another that is made of one more.
    fn aggregate(&mut self, random: &mut Random, roles: &mut Vec<(Option<String>, String)>) {
        let prefix = self.name.clone();
        let [part, deep, middle, whole] = ["part", "deep", "middle", "whole"].map(|name| format!("{prefix}-{name}"));
        for name in [&part, &deep] {
            let rules = self.some_rules(random);
            self.add("ClusterRole", None, name, json!({"rules": rules}));
            self.label(name);
        }
        let is_set = json!({"key": "set", "operator": "In", "values": [prefix, "another"]});
        let by_label = |part: &str| json!({"matchLabels": {"set": prefix, "part": part}});
        let selectors = match random.between(0, 2) {
            0 => json!([by_label(&part), by_label(&middle)]),
            1 => json!([{"matchExpressions": [is_set, {"key": "part", "operator": "NotIn", "values": [deep, whole]}]}]),
            _ => json!([{"matchExpressions": [is_set, {"key": "deep", "operator": "DoesNotExist"}]}]),
        };
        // The controller takes away what is written into `rules` of an aggregated role.
        let aggregated =
            |selectors: Value| json!({"aggregationRule": {"clusterRoleSelectors": selectors}, "rules": null});
        self.add(
            "ClusterRole",
            None,
            &middle,
            aggregated(json!([{"matchExpressions": [is_set, {"key": "deep", "operator": "Exists"}]}])),
        );
        self.label(&middle);
        self.add("ClusterRole", None, &whole, aggregated(selectors));
        self.label(&whole);
        self.aggregated.push((middle.clone(), vec![deep]));
        self.aggregated.push((whole.clone(), vec![part, middle.clone()]));
        roles.push((None, whole));
        if random.one_in(3) {
            roles.push((None, middle));
        }
    }

    /// Labels of a role that is to be aggregated, by its name.
    fn label(&mut self, name: &str) {
        let labels = &mut self.objects.iter_mut().find(|object| object["metadata"]["name"] == name).unwrap()["metadata"]
            ["labels"];
        labels["set"] = json!(self.name);
        labels["part"] = json!(name);
        if name.ends_with("-deep") {
            labels["deep"] = json!("");
        }
    }

    fn role_binding(&mut self, random: &mut Random, index: usize, roles: &[(Option<String>, String)]) {
        let (role_namespace, role) = random.of(roles).clone();
        // A Role is in the namespace of its binding; seldom not.
        let namespace = match role_namespace.clone() {
            Some(namespace) if !random.one_in(8) => namespace,
            _ => random.of(&self.namespaces).clone(),
        };
        let kind = if role_namespace.is_some() { "Role" } else { "ClusterRole" };
        let subjects: Vec<_> = (0..random.between(1, 2)).map(|_| self.subject(random, true, true)).collect();
        let role_ref = json!({"apiGroup": GROUP, "kind": kind, "name": role});
        self.add(
            "RoleBinding",
            Some(&namespace),
            &format!("binding-{index}"),
            json!({"roleRef": role_ref, "subjects": subjects}),
        );
    }

    fn cluster_role_binding(
        &mut self,
        random: &mut Random,
        index: usize,
        roles: &[(Option<String>, String)],
        all: bool,
    ) {
        let cluster_roles: Vec<_> = roles.iter().filter(|(namespace, _)| namespace.is_none()).collect();
        let role_ref = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": random.of(&cluster_roles).1});
        let subjects = json!([self.subject(random, false, all)]);
        self.is_cluster_wide = true;
        let name = format!("{}-binding-{index}", self.name);
        self.add("ClusterRoleBinding", None, &name, json!({"roleRef": role_ref, "subjects": subjects}));
    }

    /// Someone who is, or is nearly, one of the accounts.
    fn subject(&self, random: &mut Random, is_namespaced: bool, all: bool) -> Value {
        let (namespace, name) = random.of(&self.accounts()).to_owned();
        let user = |name: String| json!({"apiGroup": GROUP, "kind": "User", "name": name});
        let group = |name: String| json!({"apiGroup": GROUP, "kind": "Group", "name": name});
        match random.between(0, if all { 10 } else { 7 }) {
            0 | 1 => json!({"kind": "ServiceAccount", "namespace": namespace, "name": name}),
            2 if is_namespaced => json!({"kind": "ServiceAccount", "name": name}),
            2 | 3 => user(format!("system:serviceaccount:{namespace}:{name}")),
            4 | 5 => group(format!("system:serviceaccounts:{namespace}")),
            6 => json!({"kind": "ServiceAccount", "namespace": namespace, "name": "somebody-else"}),
            7 => random
                .of(&[
                    user(format!("system:serviceaccounts:{namespace}:{name}")),
                    user(name.to_owned()),
                    user("*".to_owned()),
                    group(format!("system:serviceaccount:{namespace}:{name}")),
                    group("system:serviceaccounts:".to_owned()),
                    group("system:unauthenticated".to_owned()),
                    group("*".to_owned()),
                ])
                .clone(),
            8 | 9 => group("system:serviceaccounts".to_owned()),
            _ => group("system:authenticated".to_owned()),
        }
    }

    fn some_rules(&mut self, random: &mut Random) -> Vec<Value> {
        let rules: Vec<Value> = (0..random.between(1, 3)).map(|_| rule(random)).collect();
        self.rules.extend(rules.iter().cloned());
        rules
    }

    fn add(&mut self, kind: &str, namespace: Option<&str>, name: &str, fields: Value) {
        let mut object =
            json!({"apiVersion": VERSION, "kind": kind, "metadata": {"name": name, "labels": {LABEL: ""}}});
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.objects.push(object);
    }
}

/// Whether an account of this namespace reaches this in this place: with none, cluster-wide; of this name or, without one, of
/// every name. What is cluster-wide is every namespace but its own.
fn reaches(reached: &[Reached<'_>], own: &str, place: Option<&str>, name: Option<&str>) -> bool {
    reached.iter().any(|reached| {
        let is_here = match reached.namespaces {
            Scope::Cluster => place != Some(own),
            Scope::Namespace(namespace) => place == Some(namespace),
        };
        let is_named = match reached.names {
            Names::All => true,
            Names::Only(names) => name.is_some_and(|name| names.iter().any(|own| **own == *name)),
        };
        is_here && is_named
    })
}

/// A rule about a few rows, in one of the ways to write it, or just beside it.
fn rule(random: &mut Random) -> Value {
    let rows: Vec<&Row> = (0..random.between(1, 3)).map(|_| random.of(&ROWS)).collect();
    let each = |text: &dyn Fn(&Row) -> String| rows.iter().map(|row| text(row)).collect::<Vec<_>>();
    let verbs = match random.between(0, 9) {
        0..=3 => vec!["*".to_owned()],
        4 => vec!["deletecollections".to_owned(), "Get".to_owned()],
        _ => each(&|row| row.verb.to_owned()),
    };
    let groups = match random.between(0, 9) {
        0..=3 => vec!["*".to_owned()],
        4 => vec!["example.com".to_owned()],
        _ => each(&|row| row.group.to_owned()),
    };
    let with = |separator: &str, row: &Row| match row.subresource {
        "" => row.resource.to_owned(),
        subresource => format!("{}{separator}{subresource}", row.resource),
    };
    let resources = match random.between(0, 15) {
        0..=3 => vec!["*".to_owned()],
        4 => each(&|row| {
            if row.subresource.is_empty() { row.resource.to_owned() } else { format!("*/{}", row.subresource) }
        }),
        // What is no pattern.
        5 => each(&|row| format!("{}/*", row.resource)),
        6 => vec!["*/*".to_owned(), "*/".to_owned(), "sec*".to_owned()],
        // Not the subresource, or one of nothing.
        7 => each(&|row| row.resource.to_owned()),
        8 => each(&|row| format!("{}/status", row.resource)),
        9 => each(&|row| with("//", row)),
        _ => each(&|row| with("/", row)),
    };
    let mut rule = json!({"verbs": verbs, "apiGroups": groups, "resources": resources});
    if random.one_in(5) {
        let names: Vec<_> = (0..random.between(1, 2)).map(|_| random.of(&NAMES)).collect();
        rule["resourceNames"] = json!(names);
    }
    rule
}

/// Numbers that a seed decides: xorshift64*.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Both ends included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        low + usize::try_from(number).unwrap() % (high - low + 1)
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.between(1, count) == 1
    }

    pub fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.between(0, list.len() - 1)]
    }
}
