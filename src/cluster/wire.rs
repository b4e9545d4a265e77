//! Lists and events as they come, borrowed: objects stay JSON until it is known what is kept of them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::WatchError;
use super::needs::Resource;

/// How many characters are kept of what refuses a write.
const DENIAL: usize = 1024;

/// A page of a list.
pub(super) struct Page<'a> {
    /// The version to watch from, once the last page is there.
    pub(super) version: String,
    /// Asks for the next page; none: this is the last.
    pub(super) more: Option<String>,
    /// How many objects are on later pages, where the API server says so.
    pub(super) remaining: Option<u64>,
    /// The objects.
    pub(super) items: Vec<&'a [u8]>,
}

/// An event of a watch.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// An object is new, or other than it was.
    Put(&'a [u8]),
    /// An object is gone.
    Removed(&'a [u8]),
    /// Nothing but a version.
    Bookmark,
    /// The watch ends.
    Error(WatchError),
    /// Of a sort that is not known.
    Unknown,
}

impl<'a> Page<'a> {
    pub(super) fn read(json: &'a [u8]) -> Result<Page<'a>, WatchError> {
        #[derive(Deserialize)]
        struct List<'a> {
            metadata: ListMetadata,
            #[serde(borrow, default)]
            items: Option<Vec<&'a RawValue>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ListMetadata {
            #[serde(default)]
            resource_version: String,
            #[serde(default, rename = "continue")]
            more: String,
            #[serde(default)]
            remaining_item_count: Option<u64>,
        }
        let List { metadata, items } = serde_json::from_slice(json).map_err(|error| WatchError::malformed(&error))?;
        Ok(Page {
            version: metadata.resource_version,
            more: Some(metadata.more).filter(|more| !more.is_empty()),
            remaining: metadata.remaining_item_count,
            items: items.unwrap_or_default().into_iter().map(|item| item.get().as_bytes()).collect(),
        })
    }
}

impl<'a> Event<'a> {
    /// An event, and the version that it leads to; empty where it tells none.
    pub(super) fn read(line: &'a [u8], resource: Resource) -> Result<(Event<'a>, String), WatchError> {
        #[derive(Deserialize)]
        struct Written<'a> {
            #[serde(borrow, rename = "type")]
            sort: Cow<'a, str>,
            #[serde(borrow)]
            object: &'a RawValue,
        }
        let Written { sort, object } = serde_json::from_slice(line).map_err(|error| WatchError::malformed(&error))?;
        let json = object.get().as_bytes();
        let event = match &*sort {
            "ADDED" | "MODIFIED" => Event::Put(json),
            "DELETED" => Event::Removed(json),
            "BOOKMARK" => Event::Bookmark,
            "ERROR" => return Ok((Event::Error(status(json, resource)), String::new())),
            _ => Event::Unknown,
        };
        Ok((event, version(json)))
    }
}

fn version(json: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        #[serde(default)]
        resource_version: String,
    }
    serde_json::from_slice::<Object>(json).map(|object| object.metadata.resource_version).unwrap_or_default()
}

fn status(json: &[u8], resource: Resource) -> WatchError {
    match serde_json::from_slice::<Status>(json) {
        Ok(status) => WatchError::of_status(status.code, &status.reason, "watch", resource),
        Err(error) => WatchError::malformed(&error),
    }
}

/// What an answer that is no success says. It need not be the API server's own: proxies answer in words of theirs, which
/// are not shown.
pub(super) fn reason(code: u16, body: &[u8]) -> String {
    let said = serde_json::from_slice::<Status>(body).map(|status| status.reason).unwrap_or_default();
    let usual = || http::StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    if said.is_empty() { usual().unwrap_or_default().to_owned() } else { said }
}

