//! What policies decide, and how it is said: rules in order, strictness, exceptions, scope, unknown facts, messages.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use jiff::civil::date;
use secretfence::fence::{Facts, Outcome, PolicySet};
use serde_json::{Value, json};
use support::*;

const DENY: &str = "{name: no, on: [env], action: deny}";

fn outcome(object: &Value, policies: &PolicySet) -> Outcome {
    finding(object, policies).outcome
}

/// Whether a rule that denies env references, with this `where`, is about the reference of [`pod_with_secret`].
fn selects(selector: &str) -> bool {
    selects_in(&pod_with_secret(), selector)
}

fn selects_in(pod: &Value, selector: &str) -> bool {
    outcome(pod, &rules(&[&format!("{{name: no, on: [any], where: {selector}, action: deny}}")])) == Outcome::Denied
}

/// Whether a policy that denies env references, with these fields, is about [`pod_with_secret`].
fn in_scope(fields: &str) -> bool {
    in_scope_of(&pod_with_secret(), fields, &facts())
}

fn in_scope_of(pod: &Value, fields: &str, facts: &Facts) -> bool {
    let policies = policies(&policy("scoped", &format!("{fields}\nrules:\n- {DENY}")));
    finding_with(pod, &policies, facts).outcome == Outcome::Denied
}

// Rules in order.

#[test]
fn allows_what_no_rule_fits() {
    let policies = rules(&["{name: no, on: [volume], action: deny}"]);
    assert_eq!(outcome(&pod_with_secret(), &policies), Outcome::Allowed);
    assert!(admits(&policies, &pod_with_secret()));
}

#[test]
fn the_first_rule_that_fits_decides() {
    let allow = "{name: yes, on: [secretKeyRef], where: {secrets: [db]}, action: allow}";
    let first = rules(&[allow, DENY]);
    assert!(admits(&first, &pod_with_secret()));
    assert_eq!(finding(&pod_with_secret(), &first).rule.as_deref(), Some("yes"));
    let last = rules(&[DENY, allow]);
    assert!(!admits(&last, &pod_with_secret()));
    assert_eq!(finding(&pod_with_secret(), &last).rule.as_deref(), Some("no"));
}

#[test]
fn each_reference_is_decided_on_its_own() {
    let env = json!([db_password(), secret_env("TOKEN", "api", "token")]);
    let pod = with(pod(), "/spec/containers/0/env", env);
    let policies = rules(&["{name: yes, on: [env], where: {secrets: [api]}, action: allow}", DENY]);
    let decided: Vec<Outcome> = outcomes(&pod, &policies).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(decided, [Outcome::Denied, Outcome::Allowed]);
}

