//! From a request to its answer.
//!
//! Four paths and one method: a table, where a router would box every request and its answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::Shared;
use super::body::{self, BodyError, Contiguous, Inbound, Terms, Whole};
use super::pulse::Pulse;
use super::quantity;
use super::room::Place;
use super::uid;
use crate::fence::answer::{self, Answer, Endpoint, Gate, ReviewResult};
use crate::fence::facts::Labels;
use crate::telemetry::{Outcome, Refused, Webhook};

/// A body over this is judged on a thread of its own, so that it does not hold up the connections of a worker.
const INLINE_BYTES: usize = 1 << 20;

/// How long a request may take where the query does not say how long the API server waits for it: what it waits by
/// default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that an API server can be told to wait.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);
/// What is kept of the API server's timeout for the way and the judgement.
const TIMEOUT_RESERVE: Duration = Duration::from_millis(200);

/// How long a Namespace is asked for that the watch does not know, and at most half of what is left until the deadline.
const LOOKUP_TIME: Duration = Duration::from_secs(1);

/// Answers one request; never fails.
pub(super) async fn handle(
    shared: &Arc<Shared>,
    pulse: &Pulse,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Response<Whole> {
    pulse.request();
    let (head, incoming) = request.into_parts();
    let mut inbound = Inbound::new(incoming);
    let mut response = match endpoint(head.uri.path()) {
        None => Refusal::NotFound.into_response(),
        Some(_) if head.method != Method::POST => Refusal::MethodNotAllowed.into_response(),
        Some(endpoint) => {
            let webhook = Webhook::of(endpoint);
            let start = Instant::now();
            let deadline = start + timeout_of(head.uri.query()).saturating_sub(TIMEOUT_RESERVE);
            let asked = Asked { endpoint, webhook, headers: &head.headers, deadline };
            let (operation, outcome, response) = match review(shared, &asked, &mut inbound).await {
                Ok(judged) => judged,
                Err(refusal) => {
                    let (kind, sentence) = (refusal.kind(), refusal.sentence());
                    shared.log.refused(&Refused { webhook, kind, why: sentence.trim_end(), uid: refusal.uid(), peer });
                    ("", refusal.outcome(), refusal.into_response())
                }
            };
            shared.metrics.count(webhook, operation, outcome, start.elapsed());
            response
        }
    };
    if inbound.is_left() {
        pulse.leave_body();
    }
    if inbound.is_left() || !shared.shutdown.is_serving() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    pulse.answered();
    response
}

/// What a review's head says.
struct Asked<'a> {
    endpoint: Endpoint,
    webhook: Webhook,
    headers: &'a HeaderMap,
    /// Of its answer.
    deadline: Instant,
}

