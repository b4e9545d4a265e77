//! What a policy says of a way, and what then becomes of a pod, of a Deployment, and of the Deployment's pods.

use super::rows::Row;
use crate::api::Reply;

/// One policy for one way, in a namespace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// An `allow` in front of a `deny`.
    Allowed,
    Warned,
    Denied,
    /// A policy in dry run.
    DryRun,
    /// A policy that enforces, in a namespace whose label leads to the webhooks of the dry run.
    DryRunPath,
    /// An exception in front of a `deny`.
    Excepted,
    /// An exception of which the last day is past.
    Expired,
    TemplatesEnforced,
    TemplatesIgnored,
}

/// What is said to whoever makes an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Nothing,
    Warned,
    Denied,
    WouldBeDenied,
    /// Of a template.
    PodsDenied,
}

impl Told {
    /// What an answer of the API server tells: of one reference, so at most one thing.
    #[track_caller]
    pub fn by(reply: &Reply) -> Told {
        if reply.status == 403 {
            assert!(reply.denied().starts_with("1 reference denied:\n- "), "{reply:#?}");
            assert_eq!(reply.warnings, [""; 0]);
            return Told::Denied;
        }
        assert_eq!(reply.status, 201, "{reply:#?}");
        match &reply.warnings[..] {
            [] => Told::Nothing,
            [warning] if warning.starts_with("dry run: would be denied: ") => Told::WouldBeDenied,
            [warning] if warning.starts_with("its pods will be denied: ") => Told::PodsDenied,
            [warning] if !warning.contains("denied") => Told::Warned,
            _ => panic!("{reply:#?}"),
        }
    }
}

impl Case {
    pub const ALL: [Case; 9] = [
        Case::Allowed,
        Case::Warned,
        Case::Denied,
        Case::DryRun,
        Case::DryRunPath,
        Case::Excepted,
        Case::Expired,
        Case::TemplatesEnforced,
        Case::TemplatesIgnored,
    ];

    /// None begins as another and goes on with `-`.
    pub fn name(self) -> &'static str {
        match self {
            Case::Allowed => "allowed",
            Case::Warned => "warned",
            Case::Denied => "denied",
            Case::DryRun => "dry-run",
            Case::DryRunPath => "path-dry-run",
            Case::Excepted => "excepted",
            Case::Expired => "expired",
            Case::TemplatesEnforced => "templates-enforced",
            Case::TemplatesIgnored => "templates-ignored",
        }
    }

    /// The label of the namespace.
    pub fn mode(self) -> &'static str {
        if self == Case::DryRunPath { "dry-run" } else { "enforce" }
    }

    /// The policy about a way in a namespace, and in those whose names go on from there.
    pub fn policy(self, row: &Row, namespace: &str) -> String {
        let more = match self {
            Case::DryRun => "\n  mode: dryRun",
            Case::TemplatesEnforced => "\n  templates: enforce",
            Case::TemplatesIgnored => "\n  templates: ignore",
            _ => "",
        };
        let rule = |name: &str, rest: &str| format!("\n    - {{name: {name}, {}, {rest}}}", row.selects);
        let exception = |day: &str| rule("vendor", &format!("action: allow, reason: \"SEC-1: known\", expires: {day}"));
        let deny =
            if row.by_missing { rule("rule", "action: deny, missing: deny") } else { rule("rule", "action: deny") };
        let rules = match self {
            Case::Allowed if row.by_missing => rule("rule", "action: deny, missing: allow"),
            Case::Warned if row.by_missing => rule("rule", "action: deny, missing: warn"),
            Case::Allowed => rule("let", "action: allow") + &deny,
            Case::Warned => rule("rule", "action: warn"),
            Case::Excepted => exception("2099-12-31") + &deny,
            Case::Expired => exception("2020-12-31") + &deny,
            _ => deny,
        };
        let (row, case) = (row.name, self.name());
        format!(
            "---\napiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: {row}-{case}}}\nspec:\n  \
             match: {{namespaces: [\"{namespace}\", \"{namespace}-*\"]}}{more}\n  rules:{rules}\n"
        )
    }

    /// What is said of a pod.
    pub fn pod(self) -> Told {
        match self {
            Case::Allowed | Case::Excepted => Told::Nothing,
            Case::Warned => Told::Warned,
            Case::DryRun | Case::DryRunPath => Told::WouldBeDenied,
            Case::Denied | Case::Expired | Case::TemplatesEnforced | Case::TemplatesIgnored => Told::Denied,
        }
    }

    /// What is said of a Deployment.
    pub fn deployment(self) -> Told {
        match self {
            Case::Allowed | Case::Excepted | Case::TemplatesIgnored => Told::Nothing,
            Case::Warned => Told::Warned,
            Case::DryRun | Case::DryRunPath => Told::WouldBeDenied,
            Case::Denied | Case::Expired => Told::PodsDenied,
            Case::TemplatesEnforced => Told::Denied,
        }
    }
}
