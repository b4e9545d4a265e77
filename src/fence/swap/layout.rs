//! The volumes that the pod shall have: who shares which, in what mode, under what name.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use super::Unsafe;
use super::plan::{MountChange, OwnVolumes, Plan};
use super::room::Room;
use super::volume::{Contents, MODE_ALL, MODE_GROUP, NAME_PREFIX};
use crate::fence::pod::PodSpec;
use crate::fence::reference::{ContainerAt, ContainerList};

/// The volumes that the pod shall have, before anything is written.
#[derive(Default)]
pub struct Layout<'t> {
    wanted: Vec<Wanted<'t>>,
    by_hash: HashMap<u64, SmallVec<[usize; 1]>>,
}

/// One volume that the pod shall have.
struct Wanted<'t> {
    contents: Contents<'t>,
    /// `None` where the mode follows from who mounts it.
    explicit_mode: Option<u16>,
    /// Which containers mount it, and where.
    users: SmallVec<[User<'t>; 1]>,
    /// Once all users are known.
    mode: u16,
    name: String,
}

struct User<'t> {
    at: ContainerAt,
    path: Cow<'t, str>,
    /// The index of the mount of ours that is there already.
    mount: Option<usize>,
    /// The room, where the container has something new to swap.
    room: Option<usize>,
}

/// A name that something else has, and who wanted it.
pub struct Taken {
    pub name: String,
    pub rooms: Vec<usize>,
}

impl<'t> Layout<'t> {
    pub fn of<'p: 't>(
        spec: &'t PodSpec<'t>,
        rooms: &[Room<'_, 't, 'p>],
        reasons: &[Option<Unsafe>],
        own: &OwnVolumes<'t>,
    ) -> Layout<'t> {
        let mut layout = Layout::default();
        for (index, room) in rooms.iter().enumerate() {
            let Some(at) = room.at() else { continue };
            for path in room.paths(reasons) {
                let (contents, explicit_mode, mount) = room.contents(path, reasons, own);
                let user = User { at, path: Cow::Borrowed(path), mount, room: Some(index) };
                layout.want(contents, explicit_mode).users.push(user);
            }
        }
        if !own.by_name.is_empty() && !layout.wanted.is_empty() {
            layout.join_present_users(spec, own);
        }
        for its in &mut layout.wanted {
            its.mode = its.explicit_mode.unwrap_or_else(|| auto_mode(spec, &its.users));
            its.name = its.contents.name(its.mode);
        }
        layout
    }

    fn find(&self, contents: &Contents<'_>, explicit_mode: Option<u16>) -> Option<usize> {
        let same = |index: &usize| {
            let its = &self.wanted[*index];
            its.explicit_mode == explicit_mode && its.contents == *contents
        };
        self.by_hash.get(&contents.hash())?.iter().copied().find(same)
    }

    fn want(&mut self, contents: Contents<'t>, explicit_mode: Option<u16>) -> &mut Wanted<'t> {
        let index = self.find(&contents, explicit_mode).unwrap_or_else(|| {
            let index = self.wanted.len();
            self.by_hash.entry(contents.hash()).or_default().push(index);
            let (users, name) = (SmallVec::new(), String::new());
            self.wanted.push(Wanted { contents, explicit_mode, users, mode: MODE_ALL, name });
            index
        });
        &mut self.wanted[index]
    }

    /// Containers that have nothing new, but mount the same files from us already, share the volume: its mode depends on
    /// them, too.
    fn join_present_users(&mut self, spec: &'t PodSpec<'t>, own: &OwnVolumes<'t>) {
        let users = self.wanted.iter().flat_map(|its| &its.users);
        let changing: HashSet<(ContainerAt, usize)> = users.filter_map(|user| Some((user.at, user.mount?))).collect();
        // Looked up once for each volume: who mounts a big one often shall not have it compared as often.
        let mut found: HashMap<&str, Option<usize>> = HashMap::new();
        for list in [ContainerList::Main, ContainerList::Init] {
            for (index, container) in list.of(spec).iter().enumerate() {
                let at = ContainerAt { list, index };
                for (mount, path, volume) in own.mounts(container) {
                    let Some((_, contents, mode)) = own.by_name.get(volume) else { continue };
                    if changing.contains(&(at, mount)) || ![MODE_ALL, MODE_GROUP].contains(mode) {
                        continue;
                    }
                    if let Some(its) = *found.entry(volume).or_insert_with(|| self.find(contents, None)) {
                        self.wanted[its].users.push(User { at, path, mount: Some(mount), room: None });
                    }
                }
            }
        }
    }

    /// Volumes of names that we want, with other content than ours: one that is there, or another that we want.
    pub fn taken_volumes(&self, spec: &PodSpec<'_>, own: &OwnVolumes<'_>) -> Vec<Taken> {
        let ours = |name: &str| name.starts_with(NAME_PREFIX);
        let foreign: HashSet<&str> = (spec.volumes.items.iter())
            .map(|volume| volume.name.as_str())
            .filter(|name| ours(name) && !own.by_name.contains_key(name))
            .collect();
        let is_taken = |its: &&Wanted<'_>| {
            let present = own.by_name.get(its.name.as_str()).is_some_and(|(_, contents, _)| *contents != its.contents);
            let namesakes = self.by_hash.get(&its.contents.hash()).into_iter().flatten();
            present
                || foreign.contains(its.name.as_str())
                || namesakes.map(|index| &self.wanted[*index]).any(|other| other.contents != its.contents)
        };
        let taken = self.wanted.iter().filter(is_taken);
        let rooms = |its: &Wanted<'_>| its.users.iter().filter_map(|user| user.room).collect();
        taken.map(|its| Taken { name: its.name.clone(), rooms: rooms(its) }).collect()
    }