#[test]
fn the_group_env_is_secret_key_ref_env_from_and_file_key_ref() {
    let file = json!({"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "A"}}});
    let pod = with(pod_with_secret(), "/spec/containers/0/env/-", file);
    let pod = with(pod, "/spec/containers/0/envFrom", json!([{"secretRef": {"name": "db"}}]));
    let pod = with(pod, "/spec/volumes", json!([{"name": "v", "secret": {"secretName": "db"}}]));
    let pod = with(pod, "/spec/imagePullSecrets", json!([{"name": "db"}]));
    let denied = |group: &str| {
        let policies = rules(&[&format!("{{name: no, on: [{group}], action: deny}}")]);
        let findings = judge(&pod, &policies).findings;
        findings.iter().filter(|its| its.outcome == Outcome::Denied).map(|its| its.kind).collect::<Vec<_>>()
    };
    assert_eq!(denied("env"), ["secretKeyRef", "fileKeyRef", "envFrom"]);
    assert_eq!(denied("file"), ["volume"]);
    assert_eq!(denied("any").len(), 5);
    assert_eq!(denied("imagePull, volume"), ["volume", "imagePull"]);
}

// Several policies.

#[test]
fn the_strictest_of_several_policies_wins() {
    let action = |action: &str| {
        let rule = if action == "mount" {
            "{name: r, on: [env], action: mount}".to_owned()
        } else {
            format!("{{name: r, on: [env], action: {action}}}")
        };
        policy_of_rules(&format!("p-{action}"), &[&rule])
    };
    let order = ["deny", "mount", "warn", "allow"];
    for (rank, strict) in order.iter().enumerate() {
        for mild in &order[rank + 1..] {
            let finding = finding(&pod_with_secret(), &policies(&(action(mild) + &action(strict))));
            assert_eq!(finding.action, Some(*strict), "{strict} and {mild}");
        }
    }
}

#[test]
fn the_first_policy_by_name_speaks_for_equally_strict_ones() {
    let yaml = policy_of_rules("zeta", &[DENY]) + &policy_of_rules("alpha", &[DENY]);
    assert_eq!(finding(&pod_with_secret(), &policies(&yaml)).policy.as_deref(), Some("alpha"));
}

#[test]
fn of_two_mounts_that_differ_the_first_policy_by_name_counts() {
    let mount = |name: &str, path: &str| {
        policy_of_rules(name, &[&format!("{{name: m, on: [env], action: mount, mount: {{path: {path}}}}}")])
    };
    let pod = swapped(&pod_with_secret(), &policies(&(mount("zeta", "/zeta") + &mount("alpha", "/alpha"))));
    assert_eq!(pod["spec"]["containers"][0]["env"][0]["value"], "/alpha/db/password");
}

#[test]
fn an_exception_works_only_inside_its_own_policy() {
    let allow = "{name: yes, on: [env], where: {secrets: [db]}, action: allow, reason: r, expires: 2027-01-01}";
    let inside = policies(&policy_of_rules("one", &[allow, DENY]));
    assert!(admits(&inside, &pod_with_secret()));
    let beside = policies(&(policy_of_rules("one", &[allow, DENY]) + &policy_of_rules("two", &[DENY])));
    assert_eq!(finding(&pod_with_secret(), &beside).policy.as_deref(), Some("two"));
    assert!(!admits(&beside, &pod_with_secret()));
}

#[test]
fn a_policy_that_is_off_is_not_there() {
    let off = policies(&policy("p", &format!("mode: \"off\"\nrules:\n- {DENY}")));
    assert!(admits(&off, &pod_with_secret()));
    assert!(validate(&pod_with_secret(), &off).warnings().is_empty());
    assert_eq!(finding(&pod_with_secret(), &off).policy, None);
}

// Exceptions.

fn excepted() -> PolicySet {
    rules(&["{name: ledger, on: [env], action: allow, reason: SEC-1423, expires: 2026-12-24}", DENY])
}

#[test]
fn an_exception_holds_until_the_last_day_included() {
    for (day, expected) in [
        (date(2026, 11, 21), Outcome::Allowed),
        (date(2026, 12, 24), Outcome::Allowed),
        (date(2026, 12, 25), Outcome::Denied),
        (date(2031, 1, 1), Outcome::Denied),
    ] {
        let outcome = finding_with(&pod_with_secret(), &excepted(), &Facts::on(day)).outcome;
        assert_eq!(outcome, expected, "{day}");
    }
}

#[test]
fn an_exception_says_its_reason_and_its_end() {
    let finding = finding(&pod_with_secret(), &excepted());
    assert_eq!(finding.reason.as_deref(), Some("SEC-1423"));
    assert_eq!(finding.expires, Some(date(2026, 12, 24)));
}

#[test]
fn an_exception_that_ends_within_14_days_is_reported() {
    let review = create(&pod_with_secret());
    let warnings = |day| {
        let response = send_with(&review, VALIDATE, &excepted(), &Facts::on(day));
        assert!(response.allowed());
        response.warnings().len()
    };
    assert_eq!(warnings(date(2026, 12, 9)), 0, "15 days before");
    assert_eq!(warnings(date(2026, 12, 10)), 1, "14 days before");
    assert_eq!(warnings(date(2026, 12, 24)), 1, "the last day");
    let notes = |day| finding_with(&pod_with_secret(), &excepted(), &Facts::on(day)).notes;
    assert!(notes(date(2026, 12, 9)).is_empty());
    assert!(notes(date(2026, 12, 10))[0].contains("2026-12-24"), "{:?}", notes(date(2026, 12, 10)));
}

#[test]
fn an_exception_past_its_date_is_named_where_it_would_have_held() {
    let late = Facts::on(date(2026, 12, 25));
    let response = send_with(&create(&pod_with_secret()), VALIDATE, &excepted(), &late);
    assert!(!response.allowed());
    assert!(response.message().contains("files-only/ledger"), "{}", response.message());
    assert!(response.message().contains("2026-12-24"), "{}", response.message());
}

#[test]
fn an_allow_without_a_date_is_no_exception() {
    let policies = rules(&["{name: yes, on: [env], where: {secrets: [db]}, action: allow}", DENY]);
    let finding = finding_with(&pod_with_secret(), &policies, &Facts::on(date(2100, 1, 1)));
    assert_eq!((finding.outcome, finding.expires), (Outcome::Allowed, None));
}

#[test]
fn an_undated_exception_is_an_error() {
    let yaml = policy_of_rules("p", &["{name: yes, on: [env], action: allow, reason: because}", DENY]);
    let errors = try_policies(&yaml).unwrap_err();
    assert!(errors[0].contains("expires"), "{errors:?}");
}

// Globs and `where`.

#[test]
fn globs_are_anchored() {
    assert!(selects("{secrets: [db]}"));
    assert!(!selects("{secrets: [d]}"));
    assert!(!selects("{secrets: [b]}"));
    assert!(!selects("{secrets: [DB]}"));
    assert!(selects("{secrets: ['d*']}"));
    assert!(selects("{secrets: ['*']}"));
    assert!(!selects("{secrets: ['*x*']}"));
}

#[test]
fn a_star_crosses_slashes() {
    assert!(selects("{images: ['registry.example.com/*']}"));
    assert!(selects("{images: ['*/api']}"));
    assert!(!selects("{images: ['registry.example.com/*/x']}"));
}

#[test]
fn an_exclamation_mark_excludes() {
    assert!(!selects("{secrets: ['*', '!db']}"));
    assert!(!selects("{secrets: ['!db', '*']}"), "in any order");
    assert!(selects("{secrets: ['d*', '!dc']}"));
    assert!(!selects("{secrets: ['x*', '!dc']}"));
}

#[test]
fn only_exclusions_mean_everything_else() {
    assert!(selects("{secrets: ['!api']}"));
    assert!(!selects("{secrets: ['!db']}"));
}

#[test]
fn all_fields_of_where_must_match() {
    let all = "namespaces: [shop], containers: [api], secrets: [db], keys: [password], variables: ['DB_*']";
    assert!(selects(&format!("{{{all}}}")));
    for (field, other) in [
        ("namespaces: [shop]", "namespaces: [bank]"),
        ("containers: [api]", "containers: [web]"),
        ("secrets: [db]", "secrets: [api]"),
        ("keys: [password]", "keys: [token]"),
        ("variables: ['DB_*']", "variables: ['API_*']"),
    ] {
        assert!(!selects(&format!("{{{}}}", all.replace(field, other))), "{other}");
    }
}

#[test]
fn images_are_normalised_on_both_sides() {
    let with_image = |image: &str| with(pod_with_secret(), "/spec/containers/0/image", json!(image));
    for (image, pattern, expected) in [
        ("nginx", "nginx", true),
        ("nginx", "docker.io/library/nginx", true),
        ("docker.io/library/nginx:1.27", "nginx", true),
        ("index.docker.io/library/nginx", "nginx", true),
        ("nginx:1.27", "nginx:1.27", true),
        ("nginx:1.27", "nginx:1.28", false),
        ("nginx:1.27", "nginx:1.*", true),
        ("nginx@sha256:0000000000000000000000000000000000000000000000000000000000000000", "nginx", true),
        ("nginx", "nginx:latest", true),
        ("bitnami/nginx", "nginx", false),
        ("bitnami/nginx", "docker.io/bitnami/*", true),
        ("registry.example.com/nginx", "nginx", false),
        ("registry.example.com:5000/team/app:2", "registry.example.com:5000/team/*", true),
        ("localhost/app", "docker.io/localhost/app", false),
    ] {
        let selector = format!("{{images: [\"{pattern}\"]}}");
        assert_eq!(selects_in(&with_image(image), &selector), expected, "{image} against {pattern}");
    }
}

#[test]
fn a_reference_without_the_named_field_does_not_fit() {
    let volume = json!([{"name": "v", "secret": {"secretName": "db"}}]);
    let volume = with(pod(), "/spec/volumes", volume);
    for field in ["containers: ['*']", "images: ['*']", "variables: ['*']", "containers: ['!x']", "readsFiles: false"] {
        assert!(!selects_in(&volume, &format!("{{{field}}}")), "{field}");
    }
    assert!(selects_in(&volume, "{secrets: [db]}"));

    let pull = with(pod(), "/spec/imagePullSecrets", json!([{"name": "db"}]));
    assert!(!selects_in(&pull, "{keys: ['*']}"));
    assert!(selects_in(&pull, "{secrets: [db]}"));

    let driver = with(pod(), "/spec/volumes", json!([{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io"}}]));
    assert!(!selects_in(&driver, "{secrets: ['*']}"));
}

#[test]
fn the_keys_of_a_volume_are_its_items() {
    let items = json!([{"key": "tls.crt", "path": "a"}, {"key": "tls.key", "path": "b"}]);
    let pod = with(pod(), "/spec/volumes", json!([{"name": "v", "secret": {"secretName": "db", "items": items}}]));
    assert!(selects_in(&pod, "{keys: [tls.key]}"), "one of them");
    assert!(!selects_in(&pod, "{keys: [password]}"));
}

// Unknown facts.

fn pod_with_env_from() -> Value {
    with(pod(), "/spec/containers/0/envFrom", json!([{"secretRef": {"name": "db"}}]))
}

#[test]
fn unknown_keys_fit_deny_mount_and_warn() {
    for (action, expected) in [("deny", Outcome::Denied), ("warn", Outcome::Warned), ("mount", Outcome::Denied)] {
        let policies = rules(&[&format!("{{name: r, on: [env], where: {{keys: [password]}}, action: {action}}}")]);
        let finding = finding(&pod_with_env_from(), &policies);
        assert_eq!((finding.action, finding.outcome), (Some(action), expected), "{action}");
    }
}

#[test]
fn unknown_keys_fit_an_allow_only_by_a_star() {
    let allowed = |keys: &str| {
        admits(
            &rules(&[&format!("{{name: y, on: [env], where: {{keys: {keys}}}, action: allow}}"), DENY]),
            &pod_with_env_from(),
        )
    };
    assert!(allowed("['*']"));
    assert!(!allowed("[password]"));
    assert!(!allowed("['p*']"));
    assert!(!allowed("['!password']"));
    assert!(!allowed("['*', '!password']"));
}

#[test]
fn known_keys_are_not_unknown() {
    let mut facts = facts();
    facts.secret_keys.insert(("shop".to_owned(), "db".to_owned()), vec!["user".to_owned()]);
    let policies = rules(&["{name: no, on: [env], where: {keys: [password]}, action: deny}"]);
    assert_eq!(finding_with(&pod_with_env_from(), &policies, &facts).outcome, Outcome::Allowed);
    facts.secret_keys.insert(("shop".to_owned(), "db".to_owned()), vec!["user".to_owned(), "password".to_owned()]);
    assert_eq!(finding_with(&pod_with_env_from(), &policies, &facts).outcome, Outcome::Denied);
}

#[test]
fn an_allow_needs_every_known_key() {
    let mut facts = facts();
    facts.secret_keys.insert(("shop".to_owned(), "db".to_owned()), vec!["user".to_owned(), "password".to_owned()]);
    let policies = rules(&["{name: yes, on: [env], where: {keys: [user]}, action: allow}", DENY]);
    assert_eq!(finding_with(&pod_with_env_from(), &policies, &facts).outcome, Outcome::Denied);
}

// Images that read files.

const READS: &str = "readers:\n- {images: [registry.example.com/shop/api], variables: ['DB_*'], form: '{name}_FILE', source: 'https://example.com'}";

fn reads_files(pod: &Value) -> bool {
    let rule = "{name: reads, on: [env], where: {readsFiles: true}, action: deny}";
    let reads = outcome(pod, &policies(&policy("p", &format!("{READS}\nrules:\n- {rule}")))) == Outcome::Denied;
    let rule = "{name: not, on: [env], where: {readsFiles: false}, action: deny}";
    let not = outcome(pod, &policies(&policy("p", &format!("{READS}\nrules:\n- {rule}")))) == Outcome::Denied;
    assert_ne!(reads, not, "true or false");
    let mount = policies(&policy("p", &format!("{READS}\nrules:\n- {{name: m, on: [env], action: mount}}")));
    let verdict = finding(pod, &mount);
    if verdict.reads != Some("unsafe") {
        assert_eq!(verdict.reads == Some("files"), reads, "readsFiles is true exactly where the verdict says so");
    }
    reads
}

#[test]
fn reads_files_is_true_for_an_image_and_variable_of_the_catalogue() {
    assert!(reads_files(&pod_with_secret()));
    assert!(!reads_files(&with(pod_with_secret(), "/spec/containers/0/image", json!("other"))));
    assert!(!reads_files(&with(pod_with_secret(), "/spec/containers/0/env/0/name", json!("TOKEN"))));
}

#[test]
fn reads_files_is_false_where_the_command_is_overridden() {
    assert!(!reads_files(&with(pod_with_secret(), "/spec/containers/0/command", json!(["/bin/sh"]))));
    assert!(
        reads_files(&with(pod_with_secret(), "/spec/containers/0/command", json!([]))),
        "nothing overrides nothing"
    );
    assert!(reads_files(&with(pod_with_secret(), "/spec/containers/0/args", json!(["--verbose"]))));
}

#[test]
fn reads_files_knows_the_catalogue_of_the_repository() {
    let env = json!([secret_env("POSTGRES_PASSWORD", "db", "password"), secret_env("PGOPTIONS", "db", "options")]);
    let pod = with(with(pod(), "/spec/containers/0/env", env), "/spec/containers/0/image", json!("postgres:16"));
    let reads: Vec<_> = judge(&pod, &mount_env()).findings.into_iter().map(|finding| finding.reads).collect();
    assert_eq!(reads, [Some("files"), Some("mustBeTold")]);
}

// Scope.

#[test]
fn a_policy_without_match_is_about_everything() {
    assert!(in_scope(""));
}

#[test]
fn match_namespaces_are_globs_on_the_namespace_of_the_request() {
    assert!(in_scope("match: {namespaces: [shop]}"));
    assert!(in_scope("match: {namespaces: ['sh*']}"));
    assert!(in_scope("match: {namespaces: ['!bank']}"));
    assert!(!in_scope("match: {namespaces: [bank]}"));
    assert!(!in_scope("match: {namespaces: ['*', '!shop']}"));

    let policies = policies(&policy("p", &format!("match: {{namespaces: [bank]}}\nrules:\n- {DENY}")));
    let elsewhere = with(create(&pod_with_secret()), "/request/namespace", json!("bank"));
    assert!(!send(&elsewhere, VALIDATE, &policies).allowed(), "the request's namespace, not the object's");
}

#[test]
fn match_object_selector_reads_the_labels_of_the_pod() {
    let labelled = with(pod_with_secret(), "/metadata/labels", json!({"tier": "prod", "app": "web"}));
    let about =
        |pod: &Value, selector: &str| in_scope_of(pod, &format!("match: {{objectSelector: {selector}}}"), &facts());
    assert!(about(&labelled, "{matchLabels: {tier: prod}}"));
    assert!(!about(&labelled, "{matchLabels: {tier: test}}"));
    assert!(!about(&labelled, "{matchLabels: {tier: prod, app: api}}"), "all of them");
    assert!(!about(&pod_with_secret(), "{matchLabels: {tier: prod}}"), "no labels at all");
    for (expression, labelled_fits, bare_fits) in [
        ("{key: tier, operator: In, values: [prod, test]}", true, false),
        ("{key: tier, operator: NotIn, values: [prod]}", false, true),
        ("{key: tier, operator: Exists}", true, false),
        ("{key: tier, operator: DoesNotExist}", false, true),
    ] {
        let selector = format!("{{matchExpressions: [{expression}]}}");
        assert_eq!(about(&labelled, &selector), labelled_fits, "{expression}");
        assert_eq!(about(&pod_with_secret(), &selector), bare_fits, "{expression}, without labels");
    }
}

#[test]
fn match_object_selector_reads_the_labels_of_the_pod_template() {
    let deployment = with(deployment(), "/spec/template/metadata/labels", json!({"tier": "prod"}));
    let selector = "match: {objectSelector: {matchLabels: {tier: prod}}}";
    assert!(in_scope_of(&deployment, selector, &facts()));
    let its_own = with(self::deployment(), "/metadata/labels", json!({"tier": "prod"}));
    assert!(!in_scope_of(&its_own, selector, &facts()), "not those of the Deployment");
}

#[test]
fn the_service_account_is_service_account_name_else_service_account_else_default() {
    let pod = pod_with_secret();
    let named = with(pod.clone(), "/spec/serviceAccountName", json!("robot"));
    let old = with(pod.clone(), "/spec/serviceAccount", json!("robot"));
    let both =
        with(with(pod.clone(), "/spec/serviceAccount", json!("other")), "/spec/serviceAccountName", json!("robot"));
    let empty = with(old.clone(), "/spec/serviceAccountName", json!(""));
    let about = |pod: &Value, name: &str| in_scope_of(pod, &format!("match: {{serviceAccounts: [{name}]}}"), &facts());
    for pod in [&named, &old, &both, &empty] {
        assert!(about(pod, "robot"), "{pod:#}");
        assert!(!about(pod, "default"), "{pod:#}");
    }
    assert!(about(&pod, "default"));
    assert!(!about(&both, "other"));
}

#[test]
fn match_kinds_narrow_to_those_kinds() {
    let enforced = |kinds: &str| {
        policies(&policy("p", &format!("match: {{kinds: {kinds}}}\ntemplates: enforce\nrules:\n- {DENY}")))
    };
    assert!(!admits(&enforced("[Pod]"), &pod_with_secret()));
    assert!(admits(&enforced("[Pod]"), &deployment()));
    assert!(admits(&enforced("[Deployment]"), &pod_with_secret()));
    assert!(!admits(&enforced("[Deployment]"), &deployment()));
    assert!(!admits(&enforced("[Deployment, Pod]"), &pod_with_secret()));
}

#[test]
fn every_field_of_match_must_match() {
    assert!(in_scope("match: {namespaces: [shop], serviceAccounts: [default]}"));
    assert!(!in_scope("match: {namespaces: [shop], serviceAccounts: [robot]}"));
    assert!(!in_scope("match: {namespaces: [bank], serviceAccounts: [default]}"));
}

#[test]
fn any_field_of_exclude_that_matches_excludes() {
    assert!(in_scope("exclude: {namespaces: [bank], serviceAccounts: [robot]}"));
    assert!(!in_scope("exclude: {namespaces: [shop], serviceAccounts: [robot]}"));
    assert!(!in_scope("exclude: {namespaces: [bank], serviceAccounts: [default]}"));
    assert!(!in_scope("exclude: {kinds: [Pod]}"));
    assert!(!in_scope("match: {namespaces: [shop]}\nexclude: {namespaces: ['s*']}"));
}

#[test]
fn an_unknown_namespace_counts_as_matched_and_not_as_excluded() {
    let selector = "namespaceSelector: {matchLabels: {tier: prod}}";
    assert!(in_scope(&format!("match: {{{selector}}}")));
    assert!(in_scope(&format!("exclude: {{{selector}}}")));
    assert!(!in_scope(&format!("match: {{namespaces: [bank], {selector}}}")), "the other fields still count");
}

#[test]
fn a_known_namespace_is_matched_by_its_labels() {
    let knows = |tier: &str| {
        let mut facts = facts();
        let labels = [("tier", tier)].into_iter().collect();
        std::sync::Arc::make_mut(&mut facts.namespaces).insert("shop".into(), labels);
        facts
    };
    let about = |field: &str, tier: &str| {
        let fields = format!("{field}: {{namespaceSelector: {{matchLabels: {{tier: prod}}}}}}");
        in_scope_of(&pod_with_secret(), &fields, &knows(tier))
    };
    assert!(about("match", "prod"));
    assert!(!about("match", "test"));
    assert!(!about("exclude", "prod"));
    assert!(about("exclude", "test"));
}

// Templates.

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_with_secret()["spec"]}},
    })
}

fn on_templates(templates: &str, rule: &str) -> PolicySet {
    policies(&policy("p", &format!("templates: {templates}\nrules:\n- {rule}")))
}

#[test]
fn a_template_is_warned_of_by_default() {
    let response = validate(&deployment(), &rules(&[DENY]));
    assert!(response.allowed());
    assert_eq!(response.warnings().len(), 1);
    assert!(response.warnings()[0].contains("/spec/template/spec/containers/0/env/0"), "{:?}", response.warnings());
    let warned = validate(&deployment(), &on_templates("warn", DENY));
    assert_eq!((warned.allowed(), warned.warnings().len()), (true, 1));
}

#[test]
fn a_template_is_denied_where_templates_are_enforced() {
    assert!(!admits(&on_templates("enforce", DENY), &deployment()));
}

#[test]
fn a_template_is_not_judged_where_templates_are_ignored() {
    let response = validate(&deployment(), &on_templates("ignore", DENY));
    assert!(response.allowed() && response.warnings().is_empty());
    assert!(!admits(&on_templates("ignore", DENY), &pod_with_secret()), "its pods are");
}

#[test]
fn templates_are_never_mutated() {
    let mount = on_templates("enforce", "{name: m, on: [env], action: mount}");
    assert!(!swaps(&deployment(), &mount));
    assert!(swaps(&pod_with_secret(), &mount));
}

#[test]
fn a_template_with_a_controller_is_never_judged() {
    let owned = |controller: bool| {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": controller}]);
        let replica_set = with(deployment(), "/kind", json!("ReplicaSet"));
        with(replica_set, "/metadata/ownerReferences", owner)
    };
    let policies = on_templates("enforce", DENY);
    let response = validate(&owned(true), &policies);
    assert!(response.allowed() && response.warnings().is_empty());
    assert!(!admits(&policies, &owned(false)), "an owner that is no controller");
}

#[test]
fn a_pod_with_a_controller_is_judged() {
    let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": true}]);
    let pod = with(pod_with_secret(), "/metadata/ownerReferences", owner);
    assert!(!admits(&rules(&[DENY]), &pod));
    assert!(swaps(&pod, &mount_env()));
}

// Dry run.

fn dry_run(rule: &str) -> PolicySet {
    policies(&policy("rehearsal", &format!("mode: dryRun\nrules:\n- {rule}")))
}

#[test]
fn a_policy_in_dry_run_denies_and_changes_nothing_and_says_so() {
    let response = validate(&pod_with_secret(), &dry_run(DENY));
    assert!(response.allowed());
    assert_eq!(response.warnings().len(), 1);
    assert!(response.warnings()[0].contains("[rehearsal/no]"), "{:?}", response.warnings());
    assert!(!swaps(&pod_with_secret(), &dry_run("{name: m, on: [env], action: mount}")));
}

#[test]
fn a_policy_without_warnings_says_nothing_to_the_client() {
    for spec in [
        "mode: dryRun\nwarnings: false\nrules:\n- {name: no, on: [env], action: deny}",
        "warnings: false\nrules:\n- {name: w, on: [env], action: warn}",
    ] {
        let response = validate(&pod_with_secret(), &policies(&policy("quiet", spec)));
        assert!(response.allowed() && response.warnings().is_empty(), "{:?}", response.warnings());
        assert!(response.annotation("findings").is_some_and(|text| text.contains("[quiet/")), "the log has them");
    }
}

#[test]
fn a_policy_in_dry_run_weakens_no_other() {
    let yaml =
        policy("a", "mode: dryRun\nrules:\n- {name: yes, on: [env], action: allow}") + &policy_of_rules("b", &[DENY]);
    assert!(!admits(&policies(&yaml), &pod_with_secret()));
    let yaml = policy("a", &format!("mode: dryRun\nrules:\n- {DENY}"))
        + &policy_of_rules("b", &["{name: m, on: [env], action: mount}"]);
    assert!(swaps(&pod_with_secret(), &policies(&yaml)), "nor does it stop a swap");
}

#[test]
fn a_policy_in_dry_run_foretells_its_patch_at_mutate() {
    let mount = "{name: m, on: [secretKeyRef], action: mount}";
    let response = send(&create(&pod_with_secret()), MUTATE, &dry_run(mount));
    assert!(response.patch().is_none());
    let annotations = response.annotations();
    let (_, patch) = annotations.iter().find(|(key, _)| key.starts_with("patch-")).unwrap();
    let foretold: serde_json::Value = serde_json::from_str(patch).unwrap();
    let made =
        send(&create(&pod_with_secret()), MUTATE, &policies(&policy("rehearsal", &format!("rules:\n- {mount}"))));
    assert_eq!(foretold, serde_json::to_value(made.patch().unwrap()).unwrap());
}

#[test]
fn below_the_dry_run_path_nothing_is_denied_or_changed_and_everything_is_said() {
    let response = send(&create(&pod_with_secret()), DRY_VALIDATE, &rules(&[DENY]));
    assert!(response.allowed());
    assert_eq!(response.warnings().len(), 1);
    assert!(response.annotation("findings").is_some_and(|text| text.contains("DB_PASSWORD")));
    let response = send(&create(&pod_with_secret()), DRY_MUTATE, &mount_env());
    assert!(response.patch().is_none());
}

#[test]
fn below_the_dry_run_path_a_policy_in_dry_run_foretells_its_patch_too() {
    let response = send(&create(&pod_with_secret()), DRY_MUTATE, &dry_run("{name: m, on: [env], action: mount}"));
    assert!(response.annotations().iter().any(|(key, _)| key.starts_with("patch-")), "{:?}", response.annotations());
}

#[test]
fn offline_a_policy_in_dry_run_keeps_its_outcome_beside_the_enforcing_one() {
    let yaml = policy("a", &format!("mode: dryRun\nrules:\n- {DENY}"))
        + &policy_of_rules("b", &["{name: w, on: [env], action: warn}"]);
    let findings = judge(&pod_with_secret(), &policies(&yaml)).findings;
    let said: Vec<_> = findings.iter().map(|its| (its.policy.as_deref().unwrap(), its.outcome)).collect();
    assert_eq!(said, [("b", Outcome::Warned), ("a", Outcome::Denied)]);
}

#[test]
fn offline_an_outcome_is_that_of_the_pods_once_made() {
    assert_eq!(outcome(&deployment(), &on_templates("warn", DENY)), Outcome::Denied);
    assert_eq!(outcome(&deployment(), &on_templates("ignore", DENY)), Outcome::Allowed);
    let pods = policies(&policy("p", &format!("match: {{kinds: [Pod]}}\nrules:\n- {DENY}")));
    assert_eq!(outcome(&deployment(), &pods), Outcome::Denied);
}

// Mount, in its four situations.

#[test]
fn mount_swaps_a_pod_at_mutate() {
    assert!(swaps(&pod_with_secret(), &mount_env()));
}

#[test]
fn mount_denies_a_pod_that_was_not_swapped_at_validate() {
    let response = validate(&pod_with_secret(), &mount_env());
    assert!(!response.allowed());
    let sentence = "could be swapped but was not: the mutating webhook did not run, or a later one put it back";
    assert!(response.message().contains(sentence), "{}", response.message());
}

#[test]
fn mount_would_swap_a_template_and_offline() {
    let response = validate(&deployment(), &mount_env());
    assert!(response.allowed());
    assert_eq!(response.warnings().len(), 1, "a warning under templates: warn");
    assert!(admits(&on_templates("enforce", "{name: m, on: [env], action: mount}"), &deployment()), "never a denial");
    assert_eq!(outcome(&deployment(), &mount_env()), Outcome::Swapped);
    assert_eq!(outcome(&pod_with_secret(), &mount_env()), Outcome::Swapped);
}

#[test]
fn mount_would_swap_at_validate_in_a_dry_run() {
    for response in [
        validate(&pod_with_secret(), &dry_run("{name: m, on: [env], action: mount}")),
        send(&create(&pod_with_secret()), DRY_VALIDATE, &mount_env()),
    ] {
        assert!(response.allowed());
        assert!(response.warnings()[0].contains("would be swapped"), "{:?}", response.warnings());
        assert!(!response.warnings()[0].contains("was not"), "{:?}", response.warnings());
    }
}

fn unsafe_pod() -> Value {
    with(pod_with_secret(), "/spec/containers/0/args", json!(["--password=$(DB_PASSWORD)"]))
}

#[test]
fn mount_denies_what_is_unsafe_with_the_reason() {
    let response = validate(&unsafe_pod(), &mount_env());
    assert!(!response.allowed());
    assert!(response.message().contains("cannot be swapped safely: "), "{}", response.message());
    let finding = finding(&unsafe_pod(), &mount_env());
    assert_eq!((finding.outcome, finding.reads), (Outcome::Denied, Some("unsafe")));
    assert!(finding.reason.is_some());
}

#[test]
fn mount_warns_of_what_is_unsafe_where_the_rule_says_so() {
    let policies = mount_with("{unsafe: warn}");
    let response = validate(&unsafe_pod(), &policies);
    assert!(response.allowed());
    assert_eq!(response.warnings().len(), 1);
    assert!(!admits(&policies, &pod_with_secret()), "what is safe must still have been swapped");
}

#[test]
fn a_volume_rule_that_would_deny_the_swapped_volume_denies_the_reference_with_its_message() {
    let policies = rules(&[
        "{name: m, on: [env], action: mount}",
        "{name: no-files, on: [volume], where: {secrets: [db]}, action: deny, message: Ask the vault.}",
    ]);
    assert!(!swaps(&pod_with_secret(), &policies));
    let finding = finding(&pod_with_secret(), &policies);
    assert_eq!((finding.outcome, finding.rule.as_deref()), (Outcome::Denied, Some("no-files")));
    assert!(finding.message.contains("Ask the vault."), "{}", finding.message);
    assert!(!admits(&policies, &pod_with_secret()));

    let other = with(pod_with_secret(), "/spec/containers/0/env/0/valueFrom/secretKeyRef/name", json!("api"));
    assert!(swaps(&other, &policies), "another Secret may be a file");
}

#[test]
fn a_volume_rule_of_another_policy_denies_the_swapped_volume_too() {
    let yaml = policy_of_rules("swap", &["{name: m, on: [env], action: mount}"])
        + &policy_of_rules("volumes", &["{name: no-files, on: [volume], action: deny}"]);
    assert!(!swaps(&pod_with_secret(), &policies(&yaml)));
    assert_eq!(finding(&pod_with_secret(), &policies(&yaml)).policy.as_deref(), Some("volumes"));
}

#[test]
fn mount_on_a_kind_without_a_swap_is_an_error_alone_and_unsafe_by_a_group() {
    for kind in ["fileKeyRef", "volume", "csi", "imagePull", "legacyVolume", "unknownSource"] {
        let yaml = policy_of_rules("p", &[&format!("{{name: m, on: [{kind}], action: mount}}")]);
        assert!(try_policies(&yaml).is_err(), "{kind}");
    }
    let file = json!([{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "A"}}}]);
    let finding = finding(&with(pod(), "/spec/containers/0/env", file), &mount_env());
    assert_eq!((finding.outcome, finding.reads), (Outcome::Denied, Some("unsafe")));
}