/// Whether a refusal is since the namespace is being ended (plugin/pkg/admission/namespace/lifecycle).
pub(super) fn is_ending(body: &[u8]) -> bool {
    let status = serde_json::from_slice::<Status>(body);
    let causes = status.ok().and_then(|status| status.details).map(|details| details.causes).unwrap_or_default();
    causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// What refuses a write that the rights allow: a quota or an admission, in its own words. None: a right is missing, or
/// something else is wrong. RBAC's 403 begins with who asks (apiserver/pkg/endpoints/handlers/responsewriters/errors.go);
/// an admission may answer with other codes, but then says that it is one (apiserver/pkg/admission/plugin).
pub(super) fn denial(code: u16, body: &[u8]) -> Option<String> {
    let message = serde_json::from_slice::<Status>(body).ok()?.message;
    let said = message.split_once(" is forbidden: ").map_or(&*message, |(_, said)| said);
    let is_admission = said.starts_with("admission webhook \"") || said.starts_with("ValidatingAdmissionPolicy '");
    let is_denial = match code {
        403 => !said.is_empty() && !said.starts_with("User \""),
        400..500 => is_admission,
        _ => false,
    };
    is_denial.then(|| said.chars().take(DENIAL).collect())
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_where_the_next_one_is() {
        let page = Page::read(br#"{"metadata": {"resourceVersion": "7", "continue": "x"}, "items": [{"a": 1}, {}]}"#);
        let page = page.unwrap();
        assert_eq!((&*page.version, page.more.as_deref()), ("7", Some("x")));
        assert_eq!(page.items, [br#"{"a": 1}"#.as_slice(), b"{}"]);
        let last = Page::read(br#"{"metadata": {"resourceVersion": "7", "continue": ""}, "items": null}"#).unwrap();
        assert!(last.more.is_none() && last.items.is_empty());
    }

    #[test]
    fn an_event_tells_its_version() {
        let line = br#"{"type": "MODIFIED", "object": {"metadata": {"name": "a", "resourceVersion": "9"}}}"#;
        let (event, version) = Event::read(line, Resource::Secrets).unwrap();
        assert!(matches!(event, Event::Put(_)) && version == "9");
    }

    #[test]
    fn a_version_that_is_too_old_is_told_apart() {
        let line = br#"{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}"#;
        let (event, _) = Event::read(line, Resource::Secrets).unwrap();
        assert!(matches!(event, Event::Error(WatchError::Gone)), "{event:?}");
    }

    #[test]
    fn a_right_that_is_missing_is_told_from_a_quota_and_an_admission() {
        let denied = |code: u16, message: &str| {
            denial(code, serde_json::json!({"kind": "Status", "code": code, "message": message}).to_string().as_bytes())
        };
        let right = "cannot create resource \"reports\" in API group \"openreports.io\" in the namespace \"shop\"";
        let user = "User \"system:serviceaccount:a:exceeded quota: ValidatingAdmissionPolicy 'x'\"";
        assert_eq!(denied(403, &format!("reports.openreports.io is forbidden: {user} {right}")), None);
        assert_eq!(denied(403, &format!("reports.openreports.io \"secretfence\" is forbidden: {user} {right}")), None);
        assert_eq!((denied(403, ""), denial(403, b"<html>")), (None, None), "nobody says who it is");
        let quota = denied(403, "reports.openreports.io \"secretfence\" is forbidden: exceeded quota: q, limited: 0");
        assert_eq!(quota.as_deref(), Some("exceeded quota: q, limited: 0"));
        let webhook = "admission webhook \"a.b\" denied the request: User \"x\" cannot";
        let of_webhook = [400, 403, 422, 404].map(|code| denied(code, webhook));
        assert!(of_webhook.iter().all(|said| said.as_deref() == Some(webhook)), "{of_webhook:?}");
        assert_eq!(denied(422, "Report.openreports.io \"secretfence\" is invalid: spec: Required value"), None);
        assert_eq!(denied(500, webhook), None, "that passes");
        assert_eq!(denied(403, &"x".repeat(1 << 20)).unwrap().len(), DENIAL);
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        let error = Event::read(br#"{"type": "ADDED", "object": hunter2}"#, Resource::Secrets).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let error = Page::read(br#"{"metadata": "hunter2"}"#).err().unwrap();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
