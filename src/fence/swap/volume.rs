//! Our volumes: named by a hash of what they hold, so that they are recognised by content and never by an annotation.

use std::borrow::Cow;

use crate::fence::pod::Volume;

/// How the names of our volumes begin.
pub const NAME_PREFIX: &str = "secretfence-";
/// The mode of files that everyone in the container may read.
pub const MODE_ALL: u16 = 0o444;
/// The mode of files that root and the pod's `fsGroup` may read.
pub const MODE_GROUP: u16 = 0o440;

/// Whether a volume is named as one of ours, whatever it holds.
pub fn is_name_of_ours(name: &str) -> bool {
    let hash = name.strip_prefix(NAME_PREFIX).unwrap_or_default();
    hash.len() == 16 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// One key of a Secret, as a file at `<secret>/<key>` of the volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretFile<'t> {
    pub secret: Cow<'t, str>,
    pub key: Cow<'t, str>,
    pub optional: bool,
}

/// The files of one volume: one source per (Secret, optional), in stable order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents<'t> {
    /// Sorted by Secret, required before optional, then key.
    files: Vec<SecretFile<'t>>,
    hash: u64,
}

/// FNV-1a, 64 bits. Nothing rests on its strength: a volume is recognised by what it holds, and two contents of one name
/// in one pod are both left alone.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl<'t> Contents<'t> {
    /// Required where one asks for it so: the pod waits for that key anyway.
    pub fn of(mut files: Vec<SecretFile<'t>>) -> Contents<'t> {
        if files.len() > 1 {
            files.sort_unstable();
            files.dedup_by(|later, earlier| later.secret == earlier.secret && later.key == earlier.key);
            files.sort_unstable_by(|a, b| (&a.secret, a.optional, &a.key).cmp(&(&b.secret, b.optional, &b.key)));
        }
        let mut hash = Fnv::default();
        for file in &files {
            hash.update(file.secret.as_bytes());
            hash.update(&[0, u8::from(file.optional)]);
            hash.update(file.key.as_bytes());
            hash.update(&[0]);
        }
        Contents { files, hash: hash.0 }
    }

    /// The volume's name: every byte that distinguishes two volumes goes into it, the mode too.
    pub fn name(&self, mode: u16) -> String {
        let mut hash = Fnv(self.hash);
        hash.update(&mode.to_be_bytes());
        let mut name = String::with_capacity(NAME_PREFIX.len() + 16);
        name.push_str(NAME_PREFIX);
        for shift in (0..16).rev() {
            let nibble = (hash.0 >> (4 * shift)) as u8 & 15;
            name.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
        }
        name
    }

    /// Of what it holds, for looking up.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The files, grouped by source.
    pub fn sources(&self) -> impl Iterator<Item = &[SecretFile<'t>]> {
        self.files.chunk_by(|a, b| a.secret == b.secret && a.optional == b.optional)
    }

    /// The files.
    pub fn files(&self) -> &[SecretFile<'t>] {
        &self.files
    }

    /// Whether it holds that key.
    pub fn holds(&self, secret: &str, key: &str) -> bool {
        [false, true].into_iter().any(|optional| {
            let order =
                |file: &SecretFile<'_>| (&*file.secret, file.optional, &*file.key).cmp(&(secret, optional, key));
            self.files.binary_search_by(order).is_ok()
        })
    }

    /// Reads one of our volumes back: `None` where it is not ours, by name or by content.
    pub fn recognise(volume: &'t Volume<'_>) -> Option<(Contents<'t>, u16)> {
        let name = volume.name.as_str();
        let projected = volume.projected.as_ref().filter(|_| name.starts_with(NAME_PREFIX) && volume.sources == 1)?;
        let mode = u16::try_from(projected.default_mode?).ok()?;
        if projected.default_user.is_some() {
            return None;
        }
        let mut files = Vec::new();
        for source in &projected.sources.items {
            let secret = source.secret.as_ref().filter(|_| !source.other && source.unknown.is_none())?;
            if secret.items.items.is_empty() {
                return None;
            }
            for item in &secret.items.items {
                let path = item.path.as_str();
                let key = path.strip_prefix(secret.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
                if key != Some(item.key.as_str()) || item.mode.is_some() || item.user.is_some() {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Ours, as the patch writes it.
    fn ours() -> Value {
        let (secret, key) = (Cow::Borrowed("db"), Cow::Borrowed("password"));
        let contents = Contents::of(vec![SecretFile { secret, key, optional: false }]);
        json!({"name": contents.name(MODE_ALL), "projected": {"defaultMode": MODE_ALL, "sources": [
            {"secret": {"name": "db", "items": [{"key": "password", "path": "db/password"}]}}]}})
    }

    fn is_ours(volume: &Value) -> bool {
        Contents::recognise(&serde_json::from_str(&volume.to_string()).unwrap()).is_some()
    }

    #[test]
    fn recognises_what_it_wrote() {
        assert!(is_ours(&ours()));
    }

    #[test]
    fn files_of_another_mode_or_owner_are_not_ours() {
        for (pointer, member) in [
            ("/projected", "defaultUser"),
            ("/projected/sources/0/secret/items/0", "user"),
            ("/projected/sources/0/secret/items/0", "mode"),
        ] {
            let mut volume = ours();
            volume.pointer_mut(pointer).unwrap()[member] = json!(256);
            assert!(!is_ours(&volume), "{pointer}/{member}");
            volume.pointer_mut(pointer).unwrap()[member] = Value::Null;
            assert!(is_ours(&volume), "{pointer}/{member}");
        }
    }
}
