//! Every mistake: the file, the line and column, the field, what was found, what was expected, and the next step.

use super::{VALID, compile};

/// The first line of the error for the valid policy with one thing changed.
#[track_caller]
fn mistake(from: &str, to: &str) -> String {
    assert!(VALID.contains(from), "{from:?} is in the valid policy");
    let text = VALID.replacen(from, to, 1);
    match compile(&text) {
        Ok(_) => panic!("should not compile:\n{text}"),
        Err(error) => error,
    }
}

/// As [`mistake`], with more lines below the rule.
#[track_caller]
fn in_rule(more: &str) -> String {
    mistake("      action: deny\n", more)
}

/// As [`mistake`], with more lines in the spec.
#[track_caller]
fn in_spec(more: &str) -> String {
    mistake("spec:\n", &format!("spec:\n{more}"))
}

#[test]
fn the_valid_policy_is_valid() {
    assert!(compile(VALID).is_ok());
}

#[test]
fn an_unknown_field() {
    assert_eq!(
        mistake("action", "actoin"),
        "p.yaml:9:7: spec.rules[0].actoin: unknown field (did you mean \"action\"?); known here: \
         name, on, where, action, mount, missing, message, reason, expires"
    );
    assert_eq!(
        in_spec("  colour: blue\n"),
        "p.yaml:6:3: spec.colour: unknown field; known here: \
         description, mode, warnings, match, exclude, templates, rules, readers, secretDrivers, copyMarks"
    );
    assert!(mistake("  name: no-env", "  name: no-env\n  namespace: a").contains("metadata.namespace: unknown field"));
    // A field of another case is another field.
    assert!(in_spec("  Mode: off\n").contains("did you mean \"mode\"?"));
}

#[test]
fn an_unknown_value() {
    assert_eq!(
        mistake("action: deny", "action: denny"),
        "p.yaml:9:15: spec.rules[0].action: \"denny\" is not known here (did you mean \"deny\"?); \
         expected one of allow, warn, mount, deny"
    );
    assert_eq!(
        in_spec("  mode: dry-run\n"),
        "p.yaml:6:9: spec.mode: \"dry-run\" is not known here (did you mean \"dryRun\"?); \
         expected one of enforce, dryRun, off"
    );
    assert_eq!(
        mistake("[env]", "[secretkeyref]"),
        "p.yaml:8:12: spec.rules[0].on[0]: \"secretkeyref\" is not known here (did you mean \"secretKeyRef\"?); \
         expected one of secretKeyRef, envFrom, fileKeyRef, unknownSource, volume, csi, legacyVolume, imagePull, \
         externalEnv, injected, nodeAccess, storePath, sharedSecret, reach, copied, literal, rawSecret, env, clear, \
         file, crossNamespace, any"
    );
    assert!(in_spec("  templates: deny\n").contains("expected one of warn, enforce, ignore"));
}

#[test]
fn a_missing_field() {
    assert_eq!(mistake("      action: deny\n", ""), "p.yaml:7:7: spec.rules[0]: the field \"action\" is missing");
    assert!(mistake("metadata:\n  name: no-env\n", "").contains("document: the field \"metadata\" is missing"));
    assert!(mistake("  name: no-env\n", "  labels: {a: b}\n").contains("metadata: the field \"name\" is missing"));
}

#[test]
fn a_value_of_the_wrong_type() {
    assert_eq!(
        mistake("action: deny", "action: 3"),
        "p.yaml:9:15: spec.rules[0].action: found the number 3, expected one of allow, warn, mount, deny"
    );
    assert_eq!(mistake("[env]", "env"), "p.yaml:8:11: spec.rules[0].on: found the string \"env\", expected a list");
    assert_eq!(
        in_spec("  match: {namespaces: [true]}\n"),
        "p.yaml:6:24: spec.match.namespaces[0]: found the boolean true, expected a string: put it in quotes"
    );
    assert_eq!(
        in_spec("  warnings: \"true\"\n"),
        "p.yaml:6:13: spec.warnings: found the string \"true\", expected true or false"
    );
    assert!(in_spec("  match: [a]\n").contains("found a list, expected a mapping of namespaces, namespaceSelector"));
}

