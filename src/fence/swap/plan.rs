//! From candidates to what the pod becomes.
//!
//! What makes a candidate unsafe is judged against all candidates, not against those that remain, wherever it can be:
//! so what is left alone in one call is left alone in the next, and swapping twice is swapping once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use super::safety::{Entries, Mentions, Tally, clean_path, overlaps};
use super::volume::{Contents, MODE_ALL, MODE_GROUP, NAME_PREFIX, SecretFile};
use super::{Candidate, Unsafe};
use crate::fence::kind::Kind;
use crate::fence::pod::{Container, Metadata, PodSpec};
use crate::fence::policy::{BesideEnvFrom, FileMode};
use crate::fence::reference::{ContainerAt, ContainerList, Site};

/// What a pod becomes.
#[derive(Debug, Default)]
pub struct Plan<'t> {
    /// The volumes that are added, by name.
    pub added: Vec<(String, u16, Contents<'t>)>,
    /// Indices of volumes of ours that no container mounts any more, ascending.
    pub removed: Vec<usize>,
    /// Mounts of ours, by container.
    pub mounts: Vec<(ContainerAt, MountChange)>,
    /// Indices into the candidates: those that are swapped.
    pub swapped: Vec<usize>,
}

/// What happens to the mount of one container.
#[derive(Debug)]
pub enum MountChange {
    /// A new one: volume and path.
    Add(String, String),
    /// The one at the index is pointed at another volume.
    Point(usize, String),
}

/// The pod, as the plan reads it.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'t> {
    /// Of the pod or the template.
    pub metadata: Option<&'t Metadata<'t>>,
    /// Its `spec`.
    pub spec: &'t PodSpec<'t>,
}

impl<'t> Plan<'t> {
    /// Decides each candidate. `reasons[i]` tells why the candidate cannot be swapped; `None` that it is.
    ///
    /// Candidates of one container stand together.
    pub fn of(pod: Pod<'t>, candidates: &[Candidate<'t, '_>]) -> (Plan<'t>, Vec<Option<Unsafe>>) {
        let mut reasons: Vec<Option<Unsafe>> = Vec::with_capacity(candidates.len());
        let whole_pod = unsafe_pod(pod);
        let own = OwnVolumes::of(pod.spec);
        let mut rooms = Vec::new();
        for group in candidates.chunk_by(|a, b| a.at == b.at) {
            let first = reasons.len();
            let container = group.first().and_then(|candidate| candidate.at.of(pod.spec));
            let Some(container) = container else { continue };
            let room = Room::of(group, first, container, &own);
            match whole_pod.clone().or_else(|| room.whole_container()) {
                Some(reason) => reasons.extend(group.iter().map(|_| Some(reason.clone()))),
                None => {
                    room.judge_each(&mut reasons);
                    room.judge_together(&mut reasons);
                    rooms.push(room);
                }
            }
        }
        let plan = loop {
            let layout = Layout::of(pod.spec, &rooms, &reasons, &own);
            let Some(taken) = layout.taken_volume(pod.spec, &own) else {
                break layout.into_plan(pod.spec, &rooms, &reasons, &own);
            };
            // Whoever wanted that volume cannot have it; what that leaves undone may undo more beside it.
            for &room in &taken.rooms {
                rooms[room].refuse(&mut reasons, &Unsafe::VolumeTaken(taken.name.clone()));
                rooms[room].judge_together(&mut reasons);
            }
        };
        (plan, reasons)
    }
}

fn unsafe_pod(pod: Pod<'_>) -> Option<Unsafe> {
    let annotations = pod.metadata.and_then(|metadata| metadata.annotations.as_ref());
    if annotations.is_some_and(|annotations| annotations.mirror) {
        return Some(Unsafe::MirrorPod);
    }
    pod.spec.may_run_on_windows().then_some(Unsafe::Windows)
}

/// Our volumes in the pod, recognised by content.
struct OwnVolumes<'t> {
    by_name: HashMap<&'t str, (usize, Contents<'t>, u16)>,
}

