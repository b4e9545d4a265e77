//! A page for each alert, and an alert for each page.

use std::collections::BTreeSet;

use crate::{files, read, root, rules, stem};

#[test]
fn each_alert_has_its_page_and_each_page_its_alert() {
    let mut pages: BTreeSet<String> = files("docs/runbooks", "md").iter().map(|page| stem(page)).collect();
    assert!(pages.remove("README") && pages.remove("switching-off"));
    assert_eq!(pages, rules::alerts());
    let index = read("docs/runbooks/README.md");
    for alert in &pages {
        let page = read(&format!("docs/runbooks/{alert}.md"));
        assert!(page.starts_with(&format!("# {alert}\n")), "{alert}");
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings[..2], ["## What it means", "## What to do"], "{alert}");
        let (_, what_to_do) = page.split_once("## What to do\n").unwrap();
        assert!(what_to_do.contains("```sh\n"), "{alert}: commands");
        assert!(what_to_do.contains("](switching-off.md"), "{alert}: the way out");
        let row = index.lines().find(|line| line.contains(&format!("| [{alert}]({alert}.md) |")));
        let row = row.unwrap_or_else(|| panic!("docs/runbooks/README.md has no row for {alert}"));
        let severities: BTreeSet<String> =
            row.split('|').nth(2).unwrap().trim().split(", ").map(str::to_owned).collect();
        let rules = rules::rules().into_iter().filter(|rule| rule["alert"] == *alert.as_str());
        let expected = rules.map(|rule| rule["labels"]["severity"].as_str().unwrap().to_owned()).collect();
        assert_eq!(severities, expected, "{alert}");
    }
}

#[test]
fn every_link_of_the_docs_leads_to_a_file_and_a_heading_there() {
    let pages: Vec<_> = ["docs/runbooks", "docs"].iter().flat_map(|folder| files(folder, "md")).collect();
    assert!(pages.len() > 30, "{}", pages.len());
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let (target, anchor) =
                link.split(')').next().map(|link| link.split_once('#').unwrap_or((link, ""))).unwrap();
            if target.contains("://") {
                continue;
            }
            let file = if target.is_empty() { page.clone() } else { page.parent().unwrap().join(target) };
            assert!(file.exists(), "{}: {target}", page.display());
            let anchors = |text: &str| text.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
            let found = anchor.is_empty() || anchors(&std::fs::read_to_string(&file).unwrap());
            assert!(found, "{}: {target}#{anchor}", page.display());
        }
    }
}

/// A name serves once: a second try is for the same night. A job that is begun is waited for, also if it fails, and read.
#[test]
fn a_job_that_somebody_begins_has_a_name_of_its_own_and_is_read() {
    let begun = files("docs/runbooks", "md").iter().map(|page| begins_jobs_well(page)).sum::<usize>();
    assert_eq!(begun, 2, "of SecretfenceAuditFails and SecretfenceAuditStale");
}

/// How many jobs a page begins, all of which it names, waits for and reads.
fn begins_jobs_well(page: &std::path::Path) -> usize {
    let text = std::fs::read_to_string(page).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let begins = blocks.filter(|block| block.contains("create job")).inspect(|block| {
        let [name, create, wait, logs] = block.lines().collect::<Vec<_>>()[..] else {
            panic!("{}: {block}", page.display())
        };
        assert!(name.starts_with("job=") && name.ends_with("-$(date +%s)"), "{name}");
        let (namespace, cron_job) = create.split_once(" create job \"$job\" --from=cronjob/").unwrap();
        assert_eq!(wait, format!("{namespace} wait \"job/$job\" --for=jsonpath='{{.status.conditions}}' --timeout=5m"));
        assert_eq!(logs, format!("{namespace} logs \"job/$job\""));
        let folder = cron_job.strip_prefix("secretfence-").unwrap();
        let shipped = read(&format!("manifests/{folder}/cron-job.yaml"));
        let namespace = namespace.strip_prefix("kubectl -n ").unwrap();
        assert!(shipped.contains(&format!("  name: {cron_job}\n  namespace: {namespace}\n")), "{create}");
    });
    begins.count()
}

/// What the pages name of the installation is there.
#[test]
fn the_pages_name_what_the_manifests_ship() {
    let manifests: String = walkdir::WalkDir::new(root().join("manifests"))
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "yaml"))
        .map(|entry| std::fs::read_to_string(entry.path()).unwrap())
        .collect();
    for needed in [
        "name: zz-secretfence\n",
        "kind: ValidatingWebhookConfiguration",
        "secretfence.dev/mode",
        "name: secretfence-tls\n",
    ] {
        assert!(
            manifests.contains(needed) || manifests.contains(&needed.replace("name: ", "secretName: ")),
            "{needed}"
        );
    }
    let page = read("docs/runbooks/switching-off.md");
    for command in [
        "kubectl label namespace shop secretfence.dev/mode=off --overwrite\n",
        "kubectl delete validatingwebhookconfiguration secretfence\n",
        "kubectl delete mutatingwebhookconfiguration zz-secretfence\n",
    ] {
        assert!(page.contains(command), "{command}");
    }
    // Who follows opt-in as it is has no file of policies of their own.
    let shipped = "secretfence/policies/secrets-as-files.yaml";
    assert!(read("docs/runbooks/SecretfencePodsMissed.md").contains(&format!("as opt-in ships it: {shipped}\n")));
    assert!(read("manifests/base/kustomization.yaml").contains("secrets-as-files.yaml"));
    assert!(root().join(shipped.strip_prefix("secretfence/").unwrap()).exists());
}

/// As GitHub makes an anchor of a heading.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
