//! Why reports could not be published: what is the same of many namespaces is told once.

use std::fmt::{self, Write as _};

use super::error::{Asked, AuditError};
use super::publish::{NAME, ReportApi};
use crate::cluster::error::Failure;
use crate::fence::name::acts_on_a_terminal;

/// How many reasons are told.
const REASONS: usize = 10;
/// How many namespaces are named with each.
const NAMED: usize = 5;
/// How many characters are shown of what a quota or an admission says.
const SAID: usize = 256;

/// What could not be published. Never holds what the API server sent, but for its reasons, and what refuses in its own
/// words, which are shown escaped.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Which reports there are.
    #[error(transparent)]
    Unread(#[from] AuditError),
    /// RBAC refuses.
    #[error("may not {verb} {}{places}: give the right to {verb} {} (group {})", api.in_words(), api.resource, api.group)]
    Forbidden {
        /// `create`, `patch` or `delete`.
        verb: &'static str,
        /// Of what.
        api: ReportApi,
        /// Where.
        places: Places,
    },
    /// A quota or an admission refuses.
    #[error(
        "{}{places} could not be {}: no right is missing, but a quota or an admission refuses: \"{said}\"",
        api.in_words(),
        done(verb)
    )]
    Denied {
        /// `create`, `patch` or `delete`.
        verb: &'static str,
        /// Of what.
        api: ReportApi,
        /// Where.
        places: Places,
        /// In its own words.
        said: Said,
    },
    /// Objects that ours would stand in the place of.
    #[error(
        "there is one of the {} with the name {:?}{places} that is not ours, and nothing was written over it: rename \
         it or remove it",
        api.in_words(),
        NAME
    )]
    NotOurs {
        /// Of what.
        api: ReportApi,
        /// Where.
        places: Places,
    },
    /// By policies that are about nothing, everything would be clean.
    #[error(
        "{}{places} were not removed: they are by other policies than these, of which none is about anything that was \
         judged. Look at the policies (-p); where they are meant so: kubectl delete {}.{} -A -l \
         app.kubernetes.io/managed-by=secretfence",
        api.in_words(),
        api.resource,
        api.group
    )]
    OtherPolicies {
        /// Of what.
        api: ReportApi,
        /// Where.
        places: Places,
    },
    /// Anything else.
    #[error("{}{places} could not be {}: {why}", api.in_words(), done(verb))]
    Failed {
        /// `create`, `patch` or `delete`.
        verb: &'static str,
        /// Of what.
        api: ReportApi,
        /// Where.
        places: Places,
        /// What went wrong.
        why: String,
    },
    /// What is beyond those that are named.
    #[error("{} could not be published in {count} more namespace{} for other reasons", api.in_words(), plural(*count))]
    More {
        /// Of what.
        api: ReportApi,
        /// How many.
        count: usize,
    },
}

/// Namespaces.
#[derive(Debug, Default)]
pub struct Places {
    named: Vec<String>,
    more: usize,
}

/// A sentence of somebody else: escaped and cut where it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said(String);

/// What went wrong so far.
pub(super) struct Refusals {
    api: ReportApi,
    all: Vec<(&'static str, Reason, Places)>,
    more: usize,
}

/// Why one namespace was refused.
#[derive(PartialEq)]
pub(super) enum Reason {
    Right,
    Denied(Said),
    NotOurs,
    OtherPolicies,
    Other(String),
}

impl Refusals {
    pub(super) fn new(api: ReportApi) -> Refusals {
        Refusals { api, all: Vec::new(), more: 0 }
    }

    pub(super) fn add(&mut self, verb: &'static str, reason: Reason, namespace: &str) {
        if let Some((.., places)) = self.all.iter_mut().find(|(its, known, _)| *its == verb && *known == reason) {
            return places.add(namespace);
        }
        if self.all.len() == REASONS {
            self.more += 1;
            return;
        }
        let mut places = Places::default();
        places.add(namespace);
        self.all.push((verb, reason, places));
    }