// Updates ratchet.

fn admits_update(policies: &PolicySet, old: &Value, new: &Value) -> bool {
    send(&update(old, new), VALIDATE, policies).allowed()
}

#[test]
fn an_update_is_forgiven_what_the_old_object_had() {
    let new = with(pod_with_secret(), "/metadata/labels", json!({"changed": "yes"}));
    assert!(admits_update(&rules(&[DENY]), &pod_with_secret(), &new));
    assert!(!admits_update(&rules(&[DENY]), &pod(), &new), "what is new is denied");
}

#[test]
fn an_update_is_denied_only_what_is_new() {
    let new = with(pod_with_secret(), "/spec/containers/0/env/-", secret_env("TOKEN", "api", "token"));
    let response = send(&update(&pod_with_secret(), &new), VALIDATE, &rules(&[DENY]));
    assert!(!response.allowed());
    assert!(
        response.message().contains("TOKEN") && !response.message().contains("DB_PASSWORD"),
        "{}",
        response.message()
    );
}

#[test]
fn indices_never_count_in_an_update() {
    let new =
        with(pod_with_secret(), "/spec/containers/0/env", json!([{"name": "FIRST", "value": "1"}, db_password()]));
    let mut new = new;
    let second = json!({"name": "zero", "image": "zero"});
    new["spec"]["containers"].as_array_mut().unwrap().insert(0, second);
    assert!(admits_update(&rules(&[DENY]), &pod_with_secret(), &new));
}

