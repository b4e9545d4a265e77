//! Events about the own pod, for `kubectl describe` and `kubectl get events`: what somebody should hear of who reads no log.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube_client::Client;
use kube_client::core::Request;
use kube_client::core::params::PostParams;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::client::Connection;
use super::error::words;

/// What waits to be written: more is dropped, since it is in the log as well.
const WAITING: usize = 32;
/// For the API server to take one.
const WRITE_TIME: Duration = Duration::from_secs(5);
/// The same is not said again for so long.
const SAME: Duration = Duration::from_secs(600);
/// How many are remembered for that.
const REMEMBERED: usize = 64;
/// Of a message, in bytes: what the API server takes of one.
const LONGEST: usize = 1000;
/// Of a name.
const LONGEST_NAME: usize = 253;
/// Who says it.
const COMPONENT: &str = "secretfence";

/// The pod that events are about: this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPod {
    /// Where it is, and its events.
    pub namespace: String,
    /// Of the pod.
    pub name: String,
    /// Without it `kubectl describe pod` does not find its events, `kubectl get events` does.
    pub uid: Option<String>,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A certificate or authority was made anew by age.
    CertificateRenewed,
    /// Something was missing or broken and is right again.
    CertificateRepaired,
    /// It could not be renewed or repaired.
    CertificateFailed,
    /// What is registered is not what has to be.
    RegistrationDrift,
    /// It was put right.
    RegistrationRestored,
}

/// Takes events; cheap to clone. Nobody who tells one waits, or hears that it could not be written.
#[derive(Clone, Debug, Default)]
pub struct Events {
    sender: Option<mpsc::Sender<(Reason, String)>>,
}

impl Reason {
    /// As the event has it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::CertificateRenewed => "CertificateRenewed",
            Reason::CertificateRepaired => "CertificateRepaired",
            Reason::CertificateFailed => "CertificateFailed",
            Reason::RegistrationDrift => "RegistrationDrift",
            Reason::RegistrationRestored => "RegistrationRestored",
        }
    }

    fn sort(self) -> &'static str {
        match self {
            Reason::CertificateRenewed | Reason::CertificateRepaired | Reason::RegistrationRestored => "Normal",
            Reason::CertificateFailed | Reason::RegistrationDrift => "Warning",
        }
    }
}

impl Events {
    /// Of no pod: nothing is written.
    pub fn none() -> Events {
        Events::default()
    }

    /// About this pod. Must be called within a Tokio runtime. Takes the right to `create` events in its namespace; without it
    /// one line in the log says so.
    pub fn about(connection: Connection, pod: OwnPod) -> Events {
        let (sender, receiver) = mpsc::channel(WAITING);
        drop(tokio::spawn(write_all(connection, pod, receiver)));
        Events { sender: Some(sender) }
    }

    /// Says it, unless the same was said within ten minutes. The message holds nothing that is not for everyone who reads events.
    pub fn tell(&self, reason: Reason, message: &str) {
        if let Some(sender) = &self.sender {
            // Full: the API server takes none, or somebody tells too much.
            let _ = sender.try_send((reason, cut(message)));
        }
    }
}

async fn write_all(connection: Connection, pod: OwnPod, mut receiver: mpsc::Receiver<(Reason, String)>) {
    let mut said = Said::default();
    let mut client = None;
    let mut is_told = false;
    while let Some((reason, message)) = receiver.recv().await {
        if !said.is_news(reason, &message, Instant::now()) {
            continue;
        }
        match write(&connection, &mut client, &pod, reason, &message).await {
            Ok(()) => is_told = false,
            Err(error) => {
                // A token that is another now, an address.
                client = None;
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(
                        reason = reason.name(),
                        error = &*error,
                        "an event about this pod cannot be written; the log has it all"
                    );
                }
            }
        }
    }
}