#[test]
fn a_word_that_yaml_1_1_takes_for_a_boolean_is_a_word() {
    assert_eq!(
        in_spec("  warnings: yes\n"),
        "p.yaml:6:13: spec.warnings: found the string \"yes\", expected true or false"
    );
    assert!(compile(&VALID.replace("spec:\n", "spec:\n  match: {namespaces: [on, y, no]}\n")).is_ok());
}

#[test]
fn a_field_whose_value_is_left_out() {
    // Read as "not given" it would match every namespace.
    assert_eq!(
        in_spec("  match:\n    namespaces:\n    # - team-a\n"),
        "p.yaml:7:15: spec.match.namespaces: found nothing (leave the field out, or give it a value), expected a list"
    );
    assert!(in_spec("  match:\n").contains("spec.match: found nothing"));
}

#[test]
fn a_document_of_another_kind() {
    assert_eq!(
        mistake("kind: SecretPolicy", "kind: SecretPolcy"),
        "p.yaml:2:7: kind: \"SecretPolcy\" is not known here (did you mean \"SecretPolicy\"?); \
         expected one of SecretPolicy, PodTemplates, PolicyTest"
    );
    assert_eq!(
        compile("apiVersion: v1\nkind: ConfigMap\n").unwrap_err(),
        "p.yaml:1:13: apiVersion: found \"v1\", expected secretfence.dev/v1alpha1: a policy directory holds nothing else"
    );
    assert!(mistake("v1alpha1", "v1").contains("found \"secretfence.dev/v1\", expected secretfence.dev/v1alpha1"));
    assert_eq!(
        compile("- a\n").unwrap_err(),
        "p.yaml:1:1: document: found a list, expected a mapping with apiVersion: secretfence.dev/v1alpha1"
    );
    assert!(
        mistake("apiVersion", "apiversion")
            .contains("p.yaml:1:1: apiversion: unknown field (did you mean \"apiVersion\"")
    );
    assert!(compile("kind: SecretPolicy\n").unwrap_err().contains("the field \"apiVersion\" is missing"));
}

#[test]
fn broken_yaml() {
    let tab = in_spec("\tmode: enforce\n");
    assert!(tab.starts_with("p.yaml:6:") && tab.contains("a tab in the indentation"), "{tab}");
    let duplicate = mistake("      action: deny\n", "      action: deny\n      action: warn\n");
    assert!(duplicate.starts_with("p.yaml:10:7: the key \"action\" is given twice"), "{duplicate}");
}

#[test]
fn a_name_that_is_taken() {
    let twice = format!("{VALID}---\n{VALID}");
    assert_eq!(
        compile(&twice).unwrap_err(),
        "p.yaml:14:9: metadata.name: the policy name \"no-env\" is taken: every policy name in a policy set is unique"
    );
    assert_eq!(
        mistake("      action: deny\n", "      action: deny\n    - {name: deny, on: [any], action: warn}\n"),
        "p.yaml:10:14: spec.rules[1].name: the rule name \"deny\" is taken: every rule name in a policy is unique"
    );
}

#[test]
fn a_name_that_is_none() {
    assert!(
        mistake("no-env", "No_Env")
            .starts_with("p.yaml:4:9: metadata.name: found \"No_Env\", expected lower case letters")
    );
    assert!(
        mistake("name: deny", "name: deny all")
            .starts_with("p.yaml:7:13: spec.rules[0].name: found \"deny all\", expected letters")
    );
    assert!(mistake("name: deny", "name: \"\"").contains("spec.rules[0].name: found \"\""));
}

