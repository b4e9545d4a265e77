//! Audits that nobody made, in the words of real ones.

use secretfence::fence::policy::{ExceptionState, Mode};
use secretfence::fence::{Becomes, Finding, Outcome};
use secretfence::report::audit::fold::OwnerName;
use secretfence::report::audit::{
    Audit, Cluster, Compared, ExceptionUse, Fence, LeftOut, ModeLabel, NamespaceLine, Owner, Registration, Row, Scope,
    Template, Totals,
};
use secretfence::report::{Gone, Policies};

/// A bit of everything.
pub fn small() -> Audit {
    let mut audit = empty();
    let web = owner("shop", "Deployment", "storefront", 40);
    audit.owners = vec![
        owner("batch", "CronJob", "nightly-export", 0).with(vec![envelope("exporter", "warehouse")]),
        owner("billing", "Deployment", "invoices", 3).with(vec![
            denied("api", "stripe", "key", "STRIPE_KEY", 3),
            told("api", "database", "password", "DB_PASSWORD", 3),
        ]),
        owner("billing", "StatefulSet", "ledger", 2).with(vec![unsafe_one(
            "ledger",
            "database",
            "password",
            "PGPASSWORD",
            2,
        )]),
        owner("monitoring", "DaemonSet", "agent", 12).with(vec![dry_run("agent", "registry", "token", "TOKEN", 12)]),
        owner("shop", "Deployment", "search", 6).with(vec![
            denied("indexer", "search", "admin", "SEARCH_ADMIN_KEY", 6),
            warned("indexer", "telemetry", "dsn", "SENTRY_DSN", 6),
        ]),
        web.with(vec![
            told("web", "database", "password", "DB_PASSWORD", 38),
            told("web", "cache", "password", "REDIS_PASSWORD", 38),
        ]),
        owner("shop", "StatefulSet", "postgres", 2).with(vec![files(
            "postgres",
            "database",
            "password",
            "POSTGRES_PASSWORD",
            0,
        )]),
        Owner { template: Template::Itself, ..owner("tools", "Pod", "debug", 1) }.with(vec![reach(1)]),
    ];
    let line =
        |name: &str, label, fence| NamespaceLine { name: name.to_owned(), label, fence, totals: Totals::default() };
    audit.namespaces = vec![
        line("batch", ModeLabel::None, Fence::Open),
        line("billing", ModeLabel::Enforce, Fence::Enforced),
        line("docs", ModeLabel::None, Fence::Open),
        line("monitoring", ModeLabel::DryRun, Fence::DryRun),
        line("shop", ModeLabel::Enforce, Fence::Enforced),
        line("status-page", ModeLabel::Enforce, Fence::Enforced),
        line("tools", ModeLabel::Off, Fence::Open),
    ];
    audit.exceptions = vec![
        exception("billing-vendor-image", "2027-03-31", ExceptionState::Active, 2),
        exception("legacy-importer", "2027-01-31", ExceptionState::Active, 0),
        exception("search-upgrade", "2026-11-30", ExceptionState::Ending, 1),
        exception("old-gateway", "2026-10-01", ExceptionState::Expired, 0),
    ];
    audit.left_out = ["kube-system", "secretfence"].map(left_out).to_vec();
    audit.not_judged = vec!["reach: no rule of these policies asks about it".to_owned()];
    counted(audit)
}

