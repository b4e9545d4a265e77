//! One workload from end to end.

use serde_json::json;

use crate::{Cluster, POLICIES, env, namespace, pod, shop, spec, workload};

#[test]
fn a_workload_is_explained_with_the_diff_of_its_swap() {
    insta::assert_snapshot!(shop().audit(&["--explain", "shop/web"]), @r#"
    exit: 0
    --- stdout
    Deployment shop/web: 3 pods, 2 missed
      container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/template/spec/containers/0/env/0)
        swapped by files/swap, and its program must be told to read the file
          change: in the program: read the file that DB_PASSWORD_FILE names (/run/secretfence/db/password) where it is set, else DB_PASSWORD as now; the manifest stays as it is: the webhook, or secretfence fix, does the rest
          note: an ENV of the same name in the image itself would show through
        files (enforce)
          - vendor (allow): where.containers is ["vendor"], and the container is "api"
          - nobody (allow): where.containers is ["nobody"], and the container is "api"
          * swap (mount) decides

    --- Deployment shop/web
    +++ Deployment shop/web
    @@ -4,13 +4,27 @@
       namespace: shop
     spec:
       template:
    +    metadata:
    +      annotations:
    +        secretfence.dev/swapped: "api: DB_PASSWORD -> /run/secretfence/db/password [files/swap]"
         spec:
           containers:
           - env:
    -        - name: DB_PASSWORD
    -          valueFrom:
    -            secretKeyRef:
    -              key: password
    -              name: db
    +        - name: DB_PASSWORD_FILE
    +          value: /run/secretfence/db/password
    +        volumeMounts:
    +        - name: secretfence-3037552ca2ca1e3b
    +          mountPath: /run/secretfence
    +          readOnly: true
             image: "registry.example.com/api:1"
             name: api
    +      volumes:
    +      - name: secretfence-3037552ca2ca1e3b
    +        projected:
    +          defaultMode: 0444
    +          sources:
    +          - secret:
    +              name: db
    +              items:
    +              - key: password
    +                path: db/password

    by 1 policy (revision 8702b18782b2)
    "#);
}

#[test]
fn what_is_unsafe_says_why() {
    insta::assert_snapshot!(shop().audit(&["--explain", "batch/pod/unsafe"]), @r#"
    exit: 0
    --- stdout
    Pod batch/unsafe: missed
      container "api" takes Secret "db" key "password" as env TOKEN (/spec/containers/0/env/0)
        denied by files/swap
          not safe to swap: TOKEN is mentioned in args[0]
        files (enforce)
          - vendor (allow): where.containers is ["vendor"], and the container is "api"
          - nobody (allow): where.containers is ["nobody"], and the container is "api"
          * swap (mount) decides

    Nothing of it would be swapped.

    by 1 policy (revision 8702b18782b2)
    "#);
}

#[test]
fn what_another_makes_leads_there() {
    let output = shop().audit(&["--explain", "shop/replicaset/web-1"]);
    let expected =
        "exit: 0\n--- stdout\nReplicaSet shop/web-1: another workload makes it: explain that one\n\nby 1 policy ";
    assert!(output.starts_with(expected), "{output}");
}

#[test]
fn two_of_one_kind_and_name_are_told_apart_by_their_groups() {
    let rows = "apiVersion: secretfence.dev/v1alpha1\nkind: PodTemplates\nmetadata: {name: rows}\nspec:\n  rows:\n    \
                - {group: batch.volcano.sh, versions: [v1alpha1], resource: jobs, kind: Job, paths: [spec.template]}\n";
    let [template, older] = ["KEY", "OLDER"].map(|variable| spec("api", "api:1", &[env(variable, "other")]));
    let of = |api_version| Some([api_version, "Job", "train"]);
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("jobs", json!([workload("shop", "train", None, &template)])),
        (
            "pods",
            json!([
                pod("shop", "train-a", of("batch/v1"), &template),
                pod("shop", "train-b", of("batch.volcano.sh/v1alpha1"), &template),
                pod("shop", "train-c", of("batch.volcano.sh/v1alpha1"), &older),
            ]),
        ),
    ]);
    let cluster = cluster.policies(&format!("{POLICIES}---\n{rows}"));
    let heading = |kind: &str| {
        let output = cluster.audit(&["--explain", &format!("shop/{kind}/train")]);
        let heading = output.lines().nth(2).unwrap().to_owned();
        (heading, output.contains("\n  only pods have:\n    1 pod, denied: "))
    };
    assert_eq!(heading("job.batch.volcano.sh"), ("Job shop/train: 2 pods, missed".to_owned(), true));
    assert_eq!(heading("job.batch"), ("Job shop/train: 1 pod, missed".to_owned(), false));
}

#[test]
fn what_is_not_there_is_an_error() {
    let output = shop().audit(&["--explain", "shop/deployment/wbe"]);
    assert_eq!(output, "exit: 2\n--- stderr\nerror: there is no deployment \"wbe\" in namespace \"shop\"\n");
    let output = shop().audit(&["--explain", "shop/service/web"]);
    let expected =
        "exit: 2\n--- stderr\nerror: \"service\" is no kind of workload that these policies know: there are ";
    assert!(output.starts_with(expected), "{output}");
}

#[test]
fn a_kind_that_may_not_be_listed_hides_no_other() {
    let cluster = shop().change(|state| state.forbidden = vec!["/api/v1/namespaces/shop/podtemplates"]);
    let output = cluster.audit(&["--explain", "shop/web"]);
    assert!(output.starts_with("exit: 2\n--- stdout\nDeployment shop/web: 3 pods, 2 missed\n"), "{output}");
    assert!(output.contains("error: may not list podtemplates in namespace \"shop\""), "{output}");
    let output = cluster.audit(&["--explain", "shop/wbe"]);
    assert!(output.starts_with("exit: 2\n--- stderr\nerror: may not list podtemplates"), "{output}");
}