#[test]
fn an_exception_without_end_or_without_reason() {
    assert_eq!(
        in_rule("      action: allow\n      reason: because\n"),
        "p.yaml:10:7: spec.rules[0].reason: an exception needs its last day: add expires: 2027-03-31, or write why as a comment"
    );
    assert_eq!(
        in_rule("      action: allow\n      expires: 2027-03-31\n"),
        "p.yaml:10:7: spec.rules[0].expires: an exception needs its reason: add reason: \"…\" beside expires"
    );
    assert!(
        in_rule("      action: allow\n      expires: 2027-03-31\n      reason: \" \"\n").contains("reason: is empty")
    );
}

#[test]
fn an_exception_on_a_rule_that_allows_nothing() {
    let error = in_rule("      action: deny\n      reason: because\n      expires: 2027-03-31\n");
    assert_eq!(
        error.lines().next().unwrap(),
        "p.yaml:10:7: spec.rules[0].reason: only an allow rule can be an exception, but the action is deny: leave it out"
    );
    assert_eq!(error.lines().count(), 2);
}

#[test]
fn a_day_that_is_none() {
    for day in ["31.3.2027", "2027-02-30", "2027-3-1", "2027-03-31T00:00:00Z", "2027-W13-3"] {
        let error = in_rule(&format!("      action: allow\n      reason: because\n      expires: {day}\n"));
        assert_eq!(
            error,
            format!("p.yaml:11:16: spec.rules[0].expires: found \"{day}\", expected a day such as 2027-03-31")
        );
    }
    assert_eq!(
        in_rule("      action: allow\n      reason: because\n      expires: 20270331\n"),
        "p.yaml:11:16: spec.rules[0].expires: found the number 20270331, expected a day such as 2027-03-31"
    );
}

#[test]
fn a_glob_that_does_not_compile() {
    assert_eq!(
        in_rule("      where: {secrets: [ok, \"{a,b}\"]}\n      action: deny\n"),
        "p.yaml:9:29: spec.rules[0].where.secrets[1]: '{' is not part of a glob here: globs know \"*\" (any run of \
         characters), \"?\" (one character) and a \"!\" in front"
    );
    for field in ["namespaces", "containers", "images", "secrets", "keys", "variables"] {
        for glob in ["a[b]", "", "!", "a\\\\"] {
            let error = in_rule(&format!("      where: {{{field}: [\"{glob}\"]}}\n      action: deny\n"));
            assert!(error.contains(&format!("where.{field}[0]: ")), "{error}");
        }
    }
    for field in ["namespaces", "serviceAccounts"] {
        assert!(in_spec(&format!("  exclude: {{{field}: [\"a[b]\"]}}\n")).contains("'[' is not part of a glob"));
    }
}

#[test]
fn an_empty_list() {
    assert!(mistake("[env]", "[]").contains("spec.rules[0].on: is empty: name a kind of reference"));
    assert!(in_spec("  match: {namespaces: []}\n").contains("spec.match.namespaces: is empty"));
    assert!(in_spec("  match: {kinds: []}\n").contains("spec.match.kinds: is empty"));
    let rules = "  rules:\n    - name: deny\n      on: [env]\n      action: deny\n";
    assert!(
        mistake(rules, "  rules: []\n")
            .contains("p.yaml:6:10: spec.rules: is empty: a policy without rules guards nothing")
    );
    assert!(mistake(rules, "  mode: enforce\n").contains("spec: the field \"rules\" is missing"));
}

#[test]
fn a_mount_of_what_has_no_swap() {
    assert_eq!(
        mistake("on: [env]\n      action: deny", "on: [env, fileKeyRef]\n      action: mount"),
        "p.yaml:8:17: spec.rules[0].on[1]: \"fileKeyRef\" has no swap, so it cannot be mounted: \
         name secretKeyRef or envFrom, the group env, or use deny"
    );
    for kind in ["unknownSource", "volume", "csi", "legacyVolume", "imagePull"] {
        let to = format!("on: [{kind}]\n      action: mount");
        assert!(mistake("on: [env]\n      action: deny", &to).contains("has no swap"), "{kind}");
    }
}

#[test]
fn a_mount_through_a_group_is_no_mistake() {
    for on in ["env", "file", "any"] {
        let to = format!("on: [{on}]\n      action: mount");
        assert!(compile(&VALID.replace("on: [env]\n      action: deny", &to)).is_ok(), "{on}");
    }
}