type Judged = (&'static str, Outcome, Response<Whole>);

async fn review(shared: &Arc<Shared>, asked: &Asked<'_>, inbound: &mut Inbound) -> Result<Judged, Refusal> {
    if !shared.shutdown.answers() {
        return Err(Refusal::ShuttingDown);
    }
    check_media_type(asked.headers)?;
    let max_body = shared.limits.max_body;
    if inbound.announced().is_some_and(|length| length > max_body as u64) {
        return Err(Refusal::TooLarge { max_body });
    }
    let terms = Terms {
        room: &shared.room,
        limit: max_body,
        time: shared.limits.body_timeout,
        deadline: asked.deadline.into(),
        buffers: &shared.buffers,
    };
    let (bytes, place) = body::read(inbound, &terms).await.map_err(|error| match error {
        BodyError::TooLarge => Refusal::TooLarge { max_body },
        BodyError::TooSlow => Refusal::TimedOut,
        BodyError::Late => Refusal::Late { uid: None },
        BodyError::NoRoom => Refusal::NoRoom,
        BodyError::Broken => Refusal::Broken,
    })?;
    let Asked { webhook, endpoint, deadline, .. } = *asked;
    let mut review = Review { webhook, endpoint, deadline, bytes, place, namespace: None };
    loop {
        let step =
            if review.bytes.len() <= INLINE_BYTES { judge(shared, review) } else { judge_apart(shared, review).await };
        match step? {
            Step::Done(judged) => return Ok(judged),
            Step::Unknown(again, namespace) => {
                let time = (deadline.saturating_duration_since(Instant::now()) / 2).min(LOOKUP_TIME);
                let labels = tokio::time::timeout(time, shared.policies.namespace(&namespace));
                let labels = labels.await.ok().flatten();
                review = Review { namespace: Some((namespace, labels)), ..*again };
            }
        }
    }
}

/// How far the judgement of a review has come.
enum Step {
    /// To its end.
    Done(Judged),
    /// To a Namespace that the watch does not know: it is asked for once, then the review is judged with what is known.
    Unknown(Box<Review>, String),
}

/// A review that was read, with its room.
struct Review {
    webhook: Webhook,
    endpoint: Endpoint,
    deadline: Instant,
    bytes: Contiguous,
    place: Place,
    /// The Namespace that was asked for, and its labels if that told them.
    namespace: Option<(String, Option<Labels>)>,
}

/// Judges a big body on a thread of its own. No more at a time than there are cores: they would only make each other
/// late, and take the threads that look at files.
async fn judge_apart(shared: &Arc<Shared>, review: Review) -> Result<Step, Refusal> {
    let deadline = review.deadline;
    let uid = uid::of(&review.bytes);
    let judging = async {
        // The semaphore is never closed.
        let judge_permit = Arc::clone(&shared.judges).acquire_owned().await;
        let shared = Arc::clone(shared);
        let judging = tokio::task::spawn_blocking(move || {
            let judged = judge(&shared, review);
            drop(judge_permit);
            judged
        });
        judging.await.unwrap_or(Err(Refusal::Panicked { uid: None }))
    };
    tokio::time::timeout_at(deadline.into(), judging).await.unwrap_or(Err(Refusal::Late { uid }))
}

/// Judges a body, and tells metrics and log.
fn judge(shared: &Shared, review: Review) -> Result<Step, Refusal> {
    let judgement = shared.policies.judgement();
    if !judgement.is_ready {
        return Err(Refusal::NotReady);
    }
    let with_namespace = review.namespace.as_ref().and_then(|(name, labels)| {
        let mut facts = judgement.facts.clone();
        Arc::make_mut(&mut facts.namespaces).insert(name.as_str().into(), labels.clone()?);
        Some(facts)
    });
    let facts = with_namespace.as_ref().unwrap_or(&judgement.facts);
    let Answer { body, record } = without_panic(
        || uid::of(&review.bytes),
        || {
            let answered = answer::answer(&review.bytes, review.endpoint, &judgement.set, facts);
            answered.map_err(|error| Refusal::Malformed(error.to_string()))
        },
    )?;
    if judgement.needs.namespaces.is_some()
        && review.namespace.is_none()
        && record.result != ReviewResult::NotOurs
        && !record.namespace.is_empty()
        && !facts.namespaces.contains_key(&*record.namespace)
    {
        return Ok(Step::Unknown(Box::new(review), record.namespace));
    }
    let Review { webhook, deadline, bytes, mut place, .. } = review;
    if bytes.len() > INLINE_BYTES && Instant::now() >= deadline {
        // It was answered already that it is late: what was decided comes to nothing.
        return Err(Refusal::Late { uid: Some(record.uid) });
    }
    without_panic(
        || Some(record.uid.clone()),
        || {
            drop(bytes);
            shared.room.settle(&mut place, body.len());
            judgement.counters.count(&shared.metrics, &judgement.set, &record.verdicts);
            shared.log.review(webhook, &record);
            let mut response = Response::new(Whole::new(Bytes::from_owner(Written { body, _place: place })));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(Step::Done((record.operation, Outcome::Judged(record.result), response)))
        },
    )
}

/// A panic is a defect of ours: it costs this answer and no other.
fn without_panic<T>(
    uid: impl FnOnce() -> Option<String>,
    judge: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| Err(Refusal::Panicked { uid: uid() }))
}