async fn write(
    connection: &Connection,
    client: &mut Option<Client>,
    pod: &OwnPod,
    reason: Reason,
    message: &str,
) -> Result<(), String> {
    let its = match client {
        Some(client) => client,
        None => client.insert(connection.client().await.map_err(|error| error.to_string())?),
    };
    let event = event(pod, reason, message, Timestamp::now());
    let body = serde_json::to_vec(&event).map_err(|_| "it is no JSON".to_owned())?;
    let request = Request::new(format!("/api/v1/namespaces/{}/events", pod.namespace));
    let request = request.create(&PostParams::default(), body).map_err(|error| error.to_string())?;
    match timeout(WRITE_TIME, its.request::<Value>(request)).await {
        Err(_) => Err(format!("the API server said nothing for {} s", WRITE_TIME.as_secs())),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube_client::Error::Api(status))) if status.code == 403 => Err(format!(
            "may not create events in namespace {:?}: bind a Role with \"create\" of events there",
            pod.namespace
        )),
        Ok(Err(kube_client::Error::Api(status))) => Err(format!("the API server answered {}", status.code)),
        Ok(Err(error)) => Err(words(&error)),
    }
}

/// As client-go's recorder writes it.
fn event(pod: &OwnPod, reason: Reason, message: &str, now: Timestamp) -> Value {
    let suffix = format!(".{:x}", now.as_nanosecond());
    // Names are ASCII; another one is refused and is said in the log.
    let stem: String = pod.name.chars().take(LONGEST_NAME - suffix.len()).collect();
    let at = format!("{:.0}", now);
    let mut about = json!({"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name});
    if let Some(uid) = &pod.uid {
        about["uid"] = json!(uid);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": format!("{stem}{suffix}"), "namespace": pod.namespace},
        "involvedObject": about,
        "type": reason.sort(),
        "reason": reason.name(),
        "message": message,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": pod.name,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    })
}

/// What was said lately.
#[derive(Debug, Default)]
struct Said(VecDeque<(Reason, String, Instant)>);

impl Said {
    fn is_news(&mut self, reason: Reason, message: &str, now: Instant) -> bool {
        self.0.retain(|(.., at)| now.saturating_duration_since(*at) < SAME);
        if self.0.iter().any(|(said, text, _)| *said == reason && text == message) {
            return false;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((reason, message.to_owned(), now));
        true
    }
}

fn cut(message: &str) -> String {
    if message.len() <= LONGEST {
        return message.to_owned();
    }
    format!("{}…", &message[..message.floor_char_boundary(LONGEST - '…'.len_utf8())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> OwnPod {
        OwnPod { namespace: "secretfence".to_owned(), name: name.to_owned(), uid: Some("u".to_owned()) }
    }

    #[test]
    fn the_same_is_said_once_in_ten_minutes() {
        let (mut said, start) = (Said::default(), Instant::now());
        assert!(said.is_news(Reason::RegistrationDrift, "a", start));
        assert!(!said.is_news(Reason::RegistrationDrift, "a", start + SAME - Duration::from_secs(1)));
        assert!(said.is_news(Reason::RegistrationRestored, "a", start));
        assert!(said.is_news(Reason::RegistrationDrift, "b", start));
        assert!(said.is_news(Reason::RegistrationDrift, "a", start + SAME));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut said, start) = (Said::default(), Instant::now());
        for number in 0..1000 {
            assert!(said.is_news(Reason::RegistrationDrift, &number.to_string(), start));
        }
        assert_eq!(said.0.len(), REMEMBERED);
    }

    #[test]
    fn an_event_is_about_the_own_pod_and_fits() {
        let now: Timestamp = "2026-11-21T10:00:00.5Z".parse().unwrap();
        let event = event(&pod(&"x".repeat(253)), Reason::RegistrationDrift, "gone", now);
        assert_eq!(event["metadata"]["name"].as_str().unwrap().len(), 253);
        assert_eq!((&event["involvedObject"]["uid"], &event["type"]), (&json!("u"), &json!("Warning")));
        assert_eq!(event["lastTimestamp"], "2026-11-21T10:00:00Z");
        assert_eq!(cut(&"ä".repeat(600)).len(), 999);
    }

    #[test]
    fn without_a_pod_nothing_is_written() {
        Events::none().tell(Reason::RegistrationDrift, "gone");
    }
}
