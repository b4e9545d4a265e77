//! From candidates to what the pod becomes.
//!
//! What makes a candidate unsafe is judged against all candidates, not against those that remain, wherever it can be:
//! so what is left alone in one call is left alone in the next, and swapping twice is swapping once.

use std::borrow::Cow;
use std::collections::HashMap;

use super::layout::Layout;
use super::room::Room;
use super::safety::clean_path;
use super::volume::Contents;
use super::{Candidate, Unsafe};
use crate::fence::pod::{Container, Metadata, PodSpec};
use crate::fence::reference::ContainerAt;

/// A pod of more files than this is left as it is. One with so many does not fit into what an API server stores, and each
/// container with one more than its neighbours would have a volume with all of theirs.
const MOST_FILES: usize = 1 << 16;
/// How often names that are taken may leave others without theirs.
const MOST_ROUNDS: usize = 8;

/// What a pod becomes.
#[derive(Debug, Default)]
pub struct Plan<'t> {
    /// The names of the volumes that mounts are added for or pointed at.
    pub names: Vec<String>,
    /// The volumes that are added: index of the name, mode and contents.
    pub added: Vec<(usize, u16, Contents<'t>)>,
    /// Indices of volumes of ours that no container mounts any more, ascending.
    pub removed: Vec<usize>,
    /// Mounts of ours, by container.
    pub mounts: Vec<(ContainerAt, MountChange<'t>)>,
    /// Indices into the candidates: those that are swapped.
    pub swapped: Vec<usize>,
}

/// What happens to the mount of one container. Volumes are indices of names.
#[derive(Debug)]
pub enum MountChange<'t> {
    /// A new one.
    Add {
        /// The volume.
        volume: usize,
        /// The root of its files.
        path: Cow<'t, str>,
    },
    /// One that is there is pointed at another volume.
    Point {
        /// Its index.
        mount: usize,
        /// The volume.
        volume: usize,
    },
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
    pub fn of<'p: 't>(pod: Pod<'t>, candidates: &[Candidate<'t, 'p>]) -> (Plan<'t>, Vec<Option<Unsafe>>) {
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
                    room.judge_each(&own, &mut reasons);
                    room.judge_together(&mut reasons);
                    rooms.push(room);
                }
            }
        }
        if rooms.iter().map(|room| room.files(&own)).sum::<usize>() > MOST_FILES {
            rooms.iter().for_each(|room| room.refuse(&mut reasons, &Unsafe::TooManyFiles));
        }
        let mut rounds = 0;
        let plan = loop {
            let layout = Layout::of(pod.spec, &rooms, &reasons, &own);
            let taken = layout.taken_volumes(pod.spec, &own);
            let Some(first) = taken.first() else {
                break layout.into_plan(pod.spec, &rooms, &reasons, &own);
            };
            // Whoever wanted one of them cannot have it. That may change who mounts another, and so its mode and name:
            // a pod made to go on so for long is left as it is.
            rounds += 1;
            for taken in &taken {
                let reason = Unsafe::VolumeTaken(taken.name.clone());
                taken.rooms.iter().for_each(|room| rooms[*room].refuse(&mut reasons, &reason));
            }
            if rounds == MOST_ROUNDS {
                let reason = Unsafe::VolumeTaken(first.name.clone());
                rooms.iter().for_each(|room| room.refuse(&mut reasons, &reason));
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
pub struct OwnVolumes<'t> {
    pub by_name: HashMap<&'t str, (usize, Contents<'t>, u16)>,
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
    pub fn mounts<'c>(&self, container: &'c Container<'_>) -> Vec<OwnMount<'c>> {
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

/// A mount of ours in a container: index, clean path, volume name.
pub type OwnMount<'c> = (usize, Cow<'c, str>, &'c str);

/// The file of a key.
pub fn file_path(root: &str, secret: &str, key: &str) -> String {
    let mut path = String::with_capacity(root.len() + secret.len() + key.len() + 2);
    for part in [root, "/", secret, "/", key] {
        path.push_str(part);
    }
    path
}