#[test]
fn a_move_a_rename_another_key_secret_kind_or_list_is_new_in_an_update() {
    let old = pod_with_secret();
    let env = "/spec/containers/0/env/0";
    let reference = format!("{env}/valueFrom/secretKeyRef");
    let moved_to_init = with(
        with(old.clone(), "/spec/containers/0/env", json!([])),
        "/spec/initContainers",
        old["spec"]["containers"].clone(),
    );
    let moved = with(
        with(old.clone(), "/spec/containers/0/env", json!([])),
        "/spec/containers/-",
        json!({"name": "other", "image": "api", "env": [db_password()]}),
    );
    for (what, new) in [
        ("container renamed", with(old.clone(), "/spec/containers/0/name", json!("renamed"))),
        ("variable renamed", with(old.clone(), &format!("{env}/name"), json!("PASSWORD"))),
        ("another key", with(old.clone(), &format!("{reference}/key"), json!("root"))),
        ("another Secret", with(old.clone(), &format!("{reference}/name"), json!("api"))),
        ("another list", moved_to_init),
        ("another container", moved),
        (
            "another kind",
            with(
                with(old.clone(), "/spec/containers/0/env", json!([])),
                "/spec/containers/0/envFrom",
                json!([{"secretRef": {"name": "db"}}]),
            ),
        ),
    ] {
        assert!(!admits_update(&rules(&[DENY]), &old, &new), "{what}");
    }
}

