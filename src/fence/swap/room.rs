//! One container: which of its candidates can go, and which cannot.

use std::borrow::Cow;
use std::collections::HashMap;

use smallvec::SmallVec;

use super::plan::{OwnMount, OwnVolumes, file_path};
use super::safety::{Entries, Mentions, Tally, clean_path, overlaps};
use super::volume::{Contents, MODE_ALL, MODE_GROUP, SecretFile, is_name_of_ours};
use super::{Candidate, Unsafe};
use crate::fence::kind::Kind;
use crate::fence::pod::{Container, EnvVarSource};
use crate::fence::policy::{BesideEnvFrom, FileMode};
use crate::fence::reference::{ContainerAt, ContainerList, Site};
use crate::fence::validation;

/// One container, with its candidates.
pub struct Room<'c, 't, 'p> {
    candidates: &'c [Candidate<'t, 'p>],
    /// Index of the first candidate among all.
    first: usize,
    container: &'c Container<'t>,
    /// By index.
    own_mounts: Vec<OwnMount<'c>>,
    beside_env_from: BesideEnvFrom,
}

impl<'c, 't, 'p> Room<'c, 't, 'p> {
    pub fn of(
        candidates: &'c [Candidate<'t, 'p>],
        first: usize,
        container: &'c Container<'t>,
        own: &OwnVolumes<'t>,
    ) -> Room<'c, 't, 'p> {
        let own_mounts = own.mounts(container);
        // Strictest of the rules in one container: an envFrom that one rule swaps beside another's reference would
        // make the second call see another container than the first.
        let lenient = candidates.iter().all(|candidate| candidate.mount.beside_env_from == BesideEnvFrom::Swap);
        let beside_env_from = if lenient { BesideEnvFrom::Swap } else { BesideEnvFrom::Unsafe };
        Room { candidates, first, container, own_mounts, beside_env_from }
    }

    pub fn whole_container(&self) -> Option<Unsafe> {
        if self.candidates.iter().any(|candidate| candidate.at.list == ContainerList::Ephemeral) {
            return Some(Unsafe::EphemeralContainer);
        }
        self.container.image().is_none().then_some(Unsafe::NoImage)
    }

    /// What holds whatever becomes of the other candidates.
    pub fn judge_each(&self, own: &OwnVolumes<'t>, service_links: bool, reasons: &mut Vec<Option<Unsafe>>) {
        let names = self.candidates.iter().map(|candidate| candidate.files.len()).sum();
        let entries = Entries::of(&self.container.env.items, names * 2);
        let roots: HashMap<&str, &Contents<'t>> = self.own_contents(own).collect();
        let mut mentions = Mentions::of(self.container, names, |text| is_own_file(text, &roots));
        let new_names = NewNames::of(self.candidates, names);
        let clash = self.blocked_target();
        for candidate in self.candidates {
            let reason = self
                .unreadable(candidate)
                .or_else(|| clash.iter().find(|(path, _)| *path == candidate.mount.path).map(|(_, why)| why.clone()))
                .or_else(|| service_variable(candidate, service_links))
                .or_else(|| self.new_variable(candidate, &entries, &new_names))
                .or_else(|| mentioned(candidate, self.container, &mut mentions))
                .or_else(|| self.covered_by_env(candidate, &entries));
            reasons.push(reason);
        }
    }

    /// What the reference itself says that cannot be a file.
    fn unreadable(&self, candidate: &Candidate<'_, '_>) -> Option<Unsafe> {
        if candidate.files.is_empty() {
            return Some(Unsafe::UnknownKeys);
        }
        if !validation::is_dns_subdomain(candidate.secret) {
            return Some(Unsafe::SecretName);
        }
        if let Some(file) = candidate.files.iter().find(|file| !validation::is_secret_key(&file.key)) {
            return Some(Unsafe::KeyName(file.key.clone().into_owned()));
        }
        let alone = match candidate.site {
            Site::Env(_, index) => {
                let entry = self.container.env.items.get(index)?;
                if !entry.value.as_str().is_empty() {
                    return Some(Unsafe::ValueBeside);
                }
                entry.value_from.as_ref().is_some_and(EnvVarSource::is_secret_alone)
            }
            Site::EnvFrom(_, index) => self.container.env_from.items.get(index)?.is_secret_alone(),
            _ => true,
        };
        (!alone).then_some(Unsafe::SourceBeside)
    }

    /// The targets of this container that something is mounted at, above or below, ours apart; and those of several
    /// rules that lie in one another.
    fn blocked_target(&self) -> Vec<(&'p str, Unsafe)> {
        let targets = self.paths_of_candidates();
        let mounts = self.container.volume_mounts.items.iter().enumerate();
        let devices = self.container.volume_devices.items.iter();
        type Present<'m> = (Option<usize>, &'m str, Cow<'m, str>);
        let present: SmallVec<[Present<'_>; 4]> = mounts
            .map(|(index, mount)| (Some(index), mount.mount_path.as_str()))
            .chain(devices.map(|device| (None, device.device_path.as_str())))
            // The kubelet mounts a file there.
            .chain(
                [(None, self.container.termination_message_path.as_str())]
                    .into_iter()
                    .filter(|(_, path)| !path.is_empty()),
            )
            .map(|(index, path)| (index, path, clean_path(path)))
            .collect();
        let mut blocked = Vec::new();
        for target in &targets {
            let clean = clean_path(target);
            // The same words, not the same place: what is told to the program begins with them.
            let ours = |index: Option<usize>, written: &str| {
                written == *target
                    && index
                        .is_some_and(|index| self.own_mounts.binary_search_by_key(&index, |(own, _, _)| *own).is_ok())
            };
            let in_the_way = present
                .iter()
                .find(|(index, written, path)| overlaps(path, &clean) && !ours(*index, written))
                .map(|(_, written, _)| *written)
                .or_else(|| {
                    targets.iter().copied().find(|other| other != target && overlaps(&clean_path(other), &clean))
                });
            if let Some(path) = in_the_way {
                let candidate_path = *target;
                let target = (*target).to_owned();
                let reason = match self.renamed(path).filter(|_| path == target) {
                    Some(volume) => Unsafe::Renamed { target, volume: volume.to_owned() },
                    None => Unsafe::Mounted { target, path: path.to_owned() },
                };
                blocked.push((candidate_path, reason));
            }
        }
        blocked
    }

    /// The volume that is mounted at the path as ours are, and named so, and is not recognised.
    fn renamed(&self, path: &str) -> Option<&'c str> {
        let mut mounts = self.container.volume_mounts.items.iter();
        let mount = mounts.find(|mount| mount.mount_path.as_str() == path)?;
        let whole = mount.sub_path.as_str().is_empty() && mount.sub_path_expr.as_str().is_empty();
        (whole && mount.read_only == Some(true) && is_name_of_ours(mount.name.as_str())).then(|| mount.name.as_str())
    }

    /// The roots of what it would swap.
    fn paths_of_candidates(&self) -> SmallVec<[&'p str; 1]> {
        let mut paths: SmallVec<[&'p str; 1]> = SmallVec::new();
        for candidate in self.candidates {
            if !paths.contains(&candidate.mount.path.as_str()) {
                paths.push(&candidate.mount.path);
            }
        }
        paths
    }

    fn new_variable(
        &self,
        candidate: &Candidate<'_, '_>,
        entries: &Entries<'_, '_>,
        names: &NewNames<'_>,
    ) -> Option<Unsafe> {
        for file in &candidate.files {
            // The removed name would resolve to the file of another.
            if names.come.of(&file.variable).is_some() {
                return Some(Unsafe::VariableTaken(file.variable.clone().into_owned()));
            }
            // What the API server would refuse must not become a name that it accepts.
            if file.variable.is_empty() {
                return Some(Unsafe::VariableName(String::new()));
            }
            let Some(new) = &file.names else { continue };
            if names.go.of(new).is_some() {
                return Some(Unsafe::VariableSet(new.clone()));
            }
            let grown = candidate.kind == Kind::SecretKeyRef && new.contains(&*file.variable);
            if !grown && !validation::is_variable_name(new) {
                return Some(Unsafe::VariableName(new.clone()));
            }
            if names.come.of(new).is_some_and(|coming| coming.differ) {
                return Some(Unsafe::VariableTaken(new.clone()));
            }
            let value = file_path(&candidate.mount.path, candidate.secret, &file.key);
            if entries.named(new).is_some_and(|named| !named.all_are(&value)) {
                return Some(Unsafe::VariableSet(new.clone()));
            }
        }
        None
    }

    fn covered_by_env(&self, candidate: &Candidate<'_, '_>, entries: &Entries<'_, '_>) -> Option<Unsafe> {
        if candidate.kind != Kind::EnvFrom || self.beside_env_from == BesideEnvFrom::Swap {
            return None;
        }
        let covered = candidate.files.iter().find(|file| entries.named(&file.variable).is_some());
        covered.map(|file| Unsafe::NamedInEnv(file.variable.clone().into_owned()))
    }

    /// What depends on whether the others of the container go, too: until nothing changes.
    pub fn judge_together(&self, reasons: &mut [Option<Unsafe>]) {
        let all_env_from = self.container.env_from.items.len();
        let files = self.candidates.iter().map(|candidate| candidate.files.len()).sum();
        let mut env_from_names: Tally<'_, bool> = Tally::for_names(files);
        for candidate in self.candidates.iter().filter(|candidate| candidate.kind == Kind::EnvFrom) {
            candidate.files.iter().for_each(|file| *env_from_names.entry(&file.variable) = true);
        }
        let entries = Entries::of(&self.container.env.items, self.candidates.len());
        loop {
            let mut changed = false;
            let goes = |reasons: &[Option<Unsafe>], index: usize| reasons[self.first + index].is_none();
            let env_from_going = (self.candidates.iter().enumerate())
                .filter(|(index, candidate)| candidate.kind == Kind::EnvFrom && goes(reasons, *index))
                .count();
            let mut going: Tally<'_, usize> = Tally::for_names(self.candidates.len());
            for (index, candidate) in self.candidates.iter().enumerate() {
                if candidate.kind == Kind::SecretKeyRef && goes(reasons, index) {
                    *going.entry(&candidate.files[0].variable) += 1;
                }
            }
            for (index, candidate) in self.candidates.iter().enumerate() {
                if !goes(reasons, index) {
                    continue;
                }
                let is_env_from = candidate.kind == Kind::EnvFrom;
                let all_others_go = env_from_going == all_env_from;
                let named = |file: &super::File<'_>| env_from_names.of(&file.variable).is_some();
                let reason = if self.beside_env_from == BesideEnvFrom::Unsafe
                    && (!all_others_go || (!is_env_from && candidate.files.iter().any(named)))
                {
                    Some(Unsafe::BesideEnvFrom)
                } else if !is_env_from {
                    let variable = &candidate.files[0].variable;
                    let all = entries.named(variable).map_or(0, |named| named.count);
                    let stays = all > going.of(variable).copied().unwrap_or(0);
                    stays.then(|| Unsafe::SameName(variable.clone().into_owned()))
                } else {
                    None
                };
                if reason.is_some() {
                    reasons[self.first + index] = reason;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// What it has from us already, by root.
    fn own_contents<'s, 'o>(&'s self, own: &'o OwnVolumes<'t>) -> impl Iterator<Item = (&'s str, &'o Contents<'t>)> {
        let contents = |volume: &str| own.by_name.get(volume).map(|(_, contents, _)| contents);
        self.own_mounts.iter().filter_map(move |(_, path, volume)| Some((*path, contents(volume)?)))
    }

    /// How many files it may come to have.
    pub fn files(&self, own: &OwnVolumes<'t>) -> usize {
        let roots = self.paths_of_candidates();
        let present = self.own_contents(own).filter(|(root, _)| roots.contains(root));
        present.map(|(_, contents)| contents.files().len()).sum::<usize>()
            + self.candidates.iter().map(|candidate| candidate.files.len()).sum::<usize>()
    }

    /// Where the container is.
    pub fn at(&self) -> Option<ContainerAt> {
        self.candidates.first().map(|candidate| candidate.at)
    }

    /// Indices of its candidates that go, among all.
    pub fn going<'s>(&'s self, reasons: &'s [Option<Unsafe>]) -> impl Iterator<Item = usize> {
        (self.first..self.first + self.candidates.len()).filter(|index| reasons[*index].is_none())
    }

    /// The roots of what it swaps.
    pub fn paths(&self, reasons: &[Option<Unsafe>]) -> SmallVec<[&'p str; 1]> {
        let mut paths = SmallVec::new();
        for candidate in self.swapped(reasons) {
            let path: &'p str = &candidate.mount.path;
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    /// What the container shall find at the path: what it has there from us, and what is new. A mode that is there and
    /// that `auto` would not have given is one that a rule gave, and nothing wider comes after it.
    pub fn contents(
        &self,
        path: &str,
        reasons: &[Option<Unsafe>],
        own: &OwnVolumes<'t>,
        by_group: bool,
    ) -> (Contents<'t>, Option<u16>, Option<usize>) {
        let mut files = Vec::new();
        let mut modes: SmallVec<[u16; 2]> = SmallVec::new();
        let present = self.own_mounts.iter().find(|(_, its, _)| *its == path);
        if let Some((_, contents, mode)) = present.and_then(|(_, _, volume)| own.by_name.get(*volume)) {
            files.extend(contents.files().iter().cloned());
            if *mode != MODE_ALL && (*mode != MODE_GROUP || !by_group) {
                modes.push(*mode);
            }
        }
        for candidate in self.swapped(reasons).filter(|candidate| candidate.mount.path == path) {
            if let FileMode::Octal(mode) = candidate.mount.file_mode {
                modes.push(mode);
            }
            files.extend(candidate.files.iter().map(|file| SecretFile {
                secret: Cow::Borrowed(candidate.secret),
                key: file.key.clone(),
                optional: candidate.optional,
            }));
        }
        // Several rules with several modes: only what all of them grant.
        let explicit = modes.into_iter().reduce(|all, mode| all & mode);
        (Contents::of(files), explicit, present.map(|(index, _, _)| *index))
    }

    pub fn refuse(&self, reasons: &mut [Option<Unsafe>], reason: &Unsafe) {
        for own in reasons[self.first..self.first + self.candidates.len()].iter_mut().filter(|own| own.is_none()) {
            *own = Some(reason.clone());
        }
    }

    pub fn swapped<'s>(&'s self, reasons: &'s [Option<Unsafe>]) -> impl Iterator<Item = &'s Candidate<'t, 'p>> {
        (self.candidates.iter().enumerate())
            .filter(|(index, _)| reasons[self.first + index].is_none())
            .map(|(_, candidate)| candidate)
    }
}

/// The variables that go and come in one container, over all its candidates.
struct NewNames<'c> {
    go: Tally<'c, bool>,
    come: Tally<'c, Coming<'c>>,
}

#[derive(Default)]
struct Coming<'c> {
    /// What goes for it, once one does.
    goes: Option<&'c str>,
    /// Whether it would name the files of two variables. Two entries of one name stay two entries of one name: the later
    /// one goes on winning.
    differ: bool,
}

impl<'c> NewNames<'c> {
    fn of(candidates: &'c [Candidate<'_, '_>], names: usize) -> NewNames<'c> {
        let mut new = NewNames { go: Tally::for_names(names), come: Tally::for_names(names) };
        for candidate in candidates {
            for file in &candidate.files {
                *new.go.entry(&file.variable) = true;
                let Some(name) = &file.names else { continue };
                let coming = new.come.entry(name);
                let entry = candidate.kind == Kind::SecretKeyRef;
                coming.differ |= coming.goes.is_some_and(|goes| goes != file.variable || !entry);
                coming.goes = Some(&file.variable);
            }
        }
        new
    }
}

/// Whether the text is the path of a file of ours, as the swap writes it into a variable.
fn is_own_file(text: &str, roots: &HashMap<&str, &Contents<'_>>) -> bool {
    if roots.is_empty() {
        return false;
    }
    let Some((rest, key)) = text.rsplit_once('/') else { return false };
    let Some((root, secret)) = rest.rsplit_once('/') else { return false };
    roots.get(root).is_some_and(|contents| contents.holds(secret, key))
}

/// A name that the kubelet sets by itself (`getServiceEnvVarMap`, pkg/kubelet/envvars): for every Service of the namespace
/// unless the pod has no service links, and for the API server's own always. What goes would resolve to it, what comes
/// would cover it.
fn service_variable(candidate: &Candidate<'_, '_>, service_links: bool) -> Option<Unsafe> {
    let is_one = |name: &&str| {
        let name = *name;
        (service_links || name.starts_with("KUBERNETES_")) && is_service_variable(name)
    };
    let names = candidate.files.iter().flat_map(|file| [Some(&*file.variable), file.names.as_deref()]);
    names.flatten().find(is_one).map(|name| Unsafe::ServiceVariable(name.to_owned()))
}

/// `{SERVICE}_SERVICE_HOST`, `{SERVICE}_SERVICE_PORT`, also with `_{PORT NAME}`, `{SERVICE}_PORT`, also with
/// `_{number}_{protocol}` and then `_PROTO`, `_PORT` or `_ADDR`.
fn is_service_variable(name: &str) -> bool {
    // Nearly every name has neither; the rest need not be quick.
    if !name.ends_with("_SERVICE_HOST") && !name.as_bytes().windows(5).any(|word| word == b"_PORT") {
        return false;
    }
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.as_bytes().first().is_some_and(u8::is_ascii_uppercase) || !name.bytes().all(upper) {
        return false;
    }
    let of_a_service = |rest: &str| rest.find("_SERVICE_PORT_").is_some_and(|at| at > 0);
    let of_a_port = |at: usize| {
        let mut parts = name[at + "_PORT_".len()..].split('_');
        let number =
            parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        let protocol = parts.next().is_some_and(|part| matches!(part, "TCP" | "UDP" | "SCTP"));
        number && protocol && matches!(parts.next(), None | Some("PROTO" | "PORT" | "ADDR")) && parts.next().is_none()
    };
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| name.len() > end.len() && name.ends_with(end))
        || of_a_service(name)
        || name.match_indices("_PORT_").any(|(at, _)| at > 0 && of_a_port(at))
}

fn mentioned(candidate: &Candidate<'_, '_>, container: &Container<'_>, mentions: &mut Mentions<'_>) -> Option<Unsafe> {
    let from = match candidate.site {
        Site::Env(_, index) => Some(index),
        _ => None,
    };
    for file in &candidate.files {
        if let Some(place) = mentions.of_word(&file.variable) {
            let variable = file.variable.clone().into_owned();
            return Some(Unsafe::Mentioned { variable, place: place.of(container) });
        }
        let Some(new) = &file.names else { continue };
        if let Some(place) = mentions.of_expansion(new, from) {
            return Some(Unsafe::WouldResolve { variable: new.clone(), place: place.of(container) });
        }
    }
    None
}
