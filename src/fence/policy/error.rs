//! What can be wrong with a policy file: where, what was found, what was expected, and the next step.

use std::fmt;

use crate::fence::name::Shown;

use super::file::API_VERSION;
use super::glob::GlobProblem;
use super::template_path::TemplatePathError;
use crate::fence::rules::copies::MarkError;
use crate::fence::rules::store_path::PathGlobProblem;

/// One mistake in one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The document, as the caller numbered it.
    pub source: usize,
    /// JSON pointer within the document; empty for the document as a whole.
    pub pointer: String,
    /// Whether the key or the value at the pointer is meant.
    pub part: Part,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Field(&self.pointer), self.problem)
    }
}

impl std::error::Error for PolicyError {}

/// What at a pointer is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key of a mapping.
    Key,
    /// The value.
    Value,
}

/// What is wrong with a place in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key that is no field.
    #[error("unknown field{}; known here: {}", DidYouMean(near), known.join(", "))]
    UnknownField {
        /// The field that was probably meant.
        near: Option<String>,
        /// Every field that may stand here.
        known: Vec<String>,
    },
    /// A string that is none of a list.
    #[error("\"{}\" is not known here{}; expected one of {}", Shown(found), DidYouMean(near), expected.join(", "))]
    UnknownValue {
        /// What stands there.
        found: String,
        /// What was probably meant.
        near: Option<String>,
        /// Every value that may stand here.
        expected: Vec<String>,
    },
    /// A required field that is not there.
    #[error("the field \"{0}\" is missing")]
    MissingField(String),
    /// A value of another type.
    #[error("found {found}, expected {expected}{}", if *quote { ": put it in quotes" } else { "" })]
    WrongType {
        /// What stands there.
        found: String,
        /// What belongs there.
        expected: String,
        /// Whether quotes would do.
        quote: bool,
    },
    /// A string that cannot be read as what belongs there.
    #[error("found \"{}\", expected {expected}", Shown(found))]
    WrongValue {
        /// What stands there.
        found: String,
        /// What belongs there.
        expected: String,
    },
    /// A document of another API.
    #[error("found \"{}\", expected {API_VERSION}: a policy directory holds nothing else", Shown(.0))]
    ApiVersion(String),
    /// A list or a text without anything in it.
    #[error("is empty: {0}")]
    Empty(&'static str),
    /// A name that is taken.
    #[error("the {what} \"{}\" is taken: every {what} {within} is unique", Shown(name))]
    Duplicate {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
        /// Where it must be unique.
        within: &'static str,
    },
    /// A glob that does not compile.
    #[error("{0}")]
    Glob(#[from] GlobProblem),
    /// A glob on paths that does not compile.
    #[error("{0}")]
    PathGlob(#[from] PathGlobProblem),
    /// A mark of copies that does not compile.
    #[error("{0}")]
    CopyMark(#[from] MarkError),
    /// A mark that stands in two places, or in none.
    #[error("a mark is an annotation or a label: name one of the two")]
    OneMark,
    /// A path to a pod template that cannot be read.
    #[error("{0}")]
    TemplatePath(#[from] TemplatePathError),
    /// `mount` on a kind that cannot become a file.
    #[error("\"{0}\" has no swap, so it cannot be mounted: name secretKeyRef or envFrom, the group env, or use deny")]
    NoSwap(&'static str),
    /// A `mount` block beside another action.
    #[error(
        "the block \"mount\" says how a reference becomes a file, but the action is {0}: use action: mount, or leave it out"
    )]
    MountWithoutAction(&'static str),
    /// A date without a reason.
    #[error("an exception needs its reason: add reason: \"…\" beside expires")]
    ExceptionWithoutReason,
    /// A reason without a date.
    #[error("an exception needs its last day: add expires: 2027-03-31, or write why as a comment")]
    ExceptionWithoutEnd,
    /// A reason or a date on a rule that allows nothing.
    #[error("only an allow rule can be an exception, but the action is {0}: leave it out")]
    ExceptionOfNothing(&'static str),
    /// `missing` on a rule that is not about copies.
    #[error(
        "\"missing\" says what becomes of a Secret that nobody knows, which only a rule on copied asks: leave it out"
    )]
    MissingOfNothing,
    /// An `@` in `where.paths` that is no table's name: as a path it would match nothing.
    #[error("found \"{}\", but the only table of paths is \"@node-secrets\": write that, or a path", Shown(.0))]
    UnknownPaths(String),
    /// `mount.path` cannot be used.
    #[error("found \"{}\", {why}; expected a path such as /run/secretfence", Shown(found))]
    MountPath {
        /// The path.
        found: String,
        /// Why not.
        why: &'static str,
    },
    /// A pattern of variables cannot be used.
    #[error("found \"{}\": {why}", Shown(found))]
    VariablePattern {
        /// The pattern.
        found: String,
        /// Why not.
        why: &'static str,
    },
    /// Values where the operator takes none.
    #[error("the operator {0} takes no values: leave them out")]
    ValuesNotWanted(&'static str),
    /// No values where the operator needs some.
    #[error("the operator {0} needs at least one value: add values")]
    ValuesMissing(&'static str),
    /// A second table of pod templates.
    #[error("there is another PodTemplates document: a policy set has at most one, so put the rows together")]
    SecondPodTemplates,
    /// Anything else serde may say.
    #[error("{0}")]
    Other(String),
}

impl Problem {
    /// Whether the document does not have the shape of its kind: then nothing else of it was looked at.
    pub fn is_of_shape(&self) -> bool {
        matches!(
            self,
            Problem::UnknownField { .. }
                | Problem::UnknownValue { .. }
                | Problem::MissingField(_)
                | Problem::WrongType { .. }
                | Problem::Other(_)
        )
    }
}

/// A JSON pointer as a person writes a field: `spec.rules[0].action`.
pub struct Field<'a>(
    /// The pointer.
    pub &'a str,
);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("document");
        }
        for (index, step) in self.0.split('/').skip(1).enumerate() {
            let step = step.replace("~1", "/").replace("~0", "~");
            if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
                write!(f, "[{step}]")?;
            } else if step.contains(['.', '/', '*', '"', ' ']) || step.is_empty() {
                write!(f, "[\"{}\"]", Shown(&step))?;
            } else {
                write!(f, "{}{}", if index == 0 { "" } else { "." }, Shown(&step))?;
            }
        }
        Ok(())
    }
}

/// A step of a JSON pointer (RFC 6901).
pub(in crate::fence) fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// Which of the names was probably meant.
pub(crate) fn near_miss<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let found = found.to_ascii_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&found, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
}

struct DidYouMean<'a>(&'a Option<String>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(near) => write!(f, " (did you mean \"{near}\"?)"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_reads_like_the_file() {
        assert_eq!(Field("").to_string(), "document");
        assert_eq!(Field("/spec/rules/0/on/1").to_string(), "spec.rules[0].on[1]");
        assert_eq!(
            Field("/spec/match/objectSelector/matchLabels/a~1b.c").to_string(),
            "spec.match.objectSelector.matchLabels[\"a/b.c\"]"
        );
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(near_miss("actoin", ["action", "name"]).as_deref(), Some("action"));
        assert_eq!(near_miss("secretkeyref", ["secretKeyRef"]).as_deref(), Some("secretKeyRef"));
        assert_eq!(near_miss("colour", ["action", "name"]), None);
    }
}