    pub fn into_plan(
        self,
        spec: &'t PodSpec<'t>,
        rooms: &[Room<'_, 't, '_>],
        reasons: &[Option<Unsafe>],
        own: &OwnVolumes<'t>,
    ) -> Plan<'t> {
        let mut plan = Plan::default();
        let mut left: Vec<&str> = Vec::new();
        // The same files by an explicit and by an automatic mode may be one volume after all.
        let mixed = self.wanted.iter().any(|its| its.explicit_mode.is_some());
        let mut added: HashSet<String> = HashSet::new();
        for Wanted { contents, users, mode, name, .. } in self.wanted {
            let volume = plan.names.len();
            for user in users {
                let change = match user.mount {
                    None => MountChange::Add { volume, path: user.path },
                    Some(mount) => {
                        let now = user.at.of(spec).and_then(|container| container.volume_mounts.items.get(mount));
                        match now.map(|mount| mount.name.as_str()) {
                            Some(present) if present == name => continue,
                            Some(present) => left.push(present),
                            None => {}
                        }
                        MountChange::Point { mount, volume }
                    }
                };
                plan.mounts.push((user.at, change));
            }
            if !own.by_name.contains_key(name.as_str()) && (!mixed || added.insert(name.clone())) {
                plan.added.push((volume, mode, contents));
            }
            plan.names.push(name);
        }
        let mounted = if left.is_empty() { HashSet::new() } else { still_mounted(spec, &plan.mounts) };
        plan.removed = left
            .into_iter()
            .filter(|name| !mounted.contains(name))
            .filter_map(|name| own.by_name.get(name).map(|(index, _, _)| *index))
            .collect();
        plan.removed.sort_unstable();
        plan.removed.dedup();
        plan.mounts.sort_by_key(|(at, _)| *at);
        plan.swapped = rooms.iter().flat_map(|room| room.going(reasons)).collect();
        plan
    }
}

/// The volumes that some container mounts once the changes are made.
fn still_mounted<'t>(spec: &'t PodSpec<'_>, changes: &[(ContainerAt, MountChange<'_>)]) -> HashSet<&'t str> {
    let moved: HashSet<(ContainerAt, usize)> = changes
        .iter()
        .filter_map(|(at, change)| match change {
            MountChange::Point { mount, .. } => Some((*at, *mount)),
            MountChange::Add { .. } => None,
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
fn auto_mode(spec: &PodSpec<'_>, users: &[User<'_>]) -> u16 {
    let pod = spec.security_context.unwrap_or_default();
    let drops_root = |user: &User<'_>| {
        let own = user.at.of(spec).and_then(|container| container.security_context).unwrap_or_default();
        own.run_as_non_root.or(pod.run_as_non_root) == Some(true)
            || own.run_as_user.or(pod.run_as_user).is_some_and(|id| id > 0)
    };
    if pod.fs_group.is_some() && users.iter().all(drops_root) { MODE_GROUP } else { MODE_ALL }
}
