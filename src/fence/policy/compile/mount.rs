//! The `mount` block.

use crate::fence::validation;
use std::collections::{BTreeMap, BTreeSet};

use super::faults::Faults;
use crate::fence::policy::error::{Problem, escape};
use crate::fence::policy::file::{self, UnsafeReferences};
use crate::fence::policy::glob::{Glob, GlobProblem, Globs};
use crate::fence::policy::{Mount, Variable};

/// The ServiceAccount's token is mounted below; whoever mounts over it takes it away.
const RESERVED: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// What a pattern of variables may hold.
const PLACEHOLDERS: [&str; 3] = ["{name}", "{secret}", "{key}"];

/// Without a block: the defaults. `None` only beside a mistake.
pub(super) fn compile(written: Option<&file::Mount>, at: &str, faults: &mut Faults<'_>) -> Option<Mount> {
    let default = Mount::default();
    let Some(written) = written else { return Some(default) };
    if let Some(Err(why)) = written.path.as_deref().map(check_path) {
        let found = written.path.clone().unwrap_or_default();
        faults.value(format!("{at}/path"), Problem::MountPath { found, why });
    }
    let variable = match written.variable.as_deref() {
        None | Some("auto") => Variable::Auto,
        Some("") => Variable::None,
        Some(pattern) => {
            if let Err(why) = check_pattern(pattern, &PLACEHOLDERS) {
                let found = pattern.to_owned();
                faults.value(format!("{at}/variable"), Problem::VariablePattern { found, why });
            }
            Variable::Pattern(pattern.to_owned())
        }
    };
    Some(Mount {
        path: written.path.clone().unwrap_or(default.path),
        variable,
        file_mode: written.file_mode.unwrap_or(default.file_mode),
        beside_env_from: written.beside_env_from.unwrap_or(default.beside_env_from),
        keys: written.keys.as_ref().map(|keys| compile_keys(keys, &format!("{at}/keys"), faults)).unwrap_or_default(),
        unsafe_is_denied: written.unsafe_references != Some(UnsafeReferences::Warn),
    })
}

/// The form of a reader: only the variable's own name can be part of it.
pub(super) fn check_form(form: &str) -> Result<(), &'static str> {
    if !form.contains("{name}") {
        return Err("the form must hold {name}, such as {name}_FILE");
    }
    check_pattern(form, &PLACEHOLDERS[..1])
}

/// The most specific glob comes first: a mapping has no order of its own.
fn compile_keys(
    written: &BTreeMap<String, Vec<String>>,
    at: &str,
    faults: &mut Faults<'_>,
) -> Vec<(Globs, Vec<String>)> {
    if written.is_empty() {
        faults.value(at, Problem::Empty("name a Secret and its keys, or leave the field out"));
    }
    let mut compiled = Vec::new();
    for (pattern, keys) in written {
        let at = format!("{at}/{}", escape(pattern));
        check_keys(keys, &at, faults);
        let parsed = if pattern.starts_with('!') { Err(GlobProblem::Excludes) } else { Glob::parse(pattern) };
        match (parsed, Globs::parse(&[pattern])) {
            (Ok(glob), Ok(globs)) => compiled.push((glob, globs, keys.clone())),
            (Err(problem), _) => faults.key(at, problem),
            (_, Err(error)) => faults.key(at, error.problem),
        }
    }
    compiled.sort_by_key(|(glob, ..)| std::cmp::Reverse((glob.literal().is_some(), glob.specificity())));
    compiled.into_iter().map(|(_, globs, keys)| (globs, keys)).collect()
}