    pub(super) fn finish(self) -> Vec<PublishError> {
        let Refusals { api, all, more } = self;
        let error = |(verb, reason, places)| match reason {
            Reason::Right => PublishError::Forbidden { verb, api, places },
            Reason::Denied(said) => PublishError::Denied { verb, api, places, said },
            Reason::NotOurs => PublishError::NotOurs { api, places },
            Reason::OtherPolicies => PublishError::OtherPolicies { api, places },
            Reason::Other(why) => PublishError::Failed { verb, api, places, why },
        };
        let mut errors: Vec<_> = all.into_iter().map(error).collect();
        errors.extend((more > 0).then_some(PublishError::More { api, count: more }));
        errors
    }
}

impl Reason {
    pub(super) fn of(failure: Failure, asked: Asked<'_>) -> Reason {
        match failure {
            Failure::Denied { said } => Reason::Denied(Said(said)),
            Failure::Refused { code: 409, .. } => {
                Reason::Other("somebody else changed it in between, three times over (409): run it again".to_owned())
            }
            failure => match AuditError::of(failure, asked, 0) {
                AuditError::Forbidden { .. } => Reason::Right,
                AuditError::Failed { why, .. } => Reason::Other(why),
                other => Reason::Other(other.to_string()),
            },
        }
    }
}

impl Places {
    fn add(&mut self, namespace: &str) {
        if self.named.len() < NAMED {
            self.named.push(namespace.to_owned());
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.named.iter().map(|name| format!("{name:?}")).collect();
        write!(f, " in namespace{} {}", plural(names.len()), names.join(", "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more namespace{}", plural(more)),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, character) in self.0.chars().enumerate() {
            match character {
                _ if count == SAID => return f.write_char('…'),
                '"' | '\\' => write!(f, "\\{character}")?,
                _ if acts_on_a_terminal(character) => write!(f, "{}", character.escape_unicode())?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

fn done(verb: &str) -> &'static str {
    if verb == "delete" { "removed" } else { "written" }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::super::publish::APIS;
    use super::*;

    fn texts(refusals: Refusals) -> Vec<String> {
        refusals.finish().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_the_same_of_many_namespaces_is_told_once_and_names_some() {
        let mut refusals = Refusals::new(APIS[0]);
        for number in 0..1000 {
            refusals.add("create", Reason::Right, &format!("shop-{number}"));
        }
        refusals.add("delete", Reason::Right, "other");
        let named = r#"in namespaces "shop-0", "shop-1", "shop-2", "shop-3", "shop-4" and 995 more namespaces"#;
        let expected = [
            format!(
                "may not create reports of openreports.io {named}: give the right to create reports (group openreports.io)"
            ),
            "may not delete reports of openreports.io in namespace \"other\": give the right to delete reports (group \
             openreports.io)"
                .to_owned(),
        ];
        assert_eq!(texts(refusals), expected);
    }

    #[test]
    fn reasons_are_told_up_to_a_bound_and_counted_beyond() {
        let mut refusals = Refusals::new(APIS[1]);
        for number in 0..REASONS + 3 {
            refusals.add("patch", Reason::Other(format!("why {number}")), "shop");
        }
        let texts = texts(refusals);
        assert_eq!(texts.len(), REASONS + 1);
        assert_eq!(
            texts.last().unwrap(),
            "policyreports of wgpolicyk8s.io could not be published in 3 more namespaces for other reasons"
        );
    }

    #[test]
    fn words_of_others_are_cut_and_act_on_no_terminal() {
        let mut refusals = Refusals::new(APIS[0]);
        let said = format!("no\u{1b}[2J\n\"error\u{202e}: {}", "x".repeat(1 << 16));
        refusals.add("create", Reason::Denied(Said(said)), "shop");
        let text = texts(refusals).remove(0);
        assert!(text.contains("refuses: \"no\\u{1b}[2J\\u{a}\\\"error\\u{202e}: xxx"), "{text}");
        assert!(text.ends_with("x…\"") && text.len() < 500, "{text}");
    }
}