/// An answer keeps the room of its review until it is written: a client that does not read takes room, not memory.
struct Written {
    body: Vec<u8>,
    _place: Place,
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

fn endpoint(path: &str) -> Option<Endpoint> {
    let (gate, dry_run) = match path {
        "/mutate" => (Gate::Mutate, false),
        "/validate" => (Gate::Validate, false),
        "/dry-run/mutate" => (Gate::Mutate, true),
        "/dry-run/validate" => (Gate::Validate, true),
        _ => return None,
    };
    Some(Endpoint { gate, dry_run })
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split_once(';').map_or(media_type, |(essence, _)| essence);
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::MediaType);
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => Err(Refusal::Encoding),
        _ => Ok(()),
    }
}

/// `?timeout=2s`, which the API server adds to every call.
fn timeout_of(query: Option<&str>) -> Duration {
    let value = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("timeout=")));
    value.and_then(quantity::duration).unwrap_or(DEFAULT_TIMEOUT).min(LONGEST_TIMEOUT)
}

/// Why a request is not answered with a review.
#[derive(Debug)]
enum Refusal {
    NotFound,
    MethodNotAllowed,
    MediaType,
    Encoding,
    TooLarge {
        max_body: usize,
    },
    TimedOut,
    Broken,
    Malformed(String),
    NoRoom,
    /// With the uid of a review that was read, and is not answered all the same.
    Late {
        uid: Option<String>,
    },
    ShuttingDown,
    NotReady,
    /// With the uid of the review, where it is found.
    Panicked {
        uid: Option<String>,
    },
}

