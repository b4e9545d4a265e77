//! Names of images, as a container runtime reads them.

use std::borrow::Cow;
use std::fmt;

use crate::fence::name::Shown;

const DEFAULT_REGISTRY: &str = "docker.io";
const LEGACY_REGISTRY: &str = "index.docker.io";
const OFFICIAL: &str = "library";

/// A parsed image name. Parsing never fails: what is no valid name simply fits few patterns.
///
/// Follows `splitDockerDomain` of github.com/distribution/reference.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageName<'a> {
    /// Registry and path: `nginx` is `docker.io/library/nginx`. Empty for an empty name.
    pub repository: Cow<'a, str>,
    /// What follows the `:`; `latest` where there is neither tag nor digest.
    pub tag: Option<&'a str>,
    /// What follows the `@`.
    pub digest: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    /// Splits and normalises a name.
    pub fn parse(image: &'a str) -> ImageName<'a> {
        let Parts { repository, tag, digest } = split(image);
        let tag = if tag.is_none() && digest.is_none() { Some("latest") } else { tag };
        ImageName { repository: normalise(repository), tag, digest }
    }
}

impl ImageName<'_> {
    /// Whether a container runtime would take it (the grammar of github.com/distribution/reference), as far as a pattern
    /// could be led astray: no empty path component, no `.` or `..`, no second tag.
    pub fn is_well_formed(&self) -> bool {
        let word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let (registry, path) = self.repository.split_once('/').unwrap_or(("", &self.repository));
        let component = |text: &str| word(text) && !text.starts_with('.') && !text.ends_with('.');
        let host = |text: &str| word(text.split_once(':').map_or(text, |(host, _)| host)) || text.starts_with('[');
        let digest = |text: &str| text.split_once(':').is_some_and(|(algorithm, hex)| word(algorithm) && word(hex));
        host(registry) && path.split('/').all(component) && self.tag.is_none_or(word) && self.digest.is_none_or(digest)
    }
}

impl fmt::Debug for ImageName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageName({}", Shown(&self.repository))?;
        if let Some(tag) = self.tag {
            write!(f, ":{}", Shown(tag))?;
        }
        if let Some(digest) = self.digest {
            write!(f, "@{}", Shown(digest))?;
        }
        f.write_str(")")
    }
}

/// A name or a pattern, cut into its parts.
pub(super) struct Parts<'a> {
    pub(super) repository: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

/// A `:` before the last `/` belongs to a port.
pub(super) fn split(image: &str) -> Parts<'_> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let path = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[path..].find(':') {
        Some(colon) => Parts { repository: &name[..path + colon], tag: Some(&name[path + colon + 1..]), digest },
        None => Parts { repository: name, tag: None, digest },
    }
}

/// Registry and path in full.
pub(super) fn normalise(repository: &str) -> Cow<'_, str> {
    if repository.is_empty() {
        return Cow::Borrowed(repository);
    }
    let (registry, path) = match repository.split_once('/') {
        Some((registry, path)) if is_registry(registry) => (Some(registry), path),
        _ => (None, repository),
    };
    match registry {
        Some(registry) if !is_default(registry) => {
            // Host names know no case: another spelling must not slip past a pattern.
            if registry.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return Cow::Owned(format!("{}/{path}", registry.to_ascii_lowercase()));
            }
            Cow::Borrowed(repository)
        }
        // In a pattern `docker.io/*` means the registry, not only its official images.
        _ if !path.contains('/') && !path.starts_with('*') => {
            Cow::Owned(format!("{DEFAULT_REGISTRY}/{OFFICIAL}/{path}"))
        }
        Some(DEFAULT_REGISTRY) => Cow::Borrowed(repository),
        _ => Cow::Owned(format!("{DEFAULT_REGISTRY}/{path}")),
    }
}

fn is_default(registry: &str) -> bool {
    registry.eq_ignore_ascii_case(DEFAULT_REGISTRY) || registry.eq_ignore_ascii_case(LEGACY_REGISTRY)
}

/// Whether the part before the first `/` is a host rather than a path.
pub(super) fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(image: &str) -> String {
        ImageName::parse(image).repository.into_owned()
    }

    #[test]
    fn a_bare_name_is_an_official_image() {
        assert_eq!(repository("nginx"), "docker.io/library/nginx");
        assert_eq!(repository("docker.io/nginx"), "docker.io/library/nginx");
        assert_eq!(repository("index.docker.io/library/nginx"), "docker.io/library/nginx");
        assert_eq!(repository("Docker.IO/nginx"), "docker.io/library/nginx");
    }

    #[test]
    fn a_name_with_a_path_is_of_the_default_registry() {
        assert_eq!(repository("bitnami/redis"), "docker.io/bitnami/redis");
        assert_eq!(repository("index.docker.io/bitnami/redis"), "docker.io/bitnami/redis");
        assert_eq!(repository("docker.io/bitnami/redis"), "docker.io/bitnami/redis");
        // `docker.io` as a mere beginning is a path like any other.
        assert_eq!(repository("docker/app"), "docker.io/docker/app");
    }

    #[test]
    fn a_registry_with_a_dot_a_port_or_localhost_is_kept() {
        assert_eq!(repository("quay.io/a"), "quay.io/a");
        assert_eq!(repository("registry:5000/a/b:1"), "registry:5000/a/b");
        assert_eq!(repository("localhost/a"), "localhost/a");
        assert_eq!(repository("Quay.IO/a"), "quay.io/a");
    }

    #[test]
    fn tag_and_digest_are_split_off() {
        let image = ImageName::parse("registry:5000/a:1.2@sha256:abc");
        assert_eq!((image.tag, image.digest), (Some("1.2"), Some("sha256:abc")));
        let image = ImageName::parse("registry:5000/a");
        assert_eq!((image.tag, image.digest), (Some("latest"), None));
        let image = ImageName::parse("a@sha256:abc");
        assert_eq!((image.tag, image.digest), (None, Some("sha256:abc")));
    }

    #[test]
    fn what_is_no_name_is_taken_as_it_is() {
        for image in ["", "/", ":", "@", "//", "a:", " nginx ", "é/ü:ö@"] {
            let _ = ImageName::parse(image);
        }
        assert_eq!(repository(""), "");
    }
}