#[test]
fn another_prefix_is_new_in_an_update() {
    let old = with(pod_with_env_from(), "/spec/containers/0/envFrom/0/prefix", json!("A_"));
    let new = with(pod_with_env_from(), "/spec/containers/0/envFrom/0/prefix", json!("B_"));
    assert!(admits_update(&rules(&[DENY]), &old, &old));
    assert!(!admits_update(&rules(&[DENY]), &old, &new));
}

#[test]
fn an_image_that_an_exception_named_and_that_changed_is_judged_anew() {
    let policies = rules(&[
        "{name: vendor, on: [env], where: {images: [registry.example.com/shop/api]}, action: allow, reason: r, expires: 2027-01-01}",
        DENY,
    ]);
    let old = pod_with_secret();
    let new = with(old.clone(), "/spec/containers/0/image", json!("evil"));
    assert!(admits_update(
        &policies,
        &old,
        &with(old.clone(), "/spec/containers/0/image", json!("registry.example.com/shop/api:2"))
    ));
    assert!(!admits_update(&policies, &old, &new));
    assert!(admits_update(&policies, &new, &new), "what was denied before is forgiven");
}

#[test]
fn an_old_object_that_cannot_be_read_forgives_nothing() {
    for old in [json!({"spec": {"containers": 5}}), json!("text"), Value::Null] {
        assert!(!admits_update(&rules(&[DENY]), &old, &pod_with_secret()), "{old}");
    }
}