impl Refusal {
    /// What its log lines are folded by.
    fn kind(&self) -> &'static str {
        match self {
            Refusal::NotFound => "not found",
            Refusal::MethodNotAllowed => "method",
            Refusal::MediaType => "media type",
            Refusal::Encoding => "encoding",
            Refusal::TooLarge { .. } => "too large",
            Refusal::TimedOut => "timed out",
            Refusal::Broken => "broken",
            Refusal::Malformed(_) => "malformed",
            Refusal::NoRoom => "no room",
            Refusal::Late { .. } => "late",
            Refusal::ShuttingDown => "shutting down",
            Refusal::NotReady => "not ready",
            Refusal::Panicked { .. } => "panicked",
        }
    }

    /// Of a review that was read.
    fn uid(&self) -> Option<&str> {
        match self {
            Refusal::Late { uid } | Refusal::Panicked { uid } => uid.as_deref(),
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Refusal::NotFound
            | Refusal::MethodNotAllowed
            | Refusal::MediaType
            | Refusal::Encoding
            | Refusal::Malformed(_) => Outcome::Malformed,
            Refusal::TooLarge { .. } => Outcome::TooLarge,
            Refusal::TimedOut | Refusal::Broken => Outcome::Incomplete,
            Refusal::NoRoom | Refusal::Late { .. } | Refusal::ShuttingDown | Refusal::NotReady => Outcome::Overloaded,
            Refusal::Panicked { .. } => Outcome::Panicked,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::MediaType | Refusal::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Refusal::Broken | Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::NoRoom | Refusal::Late { .. } | Refusal::ShuttingDown | Refusal::NotReady => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Refusal::Panicked { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn sentence(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Refusal::NotFound => {
                "nothing is served here: post an AdmissionReview to /mutate, /validate, /dry-run/mutate or \
                 /dry-run/validate\n"
            }
            Refusal::MethodNotAllowed => "an AdmissionReview is posted: the method must be POST\n",
            Refusal::MediaType => "expected an AdmissionReview as application/json\n",
            Refusal::Encoding => "a body with a content encoding is not read: send it as it is\n",
            Refusal::TooLarge { max_body } => {
                return Cow::Owned(format!("the body is over the limit of {max_body} bytes (--max-body)\n"));
            }
            Refusal::TimedOut => {
                "the body did not arrive in time (--body-timeout, and after 2s at least 64Ki a second)\n"
            }
            Refusal::Broken => "the body broke off, or is not framed as its head says\n",
            Refusal::Malformed(why) => return Cow::Owned(format!("{why}\n")),
            Refusal::NoRoom => "too much is being judged at the moment: come again\n",
            Refusal::Late { .. } => "the review could not be answered in the time that the request gives: come again\n",
            Refusal::ShuttingDown => "shutting down: come again\n",
            Refusal::NotReady => {
                "what the policies ask of the cluster is not known yet (/readyz says why): come again\n"
            }
            Refusal::Panicked { .. } => {
                "a defect of secretfence kept it from judging this review; its log says where\n"
            }
        })
    }

    fn into_response(self) -> Response<Whole> {
        let mut response = Response::new(Whole::new(match self.sentence() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        }));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match self {
            Refusal::MethodNotAllowed => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            // On a connection of its own the next try may reach another replica.
            Refusal::NoRoom | Refusal::Late { .. } | Refusal::ShuttingDown | Refusal::NotReady => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Refusal::TimedOut | Refusal::Broken | Refusal::TooLarge { .. } => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::room::{Claim, Room};
    use crate::webhook::{CertificateSource, Limits, PolicySource, SelfSigned, Server, Settings, big_judgements};
    use std::future::poll_fn;
    use std::pin::Pin;

    #[tokio::test]
    async fn a_panic_is_500_with_a_sentence_and_gives_back_its_room() {
        let room = Room::new(&Limits::default());
        let judged = |defect: bool| {
            let mut place = Place::default();
            assert!(room.try_grow(&mut place, 1000, Claim { small: true, whole: true }));
            without_panic(
                || uid::of(br#"{"request":{"uid":"u-1","#),
                || {
                    let _place = place;
                    if defect { panic!("what must not be told") } else { Ok(()) }
                },
            )
        };
        let refusal = judged(true).unwrap_err();
        assert_eq!(refusal.uid(), Some("u-1"));
        assert_eq!(room.taken(), 0);
        assert_eq!((refusal.outcome(), refusal.status().as_u16()), (Outcome::Panicked, 500));
        let mut response = refusal.into_response();
        let frame = poll_fn(|cx| hyper::body::Body::poll_frame(Pin::new(response.body_mut()), cx)).await;
        let body = frame.unwrap().unwrap().into_data().unwrap();
        assert_eq!(body, "a defect of secretfence kept it from judging this review; its log says where\n");
        assert!(judged(false).is_ok(), "the next one is judged");
    }

    /// A server, and a review over the length of those that are judged at once, whose answer is due now.
    fn late() -> (Server, Review) {
        let mut settings = Settings::new(
            CertificateSource::SelfSigned(SelfSigned::generate().unwrap()),
            PolicySource::Set(crate::policy_dir::built_in().into()),
        );
        settings.listen = ([127, 0, 0, 1], 0).into();
        settings.admin_listen = ([127, 0, 0, 1], 0).into();
        let mut body =
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"kind":"Other"}}}"#
                .to_vec();
        body.resize(INLINE_BYTES + 1, b' ');
        let endpoint = endpoint("/validate").unwrap();
        let review = Review {
            webhook: Webhook::of(endpoint),
            endpoint,
            deadline: Instant::now(),
            bytes: Contiguous::Piece(body.into()),
            place: Place::default(),
            namespace: None,
        };
        (Server::bind(settings).unwrap(), review)
    }

    #[tokio::test]
    async fn a_review_that_comes_late_is_told_of_with_its_uid() {
        let (server, review) = late();
        // All who judge are busy: it is not even begun.
        let busy = server.shared.judges.acquire_many(u32::try_from(big_judgements()).unwrap()).await.unwrap();
        let refusal = judge_apart(&server.shared, review).await.err().unwrap();
        assert_eq!((refusal.kind(), refusal.uid()), ("late", Some("u-1")));
        drop(busy);
        let (server, review) = late();
        let refusal = judge(&server.shared, review).err().unwrap();
        assert_eq!((refusal.kind(), refusal.uid()), ("late", Some("u-1")));
    }
}
