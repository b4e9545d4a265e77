//! What the stores call a path: how each is cut out of a reference. A path that may hold a credential is none.

use std::borrow::Cow;

/// Up to the query or the fragment, without the leading slash.
pub fn plain(text: &str) -> Option<Cow<'_, str>> {
    let path = cut(text);
    let path = path.strip_prefix('/').unwrap_or(path);
    (!path.is_empty() && !may_hold_credential(path)).then_some(Cow::Borrowed(path))
}

/// The host and the path of what follows `scheme://`, without user and password, which net/url of Go takes off too.
pub fn url(text: &str) -> Option<Cow<'_, str>> {
    let text = cut(text);
    if text.starts_with("arn:") {
        return arn(text);
    }
    let authority = text.split('/').next().unwrap_or_default();
    let user_info = authority.rfind('@').map_or(0, |at| at + 1);
    plain(text.get(user_info..)?)
}

/// The first `count` segments.
pub fn segments(text: &str, count: usize) -> Option<Cow<'_, str>> {
    let path = cut(text);
    let path = path.strip_prefix('/').unwrap_or(path);
    let end = path.match_indices('/').nth(count.checked_sub(1)?).map_or(path.len(), |(at, _)| at);
    plain(path.get(..end)?)
}

/// `vault/item` of `vault/item/[section/]field`, in lower case: 1Password looks at no case.
pub fn one_password(text: &str) -> Option<Cow<'_, str>> {
    lower(segments(text, 2)?)
}

/// `vaults/<vault>/items/<item>`, as the 1Password operator takes it, in the form of [`one_password`].
pub fn one_password_item(text: &str) -> Option<Cow<'_, str>> {
    let (vault, item) = text.trim().strip_prefix("vaults/")?.split_once("/items/")?;
    let path = format!("{vault}/{item}").to_lowercase();
    Some(Cow::Owned(plain(&path)?.into_owned()))
}

/// The first `count` segments, in lower case: names of vaults and of what they hold are compared so
/// (<https://learn.microsoft.com/en-us/azure/key-vault/about-keys-secrets-and-certificates>).
pub fn azure(text: &str, count: usize) -> Option<Cow<'_, str>> {
    lower(segments(text, count)?)
}

/// `projects/<project>/secrets/<secret>`, without the version.
pub fn google(text: &str) -> Option<Cow<'_, str>> {
    let text = text.split_once("/versions/").map_or(text, |(secret, _)| secret);
    plain(text)
}

/// The name in an ARN of a secret or a parameter, or the text itself where it is no ARN.
pub fn arn(text: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = text.trim().strip_prefix("arn:") else { return plain(text.trim()) };
    arn_resource(rest.split_once(':')?.1)
}

/// Whether what follows the partition of an ARN (`service:region:account:resource`) is of a service that holds secrets.
pub fn is_secret_arn(rest: &str) -> bool {
    matches!(rest.split_once(':'), Some(("secretsmanager" | "ssm", _)))
}

/// The name of the resource in what follows the partition. A secret's name holds no colon (its JSON key, stage and
/// version follow), nor does a parameter's (its version follows).
pub fn arn_resource(rest: &str) -> Option<Cow<'_, str>> {
    let mut parts = rest.splitn(4, ':');
    let (service, resource) = (parts.next()?, parts.nth(2)?);
    let name = match service {
        "secretsmanager" => resource.strip_prefix("secret:")?,
        "ssm" => resource.strip_prefix("parameter/")?,
        _ => return None,
    };
    plain(name.split(':').next()?)
}

fn cut(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

fn lower(path: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let is_lower = !path.chars().any(char::is_uppercase);
    Some(if is_lower { path } else { Cow::Owned(path.to_lowercase()) })
}

/// `user:password@`, wherever it stands: in a path with an odd slash no rule tells the password from the path.
fn may_hold_credential(path: &str) -> bool {
    path.rfind('@').is_some_and(|at| path.get(..at).is_some_and(|before| before.contains(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_a_url_are_taken_off() {
        assert_eq!(url("user:hunter2@host/a/b?x#y").as_deref(), Some("host/a/b"));
        assert_eq!(url("token@host/a").as_deref(), Some("host/a"));
        assert_eq!(url("127.0.0.1:8200/mykv/foo").as_deref(), Some("127.0.0.1:8200/mykv/foo"));
        assert_eq!(url("user:hun/ter2@host/a"), None);
        assert_eq!(url("/absolute/path").as_deref(), Some("absolute/path"));
        assert_eq!(url("?x"), None);
    }

    #[test]
    fn an_at_sign_alone_is_a_character_of_a_path() {
        assert_eq!(plain("secret/data/me@example.com").as_deref(), Some("secret/data/me@example.com"));
        assert_eq!(plain("secret/data/me:x@example.com"), None);
    }

    #[test]
    fn stores_that_look_at_no_case_are_compared_in_lower_case() {
        assert_eq!(one_password("Prod/Database/Section/Field").as_deref(), Some("prod/database"));
        assert_eq!(one_password_item("vaults/Prod/items/Database").as_deref(), Some("prod/database"));
        assert_eq!(one_password_item("vaults/Prod/Database"), None);
        assert_eq!(azure("My-Vault/Secret-A/0123", 2).as_deref(), Some("my-vault/secret-a"));
        assert_eq!(plain("Case/Matters").as_deref(), Some("Case/Matters"));
    }

    #[test]
    fn arns_are_cut_to_the_name() {
        assert_eq!(arn("arn:aws:secretsmanager:r:1:secret:a/b-AbCdEf").as_deref(), Some("a/b-AbCdEf"));
        assert_eq!(arn("arn:aws:ssm:r:1:parameter/a/b").as_deref(), Some("a/b"));
        assert_eq!(arn("a/b").as_deref(), Some("a/b"));
        assert_eq!(arn("arn:aws:s3:::a/b"), None);
    }
}
