//! Where in an object a pod template stands, as a `PodTemplates` row writes it.

use std::fmt;

/// The way from the root of an object to its pod templates: `spec.workerGroupSpecs[*].template`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplatePath {
    /// From the root, at least one.
    pub steps: Vec<Step>,
}

/// One step of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the member of this name.
    Member(Box<str>),
    /// Into every item of a list.
    Each,
}

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: a path is members with dots between, and \"[*]\" after a member that is a list, such as \
     spec.workerGroupSpecs[*].template"
)]
pub struct TemplatePathError(String);

impl TemplatePath {
    /// Reads a path. A leading dot is not part of it.
    pub fn parse(text: &str) -> Result<TemplatePath, TemplatePathError> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let member = part.split('[').next().unwrap_or_default();
            if member.is_empty() {
                return Err(TemplatePathError("a member has no name".to_owned()));
            }
            if let Some(odd) = member.chars().find(|character| !is_member_character(*character)) {
                return Err(TemplatePathError(format!("{odd:?} is not part of a member's name")));
            }
            steps.push(Step::Member(member.into()));
            let mut rest = &part[member.len()..];
            while !rest.is_empty() {
                rest = rest.strip_prefix("[*]").ok_or_else(|| {
                    TemplatePathError(format!("after \"{member}\" stands something other than \"[*]\""))
                })?;
                steps.push(Step::Each);
            }
        }
        Ok(TemplatePath { steps })
    }
}

impl fmt::Display for TemplatePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Member(name) if index == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

/// As in Go's and JSON's usual field names.
fn is_member_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_and_lists() {
        let path = TemplatePath::parse("spec.workerGroupSpecs[*].template").unwrap();
        assert_eq!(
            path.steps,
            [
                Step::Member("spec".into()),
                Step::Member("workerGroupSpecs".into()),
                Step::Each,
                Step::Member("template".into())
            ]
        );
        assert_eq!(path.to_string(), "spec.workerGroupSpecs[*].template");
    }

    #[test]
    fn refuses_what_is_no_path() {
        for path in
            ["", ".spec", "spec.", "spec..template", "spec[0]", "spec[*", "spec[*]x", "[*]", "spec.a b", "/spec"]
        {
            assert!(TemplatePath::parse(path).is_err(), "{path}");
        }
    }
}