fn check_keys(keys: &[String], at: &str, faults: &mut Faults<'_>) {
    if keys.is_empty() {
        faults.value(at, Problem::Empty("list all keys of the Secret: one left out is lost to the program"));
    }
    let mut seen = BTreeSet::new();
    for (index, key) in keys.iter().enumerate() {
        let at = format!("{at}/{index}");
        if !validation::is_secret_key(key) {
            faults.wrong(at, key, validation::SECRET_KEY);
        } else if !seen.insert(key) {
            faults.value(at, Problem::Duplicate { what: "key", name: key.clone(), within: "in a list" });
        }
    }
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let Some(below_root) = path.strip_prefix('/') else { return Err("which is not absolute") };
    if below_root.is_empty() {
        return Err("which is the root of the container");
    }
    if below_root.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("which is not clean: it holds \"//\", \".\", \"..\" or a \"/\" at its end");
    }
    if path.contains(|character: char| character.is_control() || matches!(character, ':' | '$' | '\\')) {
        return Err("which holds a character that Kubernetes does not take literally in a path or a variable");
    }
    if path.len() > 1024 {
        return Err("which is longer than 1024 bytes");
    }
    // `/var/run` is a link to `/run` in most images.
    let mut forms = vec![path.to_owned()];
    if path == "/var/run" || path.starts_with("/var/run/") {
        forms.push(path["/var".len()..].to_owned());
    }
    let meets = |form: &String| {
        RESERVED.iter().any(|reserved| is_at_or_below(form, reserved) || is_at_or_below(reserved, form))
    };
    if forms.iter().any(meets) {
        return Err(
            "which is at, above or below /run/secrets or /var/run/secrets, where the ServiceAccount's token is",
        );
    }
    Ok(())
}

fn is_at_or_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is written between the placeholders is legal in a name on every supported cluster: Kubernetes took more only
/// from 1.34 on.
fn check_pattern(pattern: &str, placeholders: &[&str]) -> Result<(), &'static str> {
    if pattern == "{name}" {
        return Err("the variable would hold the path in place of the Secret: call it otherwise, such as {name}_FILE");
    }
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        if let Some(placeholder) = placeholders.iter().find(|placeholder| rest.starts_with(**placeholder)) {
            rest = &rest[placeholder.len()..];
            continue;
        }
        match character {
            '{' | '}' if placeholders.len() == 1 => return Err("the only placeholder here is {name}"),
            '{' | '}' => return Err("the placeholders are {name}, {secret} and {key}"),
            '0'..='9' if rest.len() == pattern.len() => return Err("a variable's name does not begin with a digit"),
            '0'..='9' | 'a'..='z' | 'A'..='Z' | '_' | '-' | '.' => rest = &rest[1..],
            _ => return Err("a variable's name holds letters, digits, \"_\", \"-\" and \".\" only"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute_and_clean() {
        for path in ["/run/secretfence", "/etc/secrets", "/run/secrets-of-mine", "/var/run/secretfence", "/a"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in ["", "run", "./a", "/a/", "/a//b", "/a/./b", "/a/../b", "/", "/a:b", "/a/$(B)", "/a\n"] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_path_is_not_at_above_or_below_the_service_account_token() {
        for path in [
            "/run",
            "/run/secrets",
            "/run/secrets/mine",
            "/var",
            "/var/run",
            "/var/run/secrets",
            "/var/run/secrets/kubernetes.io/serviceaccount",
        ] {
            assert!(check_path(path).unwrap_err().contains("at, above or below"), "{path}");
        }
    }

    #[test]
    fn a_pattern_knows_three_placeholders_and_makes_a_legal_name() {
        for pattern in ["{name}_FILE", "FILE__{name}", "{secret}_{key}", "SECRETS_AT", "_1"] {
            assert_eq!(check_pattern(pattern, &PLACEHOLDERS), Ok(()), "{pattern}");
        }
        for pattern in ["{name}", "{nam}_FILE", "{name", "name}", "1{name}", "A=B", "a b", "é", "$(A)"] {
            assert!(check_pattern(pattern, &PLACEHOLDERS).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_readers_form_holds_the_name_and_nothing_else() {
        assert_eq!(check_form("{name}__FILE"), Ok(()));
        for form in ["PASSWORD_FILE", "{name}_{key}", "{name}"] {
            assert!(check_form(form).is_err(), "{form}");
        }
    }
}