impl<'t> OwnVolumes<'t> {
    fn of(spec: &'t PodSpec<'t>) -> OwnVolumes<'t> {
        let mut by_name = HashMap::new();
        for (index, volume) in spec.volumes.items.iter().enumerate() {
            if let Some((contents, mode)) = Contents::recognise(volume) {
                by_name.insert(volume.name.as_str(), (index, contents, mode));
            }
        }
        OwnVolumes { by_name }
    }

    /// The mounts of ours in a container: index, clean path, volume name.
    fn mounts<'c>(&self, container: &'c Container<'_>) -> Vec<(usize, String, &'c str)> {
        if self.by_name.is_empty() {
            return Vec::new();
        }
        let mounts = container.volume_mounts.items.iter().enumerate();
        mounts
            .filter(|(_, mount)| self.by_name.contains_key(mount.name.as_str()))
            .filter(|(_, mount)| mount.sub_path.as_str().is_empty() && mount.sub_path_expr.as_str().is_empty())
            .filter(|(_, mount)| mount.read_only == Some(true))
            .map(|(index, mount)| (index, clean_path(mount.mount_path.as_str()), mount.name.as_str()))
            .collect()
    }
}

/// One container, with its candidates.
struct Room<'c, 't, 'p> {
    candidates: &'c [Candidate<'t, 'p>],
    /// Index of the first candidate among all.
    first: usize,
    container: &'c Container<'t>,
    own_mounts: Vec<(usize, String, &'c str)>,
    own_files: HashSet<String>,
    beside_env_from: BesideEnvFrom,
}

