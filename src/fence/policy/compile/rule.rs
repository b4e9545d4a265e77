//! One rule.

use super::faults::Faults;
use super::mount;
use crate::fence::kind::{Kind, KindSet};
use crate::fence::policy::error::Problem;
use crate::fence::policy::file::{self, Selected};
use crate::fence::policy::{Action, Exception, Paths, Rule, Where};
use crate::fence::rules::node_path::NODE_SECRETS_NAME;
use crate::fence::rules::store_path::PathGlobs;
use crate::fence::validation;

/// `None` only beside a mistake.
pub(super) fn compile(written: &file::Rule, at: &str, faults: &mut Faults<'_>) -> Option<Rule> {
    if !validation::is_rule_name(&written.name) {
        faults.wrong(format!("{at}/name"), &written.name, validation::RULE_NAME);
    }
    let on = compile_on(written, at, faults);
    let selects = compile_where(written.selects.as_ref(), &format!("{at}/where"), faults);
    let message = faults.sentence(written.message.as_ref(), &format!("{at}/message"));
    let exception = compile_exception(written, at, faults);
    let mount = mount::compile(written.mount.as_ref(), &format!("{at}/mount"), faults);
    if written.mount.is_some() && written.action != file::Action::Mount {
        faults.key(format!("{at}/mount"), Problem::MountWithoutAction(name(written.action)));
    }
    let action = match written.action {
        file::Action::Allow => Action::Allow(exception),
        file::Action::Warn => Action::Warn,
        file::Action::Mount => Action::Mount(mount?),
        file::Action::Deny => Action::Deny,
    };
    if written.missing.is_some() && !on.contains(Kind::Copied) {
        faults.key(format!("{at}/missing"), Problem::MissingOfNothing);
    }
    let missing = written.missing.unwrap_or_default();
    Some(Rule { name: written.name.clone(), on, selects, action, missing, message })
}

fn compile_on(written: &file::Rule, at: &str, faults: &mut Faults<'_>) -> KindSet {
    if written.on.is_empty() {
        faults.value(
            format!("{at}/on"),
            Problem::Empty("name a kind of reference, or a group: env, clear, file, crossNamespace, any"),
        );
    }
    let mut kinds = KindSet::NONE;
    for (index, selected) in written.on.iter().enumerate() {
        kinds = kinds.union(selected.kinds());
        if let (Selected::Kind(kind), file::Action::Mount) = (selected, written.action)
            && !kind.has_swap()
        {
            faults.value(format!("{at}/on/{index}"), Problem::NoSwap(kind.name()));
        }
    }
    kinds
}

fn compile_where(written: Option<&file::Where>, at: &str, faults: &mut Faults<'_>) -> Where {
    let Some(written) = written else { return Where::default() };
    Where {
        namespaces: faults.globs(written.namespaces.as_ref(), &format!("{at}/namespaces")),
        containers: faults.globs(written.containers.as_ref(), &format!("{at}/containers")),
        images: faults.image_globs(written.images.as_ref(), &format!("{at}/images")),
        secrets: faults.globs(written.secrets.as_ref(), &format!("{at}/secrets")),
        keys: faults.globs(written.keys.as_ref(), &format!("{at}/keys")),
        variables: faults.globs(written.variables.as_ref(), &format!("{at}/variables")),
        reads_files: written.reads_files,
        paths: compile_paths(written.paths.as_ref(), &format!("{at}/paths"), faults),
        reach: faults.globs(written.reach.as_ref(), &format!("{at}/reach")),
        from: faults.globs(written.from.as_ref(), &format!("{at}/from")),
    }
}

fn compile_paths(written: Option<&Vec<String>>, at: &str, faults: &mut Faults<'_>) -> Option<Paths> {
    let written = faults.not_empty(written, at)?;
    for (index, path) in written.iter().enumerate() {
        if path.trim_start_matches('!').starts_with('@') && path != NODE_SECRETS_NAME {
            faults.value(format!("{at}/{index}"), Problem::UnknownPaths(path.clone()));
        }
    }
    let node_secrets = written.iter().any(|path| path == NODE_SECRETS_NAME);
    let globs: Vec<String> = written.iter().filter(|path| *path != NODE_SECRETS_NAME).cloned().collect();
    if globs.is_empty() {
        return Some(Paths { node_secrets, globs: None });
    }
    match PathGlobs::compile(&globs) {
        Ok(globs) => Some(Paths { node_secrets, globs: Some(globs) }),
        Err(error) => {
            // Among those that are written, `@node-secrets` too.
            let others = written.iter().enumerate().filter(|(_, path)| *path != NODE_SECRETS_NAME);
            let index = others.map(|(index, _)| index).nth(error.index).unwrap_or_default();
            faults.value(format!("{at}/{index}"), error.problem);
            None
        }
    }
}

/// An exception without its end would never be looked at again; one without its reason could not be judged then.
fn compile_exception(written: &file::Rule, at: &str, faults: &mut Faults<'_>) -> Option<Exception> {
    let reason = faults.sentence(written.reason.as_ref(), &format!("{at}/reason"));
    let (reason_at, expires_at) = (format!("{at}/reason"), format!("{at}/expires"));
    if written.action != file::Action::Allow {
        for (given, at) in [(reason.is_some(), reason_at), (written.expires.is_some(), expires_at)] {
            if given {
                faults.key(at, Problem::ExceptionOfNothing(name(written.action)));
            }
        }
        return None;
    }
    match (reason, written.expires) {
        (Some(reason), Some(expires)) => return Some(Exception { reason, expires: expires.0 }),
        (Some(_), None) => faults.key(reason_at, Problem::ExceptionWithoutEnd),
        (None, Some(_)) => faults.key(expires_at, Problem::ExceptionWithoutReason),
        (None, None) => {}
    }
    None
}

fn name(action: file::Action) -> &'static str {
    match action {
        file::Action::Allow => "allow",
        file::Action::Warn => "warn",
        file::Action::Mount => "mount",
        file::Action::Deny => "deny",
    }
}