#[test]
fn a_mount_block_beside_another_action() {
    assert_eq!(
        in_rule("      action: deny\n      mount: {path: /run/secretfence}\n"),
        "p.yaml:10:7: spec.rules[0].mount: the block \"mount\" says how a reference becomes a file, but the action is \
         deny: use action: mount, or leave it out"
    );
}

#[track_caller]
fn in_mount(block: &str) -> String {
    in_rule(&format!("      action: mount\n      mount: {block}\n"))
}

#[test]
fn a_mount_path_that_cannot_be_used() {
    assert_eq!(
        in_mount("{path: /var/run/secrets/mine}"),
        "p.yaml:10:21: spec.rules[0].mount.path: found \"/var/run/secrets/mine\", which is at, above or below \
         /run/secrets or /var/run/secrets, where the ServiceAccount's token is; expected a path such as /run/secretfence"
    );
    assert!(in_mount("{path: run}").contains("which is not absolute"));
    assert!(in_mount("{path: /}").contains("which is the root"));
    assert!(in_mount("{path: /a/../b}").contains("which is not clean"));
    assert!(in_mount("{path: /var/run}").contains("at, above or below"));
}

#[test]
fn a_variable_that_makes_no_name() {
    assert_eq!(
        in_mount("{variable: \"{nme}_FILE\"}"),
        "p.yaml:10:25: spec.rules[0].mount.variable: found \"{nme}_FILE\": the placeholders are {name}, {secret} and {key}"
    );
    assert!(in_mount("{variable: \"A B\"}").contains("a variable's name holds letters"));
}

#[test]
fn a_file_mode_that_is_not_quoted() {
    assert_eq!(
        in_mount("{fileMode: 0440}"),
        "p.yaml:10:25: spec.rules[0].mount.fileMode: found the number 288, expected auto or an octal mode in quotes, \
         such as \"0440\" (without quotes YAML reads 0440 as the number 288)"
    );
    for mode in ["\"0888\"", "\"1777\"", "\"44\"", "\"u=r\"", "\"+440\"", "\"00440\""] {
        assert!(in_mount(&format!("{{fileMode: {mode}}}")).contains("expected auto or an octal mode"), "{mode}");
    }
}

#[test]
fn keys_of_a_secret_that_are_none() {
    assert!(in_mount("{keys: {db: []}}").contains("mount.keys.db: is empty: list all keys"));
    assert!(in_mount("{keys: {db: [../a]}}").contains("mount.keys.db[0]: found \"../a\", expected a key of a Secret"));
    assert!(in_mount("{keys: {db: [a, a]}}").contains("the key \"a\" is taken"));
    assert!(in_mount("{keys: {\"!db\": [a]}}").contains("a single glob cannot exclude"));
    assert!(in_mount("{keys: {\"d[b]\": [a]}}").contains("'[' is not part of a glob"));
    assert!(in_mount("{keys: {}}").contains("mount.keys: is empty"));
}

#[test]
fn a_selector_that_selects_nothing_or_everything() {
    let selector = |selector: &str| in_spec(&format!("  match: {{objectSelector: {selector}}}\n"));
    assert!(selector("{}").contains("an empty selector fits everything"));
    assert!(selector("{matchLabels: {\"a b\": c}}").contains("expected the key of a label"));
    assert!(selector("{matchLabels: {a: \"b*\"}}").contains("expected the value of a label"));
    assert!(
        selector("{matchLabels: {a: true}}").contains("found the boolean true, expected a string: put it in quotes")
    );
    assert!(selector("{matchExpressions: [{key: a, operator: in, values: [b]}]}").contains("did you mean \"In\"?"));
    assert!(selector("{matchExpressions: [{key: a, operator: NotIn}]}").contains("NotIn needs at least one value"));
    assert!(
        selector("{matchExpressions: [{key: a, operator: Exists, values: [b]}]}").contains("Exists takes no values")
    );
}