#[test]
fn an_update_of_a_template_ratchets_too() {
    let policies = on_templates("enforce", DENY);
    assert!(admits_update(&policies, &deployment(), &with(deployment(), "/spec/replicas", json!(3))));
    let env = "/spec/template/spec/containers/0/env/-";
    assert!(!admits_update(&policies, &deployment(), &with(deployment(), env, secret_env("T", "a", "t"))));
}

#[test]
fn an_update_of_a_pod_with_a_mount_rule_is_forgiven_too() {
    let new = with(pod_with_secret(), "/metadata/labels", json!({"changed": "yes"}));
    assert!(admits_update(&mount_env(), &pod_with_secret(), &new));
    assert!(!admits_update(&mount_env(), &pod(), &new));
}

#[test]
fn an_update_says_nothing_more_of_what_is_forgiven() {
    let response =
        send(&update(&deployment(), &with(deployment(), "/spec/replicas", json!(3))), VALIDATE, &rules(&[DENY]));
    assert!(response.allowed());
    let response = send(&update(&pod_with_secret(), &pod_with_secret()), VALIDATE, &rules(&[DENY]));
    assert!(response.allowed());
    assert_eq!(response.annotation("verdict"), Some("allowed"));
}

#[test]
fn an_update_of_a_template_warns_of_what_its_pods_will_be_denied_for() {
    let one_of_each = rules(&[
        "{name: swapped, on: [secretKeyRef], where: {secrets: [db]}, action: mount}",
        "{name: denied, on: [secretKeyRef], action: deny}",
    ]);
    let env = "/spec/template/spec/containers/0/env/-";
    let old = with(deployment(), env, secret_env("TOKEN", "api", "token"));
    let restart = with(old.clone(), "/spec/template/metadata/annotations", json!({"restartedAt": "now"}));
    let response = send(&update(&old, &restart), VALIDATE, &one_of_each);
    assert!(response.allowed());
    let warnings = response.warnings();
    assert!(
        warnings.iter().any(|its| its.starts_with("its pods will be denied: ") && its.contains("TOKEN")),
        "{warnings:?}"
    );
    assert!(warnings.iter().any(|its| its.starts_with("its pods will be swapped: ")), "{warnings:?}");
    assert_eq!(warnings.len(), 2);
    // As it is said where the Deployment is made, but that nobody refuses this.
    assert_eq!(response.annotation("verdict"), Some("allowed"));
    assert_eq!(validate(&old, &one_of_each).warnings().len(), 2);

    let response = send(&update(&old, &restart), DRY_VALIDATE, &one_of_each);
    let warnings = response.warnings();
    let told =
        warnings.iter().any(|its| its.starts_with("dry run: its pods would be denied: ") && its.contains("TOKEN"));
    assert!(response.allowed() && told && warnings.len() == 2, "{warnings:?}");
}

