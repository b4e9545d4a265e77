//! Bodies: one in, within its limits; one out, in one piece.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// What is set aside for a body before any of it has come: a length is a promise of the client's.
const FIRST_RESERVE: usize = 64 << 10;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It went over the limit.
    TooLarge,
    /// It did not come in time.
    TimedOut,
    /// It broke off.
    Broken,
}

/// A body on its way in.
#[derive(Debug)]
pub(super) struct Inbound {
    incoming: Incoming,
    /// Whether it was read to its end; hyper cannot tell for a chunked one.
    read: bool,
}

impl Inbound {
    /// Nothing of it is read.
    pub(super) fn new(incoming: Incoming) -> Inbound {
        Inbound { read: incoming.is_end_stream(), incoming }
    }

    /// How long it says it is.
    pub(super) fn announced(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// Whether some of it may still come.
    pub(super) fn is_left(&self) -> bool {
        !self.read
    }
}

/// Reads a body of at most `limit` bytes, in at most `time`.
pub(super) async fn read(body: &mut Inbound, limit: usize, time: Duration) -> Result<Bytes, BodyError> {
    let mut reading = Reading { parts: Vec::new(), first: None };
    // Most bodies have arrived with their head: the timer is made only for those that have not.
    let ready = poll_fn(|cx| Poll::Ready(reading.poll(body, limit, cx))).await;
    match ready {
        Poll::Ready(done) => done?,
        Poll::Pending => match timeout(time, poll_fn(|cx| reading.poll(body, limit, cx))).await {
            Ok(done) => done?,
            Err(_) => return Err(BodyError::TimedOut),
        },
    }
    Ok(reading.take())
}

struct Reading {
    /// A body that came in one piece is not copied.
    first: Option<Bytes>,
    parts: Vec<u8>,
}

impl Reading {
    fn poll(&mut self, body: &mut Inbound, limit: usize, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        loop {
            let frame = match Pin::new(&mut body.incoming).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    body.read = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(BodyError::Broken)),
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            // Trailers are passed by.
            let Ok(data) = frame.into_data() else { continue };
            let so_far = self.first.as_ref().map_or(self.parts.len(), Bytes::len);
            if so_far + data.len() > limit {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            self.add(data, body.incoming.size_hint().lower());
        }
    }

    fn add(&mut self, data: Bytes, rest: u64) {
        if self.first.is_none() && self.parts.is_empty() {
            self.first = Some(data);
            return;
        }
        if let Some(first) = self.first.take() {
            let rest = usize::try_from(rest).unwrap_or(usize::MAX).min(FIRST_RESERVE);
            self.parts.reserve(first.len() + data.len() + rest);
            self.parts.extend_from_slice(&first);
        }
        self.parts.extend_from_slice(&data);
    }

    fn take(self) -> Bytes {
        self.first.unwrap_or_else(|| self.parts.into())
    }
}

/// An answer's body, in one piece.
#[derive(Debug)]
pub(super) struct Whole(Option<Bytes>);

impl Whole {
    /// Of these bytes.
    pub(super) fn new(bytes: Bytes) -> Whole {
        Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
