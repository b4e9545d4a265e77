//! The names of files, as other programs want them.

use std::borrow::Cow;

/// Standard input, which other programs cannot open.
pub const STANDARD_INPUT: &str = "-";

/// The path without its `.` parts and doubled slashes: `./a//b.yaml` is `a/b.yaml`.
pub fn tidy(file: &str) -> Cow<'_, str> {
    let is_tidy = |part: &str| !part.is_empty() && part != ".";
    let (root, rest) = file.strip_prefix('/').map_or(("", file), |rest| ("/", rest));
    if rest.split('/').all(is_tidy) {
        return Cow::Borrowed(file);
    }
    let parts: Vec<&str> = rest.split('/').filter(|part| is_tidy(part)).collect();
    Cow::Owned(format!("{root}{}", parts.join("/")))
}

/// A relative reference for a relative path, a `file` URI for an absolute one (RFC 3986, RFC 8089). Whatever is not
/// unreserved is escaped, so that nothing is taken for a scheme, a query or a fragment.
pub fn uri(file: &str) -> String {
    let file = if cfg!(windows) { file.replace('\\', "/") } else { file.to_owned() };
    let file = tidy(&file);
    let mut uri = String::with_capacity(file.len() + 8);
    if file.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_says_nothing() {
        for (path, expected) in [
            ("a/b.yaml", "a/b.yaml"),
            ("./a//./b.yaml", "a/b.yaml"),
            ("/a//b.yaml", "/a/b.yaml"),
            ("../a.yaml", "../a.yaml"),
            ("-", "-"),
        ] {
            assert_eq!(tidy(path), expected);
        }
    }

    #[test]
    fn nothing_in_a_path_is_taken_for_a_part_of_a_uri() {
        for (path, expected) in [
            ("./a b.yaml", "a%20b.yaml"),
            ("file:x?y#z%41.yaml", "file%3Ax%3Fy%23z%2541.yaml"),
            ("ü\u{202e}\n.yaml", "%C3%BC%E2%80%AE%0A.yaml"),
            ("/srv/a.yaml", "file:///srv/a.yaml"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
