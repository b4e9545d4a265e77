//! Bodies: one in, within its limits; one out, in one piece.

use std::convert::Infallible;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

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
pub(super) async fn read(
    body: &mut Inbound,
    limit: usize,
    time: Duration,
    buffers: &Arc<Buffers>,
) -> Result<Contiguous, BodyError> {
    let mut pieces = Pieces::default();
    // Most bodies have arrived with their head: the timer is made only for those that have not.
    let ready = poll_fn(|cx| Poll::Ready(pieces.poll(body, limit, cx))).await;
    match ready {
        Poll::Ready(done) => done?,
        Poll::Pending => match timeout(time, poll_fn(|cx| pieces.poll(body, limit, cx))).await {
            Ok(done) => done?,
            Err(_) => return Err(BodyError::TimedOut),
        },
    }
    Ok(pieces.join(buffers))
}

/// A piece under this is copied: each pins the buffer of up to [`MAX_BUFFER`](super::connection::MAX_BUFFER) bytes that
/// it was read into, and a client chooses how small they are.
const SMALL_PIECE: usize = 8 << 10;

/// What has come of a body. Nothing is set aside for what is only announced.
///
/// Pieces are joined at the end, into a buffer that is warm from the last body: sixteen buffers that fill in turn would
/// each be cold, and cost a third of the whole request at 225 KB.
#[derive(Debug, Default)]
struct Pieces {
    /// In order.
    whole: Vec<Bytes>,
    /// Small ones that came last.
    small: Vec<u8>,
    length: usize,
}

impl Pieces {
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
            let Ok(piece) = frame.into_data() else { continue };
            if self.length + piece.len() > limit {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            self.add(piece);
        }
    }

    fn add(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() < SMALL_PIECE && !self.whole.is_empty() {
            self.small.extend_from_slice(&piece);
            return;
        }
        if !self.small.is_empty() {
            self.whole.push(std::mem::take(&mut self.small).into());
        }
        self.whole.push(piece);
    }

    fn join(mut self, buffers: &Arc<Buffers>) -> Contiguous {
        if self.whole.len() <= 1 && self.small.is_empty() {
            return Contiguous::Piece(self.whole.pop().unwrap_or_default());
        }
        let mut bytes = buffers.take();
        bytes.reserve(self.length);
        for piece in self.whole {
            bytes.extend_from_slice(&piece);
        }
        bytes.extend_from_slice(&self.small);
        Contiguous::Joined(Joined { bytes, buffers: Arc::clone(buffers) })
    }
}

/// A body in one piece.
#[derive(Debug)]
pub(super) enum Contiguous {
    /// As it came.
    Piece(Bytes),
    /// Made from several.
    Joined(Joined),
}

impl Deref for Contiguous {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Contiguous::Piece(bytes) => bytes,
            Contiguous::Joined(joined) => &joined.bytes,
        }
    }
}

/// A body in a buffer that goes back when it is done with.
#[derive(Debug)]
pub(super) struct Joined {
    bytes: Vec<u8>,
    buffers: Arc<Buffers>,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.bytes));
    }
}

/// Buffers to join bodies in; the one that was used last is taken first.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// What is kept between requests stays below 2 MiB.
    const COUNT: usize = 4;
    const BYTES: usize = 512 << 10;

    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() > Self::BYTES {
            return;
        }
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < Self::COUNT {
            kept.push(buffer);
        }
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