/// Of two audits, with errors.
pub fn compared() -> Audit {
    let mut audit = small();
    audit.owners[1].rows[0].known = true;
    audit.owners[2].rows[0].known = true;
    // One that was known, of which there are more now, and one that is new.
    audit.owners[2].rows[0].slipped = 1;
    audit.owners[2].slipped = 1;
    audit.owners[4].rows[0].slipped = 6;
    audit.owners[4].slipped = 6;
    // As many as are named, and more.
    audit.exceptions[0] = exception("billing-vendor-image", "2027-03-31", ExceptionState::Active, 23);
    audit.errors = vec![
        "namespace \"payments\": the list of pods is forbidden: grant list on pods there, or leave it out".to_owned(),
    ];
    let gone = Gone {
        file: String::new(),
        kind: "Deployment".to_owned(),
        namespace: "shop".to_owned(),
        name: "cart".to_owned(),
        message: "container \"cart\" takes Secret \"cart\" key \"token\" as env TOKEN (/spec/template/spec/containers/0/env/0): mount it".to_owned(),
        fingerprint: "00".to_owned(),
    };
    audit.compared = Some(Compared {
        as_of: Some("2026-11-20".parse().unwrap()),
        other_policies: false,
        known: 2,
        new: audit.rows().count() - 2,
        slipped: 7,
        gone: vec![gone],
    });
    audit
}

/// Rows by the thousand: ten owners a namespace, one row each.
pub fn many(rows: usize) -> Audit {
    let mut audit = empty();
    audit.registration = Registration::Installed;
    for index in 0..rows {
        let (namespace, at) = (format!("team-{:04}", index / 10), index % 10);
        let (container, secret, pods) = ("app", format!("database-{at}"), index % 41);
        let row = match index % 7 {
            0 | 1 => denied(container, &secret, "password", "DB_PASSWORD", pods),
            2 => unsafe_one(container, &secret, "password", "DB_PASSWORD", pods),
            3 => files(container, &secret, "password", "POSTGRES_PASSWORD", pods),
            4 => warned(container, &secret, "password", "DB_PASSWORD", pods),
            5 => dry_run(container, &secret, "password", "DB_PASSWORD", pods),
            _ => told(container, &secret, "password", "DB_PASSWORD", pods),
        };
        audit.owners.push(owner(&namespace, "Deployment", &format!("service-{index}"), pods).with(vec![row]));
        if at == 0 {
            let fence = [Fence::Enforced, Fence::DryRun, Fence::Open][index / 10 % 3];
            audit.namespaces.push(NamespaceLine {
                name: namespace,
                label: ModeLabel::None,
                fence,
                totals: Totals::default(),
            });
        }
    }
    counted(audit)
}

/// Every text is an attack. Names are made safe for terminals where findings are made; here nothing is.
pub fn hostile() -> Audit {
    let mut audit = compared();
    let attacks = [
        "</td></tr></table><script>document.title = 'owned'</script>",
        "\"><img src=x onerror=\"document.title = 'owned'\">",
        "' onfocus='document.title = \"owned\"' autofocus='",
        "<style>body { display: none }</style><!--",
        "<a href=\"javascript:document.title = 'owned'\">click</a><base href=\"https://evil.example\">",
        "&lt;b&gt;\u{202e}\u{0}\u{1b}[2J<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
        "</script></style></title></textarea><svg onload=document.title='owned'>",
    ];
    let mut next = attacks.into_iter().cycle();
    let mut attack = || next.next().unwrap().to_owned();
    for owner in &mut audit.owners {
        [&mut owner.namespace, &mut owner.kind, &mut owner.name].into_iter().for_each(|text| *text = attack());
        for Row { finding, .. } in &mut owner.rows {
            finding.message = attack();
            finding.container = Some(attack());
            finding.variable = Some(attack());
            finding.notes = vec![attack()];
            if let Some(becomes) = &mut finding.becomes {
                becomes.path = attack();
                becomes.variable = Some(attack());
            }
        }
    }
    for line in &mut audit.namespaces {
        line.name = attack();
        line.label = ModeLabel::Other(attack());
    }
    for exception in &mut audit.exceptions {
        exception.policy = attack();
        exception.rule = attack();
        for user in &mut exception.used_by {
            [&mut user.namespace, &mut user.kind, &mut user.name].into_iter().for_each(|text| *text = attack());
        }
    }
    for left_out in &mut audit.left_out {
        left_out.namespace = attack();
        left_out.why = attack();
    }
    audit.not_judged = vec![attack()];
    audit.errors = (0..attacks.len()).map(|_| attack()).collect();
    audit.policies.revision = attack();
    audit.cluster = Cluster { context: Some(attack()), server: attack() };
    for gone in &mut audit.compared.as_mut().unwrap().gone {
        [&mut gone.kind, &mut gone.namespace, &mut gone.name, &mut gone.message]
            .into_iter()
            .for_each(|text| *text = attack());
    }
    audit
}

