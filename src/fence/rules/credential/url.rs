//! URLs with a password in them (RFC 3986, section 3.2.1).

use memchr::memmem;

use super::{Credential, names, placeholder};

/// Its name and its source.
pub const FORMAT: (&str, &str) = ("URL with a password", "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1");

/// Passwords that everybody tries first. They are what the program takes, and no secret: a guess, so that a document's
/// `user:password` is not refused.
const WEAK: [&str; 32] = [
    "pass",
    "password",
    "passwd",
    "passw0rd",
    "pwd",
    "secret",
    "changeme",
    "change_me",
    "change-me",
    "changeit",
    "admin",
    "administrator",
    "root",
    "guest",
    "user",
    "username",
    "test",
    "testing",
    "demo",
    "default",
    "postgres",
    "mysql",
    "mongo",
    "redis",
    "rabbitmq",
    "db",
    "foo",
    "bar",
    "token",
    "key",
    "123456",
    "mypassword",
];

/// The first URL with a password; one with a weak password only where there is no other.
pub fn find(value: &str) -> Option<Credential<'_>> {
    let mut weak = None;
    for at in memmem::find_iter(value.as_bytes(), "://") {
        match password(value, at) {
            Some(password) if is_weak(password, user(value, at)) => weak = Some(Credential::guess(FORMAT.0)),
            Some(_) => return Some(Credential::precise(FORMAT.0)),
            None => {}
        }
    }
    weak
}

/// The longest that the part before the `@` is.
const LONGEST: usize = 1024;

/// The password of the URL whose scheme ends here, unless something else is to be put there.
fn password(value: &str, at: usize) -> Option<&str> {
    let scheme = value.as_bytes()[..at].iter().rev().take(20);
    let scheme = scheme.take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    let rest = &value[at + 3..];
    let bytes = rest.as_bytes().get(..LONGEST).unwrap_or(rest.as_bytes());
    let end = bytes.iter().position(|byte| !is_of_authority(*byte)).unwrap_or(bytes.len());
    let before = memchr::memrchr(b'@', &bytes[..end])?;
    let (user, password) = rest[..before].split_once(':')?;
    let host = &rest[before + 1..];
    let named = host.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"[$<{%_".contains(&byte));
    // The digest of an image: `docker://name:tag@sha256:…`.
    let is_digest = host.starts_with("sha256:") || host.starts_with("sha512:");
    let is_path = user.contains('@') && user.contains(':');
    let stands = !password.is_empty() && !placeholder::stands_for_another(password) && !password.starts_with('$');
    (scheme >= 2 && named && !is_digest && !is_path && stands).then_some(password)
}

fn user(value: &str, at: usize) -> &str {
    value[at + 3..].split(':').next().unwrap_or("")
}

/// As its own user's name, a word that everybody tries, what it is called (`DB_PASSWORD`), or too short to be anything.
pub fn is_weak(password: &str, user: &str) -> bool {
    password.eq_ignore_ascii_case(user)
        || password.len() < 4
        || names::is_constant(password)
        || WEAK
            .iter()
            .any(|weak| password.trim_end_matches(|c: char| c.is_ascii_digit() || c == '!').eq_ignore_ascii_case(weak))
        || WEAK.contains(&password)
}

/// Unreserved, percent, sub-delims, `:`, `@`; and what templates write there.
fn is_of_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&()*+,;=:@{}<>^|`".contains(&byte) || byte >= 0x80
}