impl<'c, 't, 'p> Room<'c, 't, 'p> {
    fn of(
        candidates: &'c [Candidate<'t, 'p>],
        first: usize,
        container: &'c Container<'t>,
        own: &OwnVolumes<'t>,
    ) -> Room<'c, 't, 'p> {
        let own_mounts = own.mounts(container);
        let own_files = own_mounts
            .iter()
            .filter_map(|(_, path, volume)| Some((path, &own.by_name.get(*volume)?.1)))
            .flat_map(|(path, contents)| {
                contents.files().iter().map(move |file| format!("{path}/{}/{}", file.secret, file.key))
            })
            .collect();
        // Strictest of the rules in one container: an envFrom that one rule swaps beside another's reference would
        // make the second call see another container than the first.
        let lenient = candidates.iter().all(|candidate| candidate.mount.beside_env_from == BesideEnvFrom::Swap);
        let beside_env_from = if lenient { BesideEnvFrom::Swap } else { BesideEnvFrom::Unsafe };
        Room { candidates, first, container, own_mounts, own_files, beside_env_from }
    }

    fn whole_container(&self) -> Option<Unsafe> {
        if self.candidates.iter().any(|candidate| candidate.at.list == ContainerList::Ephemeral) {
            return Some(Unsafe::EphemeralContainer);
        }
        self.container.image().is_none().then_some(Unsafe::NoImage)
    }

    /// What holds whatever becomes of the other candidates.
    fn judge_each(&self, reasons: &mut Vec<Option<Unsafe>>) {
        let names = self.candidates.iter().map(|candidate| candidate.files.len()).sum();
        let entries = Entries::of(&self.container.env.items, names * 2);
        let mut mentions = Mentions::of(self.container, names, |text| self.own_files.contains(text));
        let new_names = NewNames::of(self.candidates, names);
        let clash = self.blocked_target();
        for candidate in self.candidates {
            let reason = self
                .unreadable(candidate)
                .or_else(|| clash.iter().find(|(path, _)| *path == candidate.mount.path).map(|(_, why)| why.clone()))
                .or_else(|| self.new_variable(candidate, &entries, &new_names))
                .or_else(|| mentioned(candidate, &mut mentions))
                .or_else(|| self.covered_by_env(candidate, &entries));
            reasons.push(reason);
        }
    }

    /// What the reference itself says that cannot be a file.
    fn unreadable(&self, candidate: &Candidate<'_, '_>) -> Option<Unsafe> {
        if candidate.files.is_empty() {
            return Some(Unsafe::UnknownKeys);
        }
        if !is_dns_subdomain(candidate.secret) {
            return Some(Unsafe::SecretName);
        }
        if let Some(file) = candidate.files.iter().find(|file| !is_secret_key(&file.key)) {
            return Some(Unsafe::KeyName(file.key.clone().into_owned()));
        }
        let Site::Env(_, index) = candidate.site else { return None };
        let entry = self.container.env.items.get(index)?;
        (!entry.value.as_str().is_empty()).then_some(Unsafe::ValueBeside)
    }

    /// The targets of this container that something is mounted at, above or below, ours apart; and those of several
    /// rules that lie in one another.
    fn blocked_target(&self) -> Vec<(&'p str, Unsafe)> {
        let mut targets: SmallVec<[&'p str; 1]> = SmallVec::new();
        for candidate in self.candidates {
            if !targets.contains(&candidate.mount.path.as_str()) {
                targets.push(&candidate.mount.path);
            }
        }
        let mounts = self.container.volume_mounts.items.iter().enumerate();
        let devices = self.container.volume_devices.items.iter();
        let present: Vec<(Option<usize>, &str, String)> = mounts
            .map(|(index, mount)| (Some(index), mount.mount_path.as_str()))
            .chain(devices.map(|device| (None, device.device_path.as_str())))
            .map(|(index, path)| (index, path, clean_path(path)))
            .collect();
        let mut blocked = Vec::new();
        for target in &targets {
            let clean = clean_path(target);
            let ours = |index: Option<usize>, path: &str| {
                path == clean && self.own_mounts.iter().any(|(own, _, _)| Some(*own) == index)
            };
            let in_the_way = present
                .iter()
                .find(|(index, _, path)| overlaps(path, &clean) && !ours(*index, path))
                .map(|(_, written, _)| *written)
                .or_else(|| {
                    targets.iter().copied().find(|other| other != target && overlaps(&clean_path(other), &clean))
                });
            if let Some(path) = in_the_way {
                blocked.push((*target, Unsafe::Mounted { target: (*target).to_owned(), path: path.to_owned() }));
            }
        }
        blocked
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
            let Some(new) = &file.names else { continue };
            if names.go.of(new).is_some() {
                return Some(Unsafe::VariableSet(new.clone()));
            }
            let grown = candidate.kind == Kind::SecretKeyRef && new.contains(&*file.variable);
            if !grown && !is_variable_name(new) {
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
    fn judge_together(&self, reasons: &mut [Option<Unsafe>]) {
        let from_secret = self.container.env_from.items.len();
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
                let all_others_go = env_from_going == from_secret;
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

    fn refuse(&self, reasons: &mut [Option<Unsafe>], reason: &Unsafe) {
        for own in reasons[self.first..self.first + self.candidates.len()].iter_mut().filter(|own| own.is_none()) {
            *own = Some(reason.clone());
        }
    }

    fn swapped<'s>(&'s self, reasons: &'s [Option<Unsafe>]) -> impl Iterator<Item = &'s Candidate<'t, 'p>> {
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

fn mentioned(candidate: &Candidate<'_, '_>, mentions: &mut Mentions<'_>) -> Option<Unsafe> {
    let from = match candidate.site {
        Site::Env(_, index) => Some(index),
        _ => None,
    };
    for file in &candidate.files {
        if let Some(place) = mentions.of_word(&file.variable) {
            let variable = file.variable.clone().into_owned();
            return Some(Unsafe::Mentioned { variable, place: place.to_string() });
        }
        let Some(new) = &file.names else { continue };
        if let Some(place) = mentions.of_expansion(new, from) {
            return Some(Unsafe::WouldResolve { variable: new.clone(), place: place.to_string() });
        }
    }
    None
}

/// One volume that the pod shall have.
struct Wanted<'t> {
    contents: Contents<'t>,
    /// `None` where the mode follows from who mounts it.
    explicit_mode: Option<u16>,
    /// Which containers mount it, and where.
    users: Vec<User>,
}

struct User {
    at: ContainerAt,
    path: String,
    /// The index of the mount of ours that is there already.
    mount: Option<usize>,
    /// The room, where the container has something new to swap.
    room: Option<usize>,
}

/// The volumes that the pod shall have, before they have names.
struct Layout<'t> {
    wanted: Vec<(String, u16, Wanted<'t>)>,
}

struct Taken {
    name: String,
    rooms: Vec<usize>,
}

impl<'t> Layout<'t> {
    fn of(
        spec: &'t PodSpec<'t>,
        rooms: &[Room<'_, 't, '_>],
        reasons: &[Option<Unsafe>],
        own: &OwnVolumes<'t>,
    ) -> Layout<'t> {
        let mut wanted: Vec<Wanted<'t>> = Vec::new();
        let mut known: HashMap<(Contents<'t>, Option<u16>), usize> = HashMap::new();
        for (index, room) in rooms.iter().enumerate() {
            let mut paths: SmallVec<[&str; 1]> = SmallVec::new();
            for candidate in room.swapped(reasons) {
                if !paths.contains(&candidate.mount.path.as_str()) {
                    paths.push(&candidate.mount.path);
                }
            }
            for path in paths {
                let (contents, explicit_mode, mount) = room.contents(path, reasons, own);
                let at = room.candidates[0].at;
                let user = User { at, path: path.to_owned(), mount, room: Some(index) };
                let its = *known.entry((contents, explicit_mode)).or_insert_with_key(|(contents, explicit_mode)| {
                    let (contents, explicit_mode) = (contents.clone(), *explicit_mode);
                    wanted.push(Wanted { contents, explicit_mode, users: Vec::new() });
                    wanted.len() - 1
                });
                wanted[its].users.push(user);
            }
        }
        if !own.by_name.is_empty() && !wanted.is_empty() {
            join_present_users(spec, &mut wanted, &known, own);
        }
        let named = wanted.into_iter().map(|its| {
            let mode = its.explicit_mode.unwrap_or_else(|| auto_mode(spec, &its.users));
            (its.contents.name(mode), mode, its)
        });
        Layout { wanted: named.collect() }
    }

    /// A volume of a name that we want, with other content than ours.
    fn taken_volume(&self, spec: &PodSpec<'_>, own: &OwnVolumes<'_>) -> Option<Taken> {
        let foreign: HashSet<&str> = (spec.volumes.items.iter())
            .map(|volume| volume.name.as_str())
            .filter(|name| name.starts_with(NAME_PREFIX) && !own.by_name.contains_key(name))
            .collect();
        let (name, _, wanted) = self.wanted.iter().find(|(name, _, _)| foreign.contains(name.as_str()))?;
        Some(Taken { name: name.clone(), rooms: wanted.users.iter().filter_map(|user| user.room).collect() })
    }

    fn into_plan(
        self,
        spec: &'t PodSpec<'t>,
        rooms: &[Room<'_, 't, '_>],
        reasons: &[Option<Unsafe>],
        own: &OwnVolumes<'t>,
    ) -> Plan<'t> {
        let mut plan = Plan::default();
        let mut left: Vec<&str> = Vec::new();
        let mut added: HashSet<String> = HashSet::new();
        for (name, mode, wanted) in self.wanted {
            for user in wanted.users {
                let change = match user.mount {
                    None => MountChange::Add(name.clone(), user.path),
                    Some(index) => {
                        let now = user.at.of(spec).and_then(|container| container.volume_mounts.items.get(index));
                        match now.map(|mount| mount.name.as_str()) {
                            Some(present) if present == name => continue,
                            Some(present) => left.push(present),
                            None => {}
                        }
                        MountChange::Point(index, name.clone())
                    }
                };
                plan.mounts.push((user.at, change));
            }
            if !own.by_name.contains_key(name.as_str()) && added.insert(name.clone()) {
                plan.added.push((name, mode, wanted.contents));
            }
        }
        let mounted = if left.is_empty() { HashSet::new() } else { still_mounted(spec, &plan.mounts) };
        plan.removed = left
            .into_iter()
            .filter(|name| !mounted.contains(name))
            .filter_map(|name| own.by_name.get(name).map(|(index, _, _)| *index))
            .collect();
        plan.removed.sort_unstable();
        plan.removed.dedup();
        plan.swapped = rooms
            .iter()
            .flat_map(|room| room.first..room.first + room.candidates.len())
            .filter(|index| reasons[*index].is_none())
            .collect();
        plan
    }
}

impl<'t> Room<'_, 't, '_> {
    /// What the container shall find at the path: what it has there from us, and what is new.
    fn contents(
        &self,
        path: &str,
        reasons: &[Option<Unsafe>],
        own: &OwnVolumes<'t>,
    ) -> (Contents<'t>, Option<u16>, Option<usize>) {
        let clean = clean_path(path);
        let mut files = Vec::new();
        let mut modes: SmallVec<[u16; 2]> = SmallVec::new();
        let present = self.own_mounts.iter().find(|(_, its, _)| *its == clean);
        if let Some((_, contents, mode)) = present.and_then(|(_, _, volume)| own.by_name.get(*volume)) {
            files.extend(contents.files().iter().cloned());
            if ![MODE_ALL, MODE_GROUP].contains(mode) {
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
}

/// Containers that have nothing new, but mount the same files from us already, share the volume: its mode depends on
/// them, too.
fn join_present_users<'t>(
    spec: &'t PodSpec<'t>,
    wanted: &mut [Wanted<'t>],
    known: &HashMap<(Contents<'t>, Option<u16>), usize>,
    own: &OwnVolumes<'t>,
) {
    let changing: HashSet<(ContainerAt, usize)> =
        wanted.iter().flat_map(|its| &its.users).filter_map(|user| Some((user.at, user.mount?))).collect();
    for list in [ContainerList::Main, ContainerList::Init] {
        for (index, container) in list.of(spec).iter().enumerate() {
            let at = ContainerAt { list, index };
            for (mount, path, volume) in own.mounts(container) {
                let Some((_, contents, mode)) = own.by_name.get(volume) else { continue };
                if changing.contains(&(at, mount)) || ![MODE_ALL, MODE_GROUP].contains(mode) {
                    continue;
                }
                if let Some(its) = known.get(&(contents.clone(), None)) {
                    wanted[*its].users.push(User { at, path, mount: Some(mount), room: None });
                }
            }
        }
    }
}

/// The volumes that some container mounts once the changes are made.
fn still_mounted<'t>(spec: &'t PodSpec<'_>, changes: &[(ContainerAt, MountChange)]) -> HashSet<&'t str> {
    let moved: HashSet<(ContainerAt, usize)> = changes
        .iter()
        .filter_map(|(at, change)| match change {
            MountChange::Point(index, _) => Some((*at, *index)),
            MountChange::Add(..) => None,
        })
        .collect();
    let containers = ContainerList::ALL.into_iter().flat_map(|list| {
        list.of(spec).iter().enumerate().map(move |(index, container)| (ContainerAt { list, index }, container))
    });
    containers
        .flat_map(|(at, container)| {
            container.volume_mounts.items.iter().enumerate().map(move |(index, mount)| ((at, index), mount))
        })
        .filter(|(place, _)| !moved.contains(place))
        .map(|(_, mount)| mount.name.as_str())
        .collect()
}

/// 0440 only where `fsGroup` is set and every container that mounts the files drops root by its securityContext: measured
/// on a kubelet, a 0440 file is read by root and by the fsGroup, and an image that drops root by itself loses the group.
fn auto_mode(spec: &PodSpec<'_>, users: &[User]) -> u16 {
    let pod = spec.security_context.unwrap_or_default();
    let drops_root = |user: &User| {
        let own = user.at.of(spec).and_then(|container| container.security_context).unwrap_or_default();
        own.run_as_non_root.or(pod.run_as_non_root) == Some(true)
            || own.run_as_user.or(pod.run_as_user).is_some_and(|id| id > 0)
    };
    if pod.fs_group.is_some() && users.iter().all(drops_root) { MODE_GROUP } else { MODE_ALL }
}

/// The file of a key.
pub fn file_path(root: &str, secret: &str, key: &str) -> String {
    let mut path = String::with_capacity(root.len() + secret.len() + key.len() + 2);
    for part in [root, "/", secret, "/", key] {
        path.push_str(part);
    }
    path
}

/// RFC 1123 subdomain, as the API server wants a Secret's name (`ValidateSecretName`).
fn is_dns_subdomain(name: &str) -> bool {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        edge(label.as_bytes().first())
            && edge(label.as_bytes().last())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// As the API server wants a key of a Secret (`IsConfigMapKey`).
fn is_secret_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 253
        && key != "."
        && !key.starts_with("..")
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// As every supported API server accepts an environment variable's name (`IsEnvVarName`, before it was relaxed in 1.30).
fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name != "."
        && !name.starts_with("..")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