pub fn empty() -> Audit {
    Audit {
        policies: Policies { revision: "5f1a0c7e93d2".to_owned(), count: 3, as_enforced: 0, is_built_in: false },
        today: "2026-11-21".parse().unwrap(),
        rules: Vec::new(),
        totals: Totals::default(),
        owners: Vec::new(),
        namespaces: Vec::new(),
        exceptions: Vec::new(),
        registration: Registration::Installed,
        left_out: Vec::new(),
        cluster: Cluster { context: Some("prod".to_owned()), server: "https://prod.example.com:6443".to_owned() },
        scope: Scope::default(),
        not_judged: Vec::new(),
        errors: Vec::new(),
        compared: None,
    }
}

/// The numbers of what is there.
pub fn counted(mut audit: Audit) -> Audit {
    audit.totals = Totals::default();
    for line in &mut audit.namespaces {
        line.totals = Totals::default();
        for owner in audit.owners.iter().filter(|owner| owner.namespace == line.name) {
            owner.rows.iter().for_each(|row| line.totals.take(&row.finding));
            line.totals.owners += 1;
            line.totals.pods += owner.pods;
            line.totals.missed += owner.missed;
        }
        audit.totals += line.totals;
    }
    audit
}

trait With {
    fn with(self, rows: Vec<Row>) -> Self;
}

impl With for Owner {
    fn with(mut self, rows: Vec<Row>) -> Owner {
        self.missed = rows.iter().map(Row::missed).max().unwrap_or(0);
        self.rows = rows;
        self
    }
}

fn owner(namespace: &str, kind: &str, name: &str, pods: usize) -> Owner {
    let [namespace, kind, name] = [namespace, kind, name].map(str::to_owned);
    let api_version = "apps/v1".to_owned();
    Owner {
        namespace,
        api_version,
        kind,
        name,
        template: Template::Judged,
        pods,
        missed: 0,
        slipped: 0,
        rows: Vec::new(),
    }
}

fn row(finding: Finding, pods: usize) -> Row {
    Row { finding, in_template: true, pods, foretold: false, known: false, slipped: 0 }
}

const PLACE: &str = "/spec/template/spec/containers/0/env/0";

fn finding(container: &str, secret: &str, key: &str, variable: &str, outcome: Outcome, help: &str) -> Finding {
    let rule = match outcome {
        Outcome::Swapped => "images-that-read-files",
        _ => "nothing-else-in-env",
    };
    let what = format!("container \"{container}\" takes Secret \"{secret}\" key \"{key}\" as env {variable}");
    Finding {
        pointer: PLACE.to_owned(),
        kind: "secretKeyRef",
        container: Some(container.to_owned()),
        secret: Some(secret.to_owned()),
        key: Some(key.to_owned()),
        variable: Some(variable.to_owned()),
        format: None,
        guess: false,
        action: Some("deny"),
        outcome,
        reads: None,
        reason: None,
        path: None,
        from: None,
        chain: None,
        policy: Some("secrets-as-files".to_owned()),
        rule: Some(rule.to_owned()),
        mode: Some(Mode::Enforce),
        message: format!("{what} ({PLACE}): {help} [secrets-as-files/{rule}]"),
        help: Some(help.to_owned()),
        expires: None,
        exceptions: Vec::new(),
        becomes: None,
        notes: Vec::new(),
        fingerprint: "1f2e3d4c5b6a7988".to_owned(),
    }
}

const MOUNT: &str = "mount the Secret as a read-only volume, and let the program read the file";

fn denied(container: &str, secret: &str, key: &str, variable: &str, pods: usize) -> Row {
    row(finding(container, secret, key, variable, Outcome::Denied, MOUNT), pods)
}