#[test]
fn an_update_that_an_enforcing_template_policy_forgives_warns_of_its_pods() {
    let policies = on_templates("enforce", DENY);
    let new = with(deployment(), "/spec/replicas", json!(3));
    let response = send(&update(&deployment(), &new), VALIDATE, &policies);
    assert!(response.allowed());
    let warnings = response.warnings();
    assert!(matches!(warnings[..], [its] if its.starts_with("its pods will be denied: ")), "{warnings:?}");
    let added = with(deployment(), "/spec/template/spec/containers/0/env/-", secret_env("T", "a", "t"));
    let response = send(&update(&deployment(), &added), VALIDATE, &policies);
    assert!(!response.allowed() && response.message().starts_with("1 reference denied:"), "{}", response.message());
}

#[test]
fn an_update_of_a_pod_warns_of_nothing_that_is_forgiven() {
    let new = with(pod_with_secret(), "/metadata/labels", json!({"changed": "yes"}));
    for endpoint in [VALIDATE, DRY_VALIDATE] {
        assert_eq!(send(&update(&pod_with_secret(), &new), endpoint, &rules(&[DENY])).warnings(), [""; 0]);
    }
}

// What is ours.

fn ephemeral_update() -> Value {
    let debugger = json!([{"name": "debug", "image": "busybox", "env": [db_password()]}]);
    let new = with(pod(), "/spec/ephemeralContainers", debugger);
    with(update(&pod(), &new), "/request/subResource", json!("ephemeralcontainers"))
}

#[test]
fn ephemeral_containers_are_validated_and_never_swapped() {
    let response = send(&ephemeral_update(), VALIDATE, &rules(&[DENY]));
    assert!(!response.allowed());
    assert!(response.message().contains("ephemeral container \"debug\""), "{}", response.message());
    let response = send(&ephemeral_update(), VALIDATE, &mount_env());
    assert!(!response.allowed());
    assert!(response.message().contains("cannot be swapped safely"), "{}", response.message());
    assert!(send(&ephemeral_update(), MUTATE, &mount_env()).patch().is_none());
}

#[test]
fn an_ephemeral_container_is_not_held_against_what_the_pod_had_before() {
    let debugger = json!([{"name": "debug", "image": "busybox"}]);
    let old = pod_with_secret();
    let review = update(&old, &with(old.clone(), "/spec/ephemeralContainers", debugger));
    assert!(
        send(&with(review, "/request/subResource", json!("ephemeralcontainers")), VALIDATE, &rules(&[DENY])).allowed()
    );
}

#[test]
fn delete_connect_and_other_subresources_are_not_ours() {
    for operation in ["DELETE", "CONNECT"] {
        let review = with(create(&pod_with_secret()), "/request/operation", json!(operation));
        for endpoint in ENDPOINTS {
            let response = send(&review, endpoint, &rules(&[DENY]));
            assert!(response.allowed() && response.patch().is_none() && response.warnings().is_empty());
        }
    }
    for subresource in ["status", "binding", "eviction", "scale"] {
        let review = with(update(&pod(), &pod_with_secret()), "/request/subResource", json!(subresource));
        assert!(send(&review, VALIDATE, &rules(&[DENY])).allowed(), "{subresource}");
    }
}

#[test]
fn a_kind_that_is_in_no_table_is_allowed() {
    for kind in ["ConfigMap", "Secret", "Service"] {
        let object = with(pod_with_secret(), "/kind", json!(kind));
        assert!(admits(&rules(&[DENY]), &object), "{kind}");
        assert!(!swaps(&object, &mount_env()), "{kind}");
    }
}

#[test]
fn a_mirror_pod_is_judged_but_never_mutated() {
    let mirror = with(pod_with_secret(), "/metadata/annotations", json!({"kubernetes.io/config.mirror": "3f"}));
    assert!(!admits(&rules(&[DENY]), &mirror));
    assert!(!swaps(&mirror, &mount_env()));
    let response = validate(&mirror, &mount_env());
    assert!(!response.allowed());
    assert!(response.message().contains("cannot be swapped safely"), "{}", response.message());
}