#[test]
fn a_kind_of_object_that_nobody_knows() {
    let error = in_spec("  match: {kinds: [Pod, Deploymnet]}\n");
    assert!(
        error.starts_with("p.yaml:6:24: spec.match.kinds[1]: \"Deploymnet\" is not known here (did you mean \"Deployment\"?); expected one of ConfigMap, CronJob,"),
        "{error}"
    );
    assert!(error.ends_with("a kind of a PodTemplates row"), "{error}");
}

const TABLE: &str = "\
apiVersion: secretfence.dev/v1alpha1
kind: PodTemplates
metadata: {name: rays}
spec:
  rows:
    - {group: ray.io, versions: [v1], resource: rayclusters, kind: RayCluster, paths: [spec.template]}
";

#[test]
fn a_kind_of_a_table_is_known_to_match() {
    let policy = VALID.replace("spec:\n", "spec:\n  match: {kinds: [RayCluster]}\n");
    assert!(compile(&policy).is_err());
    assert!(compile(&format!("{policy}---\n{TABLE}")).is_ok());
    // Of a table that cannot be read, only the table's own mistake is told.
    let error = compile(&format!("{policy}---\n{}", TABLE.replace("paths", "pats"))).unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("did you mean \"paths\""), "{error}");
}

#[test]
fn a_table_that_says_nothing() {
    let table = |from: &str, to: &str| compile(&format!("{VALID}---\n{}", TABLE.replace(from, to))).unwrap_err();
    assert!(
        table("[spec.template]", "[\"spec[0].template\"]")
            .contains("spec.rows[0].paths[0]: after \"spec\" stands something")
    );
    assert!(table("[spec.template]", "[]").contains("paths: is empty"));
    assert!(table("[v1]", "[]").contains("versions: is empty"));
    assert!(table("[v1]", "[v1, v1]").contains("the resource \"ray.io/v1 RayCluster\" is taken"));
    assert!(table("ray.io", "apps").contains("expected the API group of a custom resource"));
    assert!(table("kind: RayCluster", "kind: ray-cluster").contains("expected a kind"));
    let second = compile(&format!("{VALID}---\n{TABLE}---\n{}", TABLE.replace("RayC", "C"))).unwrap_err();
    assert_eq!(
        second,
        "p.yaml:19:7: kind: there is another PodTemplates document: a policy set has at most one, so put the rows together"
    );
}

#[test]
fn a_reader_that_says_nothing() {
    let reader = |form: &str| {
        in_spec(&format!("  readers: [{{images: [\"a/*\"], variables: [\"*\"], form: \"{form}\", source: x}}]\n"))
    };
    assert!(
        reader("PASSWORD_FILE").contains("spec.readers[0].form: found \"PASSWORD_FILE\": the form must hold {name}")
    );
    assert!(reader("{name}_{key}").contains("the only placeholder here is {name}"));
    assert!(in_spec("  secretDrivers: [\"csi.*\"]\n").contains("expected the exact name of a CSI driver"));
}

#[test]
fn a_policy_that_is_off_is_checked_all_the_same() {
    let off = VALID.replace("spec:\n", "spec:\n  mode: off\n");
    assert!(compile(&off).unwrap().set.policies().is_empty());
    assert!(compile(&off.replace("action: deny", "action: denny")).is_err());
}

#[test]
fn all_mistakes_of_a_document_that_decodes_are_told() {
    let error =
        in_rule("      where: {secrets: [\"a[\"], images: [\"b{\"]}\n      action: allow\n      reason: because\n");
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn a_table_of_paths_that_there_is_not() {
    let found = |path: &str| in_rule(&format!("      where: {{paths: [{path}]}}\n      action: deny\n"));
    for path in ["\"@node-secret\"", "\"@node-secrets/kubelet\"", "\"!@node-secrets\""] {
        let error = found(path);
        assert!(error.contains("spec.rules[0].where.paths[0]: found "), "{error}");
        assert!(error.ends_with("but the only table of paths is \"@node-secrets\": write that, or a path"), "{error}");
    }
}