fn warned(container: &str, secret: &str, key: &str, variable: &str, pods: usize) -> Row {
    row(finding(container, secret, key, variable, Outcome::Warned, MOUNT), pods)
}

fn dry_run(container: &str, secret: &str, key: &str, variable: &str, pods: usize) -> Row {
    let found = finding(container, secret, key, variable, Outcome::Denied, MOUNT);
    row(Finding { mode: Some(Mode::DryRun), ..found }, pods)
}

fn unsafe_one(container: &str, secret: &str, key: &str, variable: &str, pods: usize) -> Row {
    let help = format!("cannot be swapped safely: {variable} is mentioned in args[0]; {MOUNT}");
    let found = finding(container, secret, key, variable, Outcome::Denied, &help);
    row(Finding { action: Some("mount"), reads: Some("unsafe"), ..found }, pods)
}

fn told(container: &str, secret: &str, key: &str, variable: &str, pods: usize) -> Row {
    let (path, file) = (format!("/run/secretfence/{secret}/{key}"), format!("{variable}_FILE"));
    let help = format!("becomes the file {path}, named by {file}; the program must be told to read it");
    let found = finding(container, secret, key, variable, Outcome::Swapped, &help);
    let becomes = Some(Becomes { path, is_directory: false, variable: Some(file) });
    let notes = vec!["an ENV of the same name in the image itself would show through".to_owned()];
    row(Finding { action: Some("mount"), reads: Some("mustBeTold"), becomes, notes, ..found }, pods)
}

fn files(container: &str, secret: &str, key: &str, variable: &str, pods: usize) -> Row {
    let (path, file) = (format!("/run/secretfence/{secret}/{key}"), format!("{variable}_FILE"));
    let help = format!("becomes the file {path}, named by {file}, which its image reads");
    let found = finding(container, secret, key, variable, Outcome::Swapped, &help);
    let becomes = Some(Becomes { path, is_directory: false, variable: Some(file) });
    row(Finding { action: Some("mount"), reads: Some("files"), becomes, ..found }, pods)
}

fn envelope(container: &str, secret: &str) -> Row {
    let path = format!("/run/secretfence/{secret}");
    let message = format!(
        "container \"{container}\" takes all keys of Secret \"{secret}\" as env (/spec/jobTemplate/spec/template/spec/containers/0/envFrom/0): \
         becomes files in {path}; the program must be told to read it [secrets-as-files/images-that-read-files]"
    );
    let Row { finding, .. } = told(container, secret, "", "", 0);
    let becomes = Some(Becomes { path, is_directory: true, variable: None });
    row(Finding { kind: "envFrom", key: None, variable: None, becomes, message, ..finding }, 0)
}

fn reach(pods: usize) -> Row {
    let message = "the pod's ServiceAccount can read Secrets in every namespace, by ServiceAccount tools/debug, ClusterRoleBinding debug, \
                   ClusterRole view-secrets (/spec/serviceAccountName): bind a Role of its own namespace [across-namespaces/reach]";
    let found = finding("", "", "", "", Outcome::Denied, "");
    let (container, message) = (None, message.to_owned());
    row(Finding { kind: "reach", container, secret: None, key: None, variable: None, message, ..found }, pods)
}

fn exception(rule: &str, expires: &str, state: ExceptionState, references: usize) -> ExceptionUse {
    let (policy, rule, expires) = ("secrets-as-files".to_owned(), rule.to_owned(), expires.parse().unwrap());
    let user = |number| OwnerName {
        namespace: "billing".to_owned(),
        kind: "Deployment".to_owned(),
        name: format!("importer-{number}"),
        api_version: "apps/v1".to_owned(),
    };
    let owners = references;
    let used_by = (0..references.min(20)).map(user).collect();
    ExceptionUse { policy, rule, expires, state, of_pods: true, references, owners, used_by }
}

fn left_out(namespace: &str) -> LeftOut {
    let why = "no registration asks about it, however it is labelled: --include-left-out judges it, too".to_owned();
    LeftOut { namespace: namespace.to_owned(), why }
}
