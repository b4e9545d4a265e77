//! Our volumes: named by a hash of what they hold, so that they are recognised by content and never by an annotation.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::fence::pod::Volume;

/// How the names of our volumes begin.
pub const NAME_PREFIX: &str = "secretfence-";
/// The mode of files that everyone in the container may read.
pub const MODE_ALL: u16 = 0o444;
/// The mode of files that root and the pod's `fsGroup` may read.
pub const MODE_GROUP: u16 = 0o440;

/// One key of a Secret, as a file at `<secret>/<key>` of the volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretFile<'t> {
    pub secret: Cow<'t, str>,
    pub key: Cow<'t, str>,
    pub optional: bool,
}

/// The files of one volume: one source per (Secret, optional), in stable order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Contents<'t> {
    /// Sorted by Secret, required before optional, then key.
    files: Vec<SecretFile<'t>>,
}

impl<'t> Contents<'t> {
    /// Required where one asks for it so: the pod waits for that key anyway.
    pub fn of(mut files: Vec<SecretFile<'t>>) -> Contents<'t> {
        files.sort_unstable();
        files.dedup_by(|later, earlier| later.secret == earlier.secret && later.key == earlier.key);
        files.sort_unstable_by(|a, b| (&a.secret, a.optional, &a.key).cmp(&(&b.secret, b.optional, &b.key)));
        Contents { files }
    }

    /// The volume's name: every byte that distinguishes two volumes goes into it, the mode too.
    pub fn name(&self, mode: u16) -> String {
        let mut hash = Sha256::new();
        hash.update(mode.to_be_bytes());
        for file in &self.files {
            hash.update(file.secret.as_bytes());
            hash.update([0, u8::from(file.optional)]);
            hash.update(file.key.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let mut name = String::with_capacity(NAME_PREFIX.len() + 16);
        name.push_str(NAME_PREFIX);
        for byte in digest.iter().take(8) {
            for nibble in [byte >> 4, byte & 15] {
                name.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
            }
        }
        name
    }

    /// The files, grouped by source.
    pub fn sources(&self) -> impl Iterator<Item = &[SecretFile<'t>]> {
        self.files.chunk_by(|a, b| a.secret == b.secret && a.optional == b.optional)
    }

    /// The files.
    pub fn files(&self) -> &[SecretFile<'t>] {
        &self.files
    }

    /// Reads one of our volumes back: `None` where it is not ours, by name or by content.
    pub fn recognise(volume: &'t Volume<'_>) -> Option<(Contents<'t>, u16)> {
        let name = volume.name.as_str();
        let projected = volume.projected.as_ref().filter(|_| name.starts_with(NAME_PREFIX) && volume.sources == 1)?;
        let mode = u16::try_from(projected.default_mode?).ok()?;
        let mut files = Vec::new();
        for source in &projected.sources.items {
            let secret = source.secret.as_ref().filter(|_| !source.other && source.unknown.is_none())?;
            if secret.items.items.is_empty() {
                return None;
            }
            for item in &secret.items.items {
                let path = item.path.as_str();
                let key = path.strip_prefix(secret.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
                if key != Some(item.key.as_str()) || item.mode.is_some() {
                    return None;
                }
                files.push(SecretFile {
                    secret: Cow::Borrowed(secret.name.as_str()),
                    key: Cow::Borrowed(item.key.as_str()),
                    optional: secret.optional == Some(true),
                });
            }
        }
        let count = files.len();
        let contents = Contents::of(files);
        (contents.files.len() == count && contents.name(mode) == name).then_some((contents, mode))
    }
}