#[test]
fn a_dry_run_of_the_api_server_is_answered_like_any_other() {
    let review = with(create(&pod_with_secret()), "/request/dryRun", json!(true));
    assert!(!send(&review, VALIDATE, &rules(&[DENY])).allowed());
    assert!(send(&review, MUTATE, &mount_env()).patch().is_some());
}

// Messages.

#[test]
fn a_finding_says_what_where_and_what_to_do() {
    let env = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, db_password()]);
    let policies =
        policies(&policy_of_rules("secrets-as-files", &["{name: nothing-else-in-env, on: [env], action: deny}"]));
    let response = validate(&with(pod(), "/spec/containers/0/env", env), &policies);
    let sentence = "container \"api\" takes Secret \"db\" key \"password\" as env DB_PASSWORD \
                    (/spec/containers/0/env/2): mount it as a file [secrets-as-files/nothing-else-in-env]";
    assert!(response.message().contains(sentence), "{}", response.message());
}

#[test]
fn a_rules_message_replaces_the_part_after_the_colon() {
    let policies = rules(&["{name: no, on: [env], action: deny, message: See the wiki.}"]);
    let finding = finding(&pod_with_secret(), &policies);
    assert_eq!(
        finding.message,
        "container \"api\" takes Secret \"db\" key \"password\" as env DB_PASSWORD (/spec/containers/0/env/0): \
         See the wiki. [files-only/no]",
    );
    assert_eq!(finding.help.as_deref(), Some("See the wiki."));
}

#[test]
fn findings_come_in_a_stable_order() {
    let pod = with(pod_with_env_from(), "/spec/containers/0/env", json!([db_password()]));
    let pod = with(pod, "/spec/initContainers", json!([{"name": "init", "image": "i", "env": [db_password()]}]));
    let first = validate(&pod, &rules(&[DENY]));
    assert_eq!(validate(&pod, &rules(&[DENY])).message(), first.message());
    assert!(first.message().starts_with("3 "), "the count comes first: {}", first.message());
}

#[test]
fn no_output_holds_the_value_of_a_variable() {
    let secret = "hunter2-in-clear";
    let env = json!([{"name": "CLEAR", "value": secret}, db_password(), {"name": "MENTION", "value": format!("{secret}$(DB_PASSWORD)")}]);
    let pod = with(pod(), "/spec/containers/0/env", env);
    let pod = with(pod, "/spec/containers/0/args", json!([secret]));
    for policies in [rules(&[DENY]), mount_env(), dry_run(DENY)] {
        for endpoint in ENDPOINTS {
            let response = send(&create(&pod), endpoint, &policies);
            assert!(!response.0.to_string().contains(secret), "{}", response.0);
        }
        assert!(!format!("{:?}", judge(&pod, &policies)).contains(secret));
    }
}

// What a first review found.

#[test]
fn a_mount_that_lets_unsafe_references_through_weakens_no_other() {
    let lenient = policy_of_rules("a", &["{name: m, on: [env], action: mount, mount: {unsafe: warn}}"]);
    let strict = policy_of_rules("b", &["{name: m, on: [env], action: mount}"]);
    let pod = with(pod_with_secret(), "/spec/containers/0/args", json!(["$(DB_PASSWORD)"]));
    assert!(admits(&policies(&lenient), &pod));
    let finding = judge(&pod, &policies(&(lenient + &strict))).findings.remove(0);
    assert_eq!((finding.policy.as_deref(), finding.outcome), (Some("b"), Outcome::Denied));
}

#[test]
fn a_source_that_is_unknown_is_warned_of_where_every_rule_is_about_another_namespace() {
    let unknown = json!({"name": "X", "valueFrom": {"vaultRef": {"name": "db"}}});
    let pod = with(pod_with_secret(), "/spec/containers/0/env/0", unknown);
    let policies = rules(&["{name: no, on: [env], where: {namespaces: [elsewhere]}, action: deny}"]);
    let findings = judge(&pod, &policies).findings;
    assert_eq!(findings.iter().map(|its| its.outcome).collect::<Vec<_>>(), [Outcome::Warned]);
}

#[test]
fn an_exception_for_images_lets_through_no_name_that_is_none() {
    let policies = rules(&[
        "{name: vendor, on: [env], where: {images: [registry.example.com/vendor/*]}, action: allow}",
        "{name: no, on: [env], action: deny}",
    ]);
    let of = |image: &str| with(pod_with_secret(), "/spec/containers/0/image", json!(image));
    assert!(admits(&policies, &of("registry.example.com/vendor/app:v1")));
    let digest =
        "registry.example.com/vendor/app:v1@sha256:6fdaeeb975729fae923d5a4fd12aabfe228f219e9cb0eb53f16947ccf25ec84d";
    assert!(admits(&policies, &of(digest)));
    for tail in ["../evil/x", "x:1/evil", "", "x@evil.com/y", "a//b", "x y"] {
        assert!(!admits(&policies, &of(&format!("registry.example.com/vendor/{tail}"))), "{tail}");
    }
}

#[test]
fn another_volume_of_the_same_driver_is_new_on_update() {
    let policies = rules(&["{name: no, on: [csi], action: deny}"]);
    let csi = |name: &str| json!({"name": name, "csi": {"driver": "secrets-store.csi.k8s.io"}});
    let old = with(pod(), "/spec/volumes", json!([csi("a")]));
    let new = with(old.clone(), "/spec/volumes/-", csi("b"));
    assert!(send(&update(&old, &old), VALIDATE, &policies).allowed());
    assert!(!send(&update(&old, &new), VALIDATE, &policies).allowed());
}

#[test]
fn a_volume_that_two_mounts_are_about_is_refused_by_the_stricter_of_them() {
    let lenient = policy_of_rules("a", &["{name: m, on: [any], action: mount, mount: {unsafe: warn}}"]);
    let strict = policy_of_rules("b", &["{name: m, on: [any], action: mount}"]);
    let policies = policies(&(lenient + &strict));
    assert!(!swaps(&pod_with_secret(), &policies), "what it would become is refused");
    assert!(!admits(&policies, &pod_with_secret()));
}

#[test]
fn a_denial_says_where_command_hides_an_image_that_reads_files() {
    let notes = |image: &str, command: Value| {
        let container = json!({
            "name": "db", "image": image, "command": command, "env": [secret_env("POSTGRES_PASSWORD", "db", "password")],
        });
        finding(&with(pod(), "/spec/containers/0", container), &deny_env()).notes
    };
    let overridden = notes("postgres:17", json!(["postgres"]));
    assert!(overridden.len() == 1 && overridden[0].contains("use args instead"), "{overridden:?}");
    assert!(notes("postgres:17", json!([])).is_empty());
    assert!(notes("registry.example.com/api:1", json!(["api"])).is_empty());
}
