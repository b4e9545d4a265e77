//! The forms of names, as the Kubernetes API has them (k8s.io/apimachinery `pkg/util/validation`).

/// What [`is_dns_subdomain`] asks for.
pub const DNS_SUBDOMAIN: &str =
    "lower case letters, digits, \"-\" and \".\", with a letter or digit at either end, at most 253 characters";
/// What is asked of a CSI driver's name.
pub const CSI_DRIVER: &str = "the exact name of a CSI driver, such as csi.example.com";
/// What [`is_rule_name`] asks for.
pub const RULE_NAME: &str =
    "letters, digits, \"-\", \"_\" and \".\", with a letter or digit at either end, at most 63 characters";
/// What [`is_label_key`] asks for.
pub const LABEL_KEY: &str = "the key of a label, such as app.kubernetes.io/name";
/// What [`is_label_value`] asks for.
pub const LABEL_VALUE: &str =
    "the value of a label: at most 63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit at either end";
/// What [`is_secret_key`] asks for.
pub const SECRET_KEY: &str = "a key of a Secret: letters, digits, \"-\", \"_\" and \".\"";
/// What [`is_kind`] asks for.
pub const KIND: &str = "a kind, such as RayCluster";
/// What [`is_dns_label`] asks for.
pub const DNS_LABEL: &str = "lower case letters, digits and \"-\", at most 63 characters";

/// RFC 1123 subdomain.
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

/// RFC 1123 label.
pub fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && !name.contains('.') && is_dns_subdomain(name)
}

/// As the value of a label, but not empty: it becomes one in metrics.
pub fn is_rule_name(name: &str) -> bool {
    !name.is_empty() && is_label_value(name)
}

/// `IsQualifiedName`
pub fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_rule_name(name),
        None => is_rule_name(key),
    }
}

/// `IsValidLabelValue`
pub fn is_label_value(value: &str) -> bool {
    let ends = |end: Option<&u8>| end.is_none_or(u8::is_ascii_alphanumeric);
    value.len() <= 63 && value.bytes().all(is_word) && ends(value.as_bytes().first()) && ends(value.as_bytes().last())
}

/// `IsConfigMapKey`
pub fn is_secret_key(key: &str) -> bool {
    matches!(key.len(), 1..=253) && key.bytes().all(is_word) && key != "." && !key.starts_with("..")
}

/// As every supported API server accepts an environment variable's name (`IsEnvVarName`, before 1.34 relaxed it).
pub fn is_variable_name(name: &str) -> bool {
    is_secret_key(name) && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// A Go type's name.
pub fn is_kind(kind: &str) -> bool {
    kind.len() <= 63
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && kind.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_the_api_has_them() {
        assert!(is_dns_subdomain("a.b-c.3"));
        for name in ["", "A", "a_b", "-a", "a-", "a..b", ".a", &"a".repeat(254)] {
            assert!(!is_dns_subdomain(name), "{name}");
        }
        assert!(is_label_key("app.kubernetes.io/Name_1") && is_label_key("app"));
        for key in ["", "/a", "a/", "a b", "A.io/x", "a/b/c"] {
            assert!(!is_label_key(key), "{key}");
        }
        assert!(is_label_value("") && is_label_value("A_b.c"));
        assert!(!is_label_value("-a") && !is_label_value("a*"));
        assert!(is_secret_key(".dockerconfigjson") && is_secret_key("a_B-9"));
        for key in ["", ".", "..", "..a", "a/b", "é"] {
            assert!(!is_secret_key(key), "{key}");
        }
    }
}
