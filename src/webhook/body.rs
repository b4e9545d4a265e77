//! Bodies: one in, within its limits; one out, in one piece.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::room::{Claim, Place, Room, SMALL};

/// How slow a client may be: after this, a body must have come at [`RATE`] on the average of all further time.
/// Long enough for a lost packet or two to be sent again.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes a second. An API server is a thousand times as fast; who is slower holds room that others wait for.
const RATE: usize = 64 << 10;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It went over the limit.
    TooLarge,
    /// It came too slowly.
    TooSlow,
    /// It had not come when the answer was due.
    Late,
    /// There was no room for it in time.
    NoRoom,
    /// It broke off.
    Broken,
}

/// A body on its way in.
#[derive(Debug)]
pub(super) struct Inbound {
    incoming: Incoming,
    /// How long it says it is; a chunked one does not say.
    announced: Option<u64>,
    /// Whether it was read to its end; hyper cannot tell for a chunked one.
    read: bool,
}

impl Inbound {
    /// Nothing of it is read.
    pub(super) fn new(incoming: Incoming) -> Inbound {
        Inbound { read: incoming.is_end_stream(), announced: incoming.size_hint().exact(), incoming }
    }

    /// How long it says it is.
    pub(super) fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// Whether some of it may still come.
    pub(super) fn is_left(&self) -> bool {
        !self.read
    }

    /// What it may take from for its bytes up to a length.
    fn claim(&self, length: usize) -> Claim {
        Claim {
            small: self.announced.is_some_and(|announced| announced <= SMALL as u64),
            whole: self.announced == Some(length as u64),
        }
    }
}

/// What a body is read by.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    /// Where it takes room.
    pub(super) room: &'a Room,
    /// The most bytes.
    pub(super) limit: usize,
    /// The most time that the client may take to send it.
    pub(super) time: Duration,
    /// When the answer is due.
    pub(super) deadline: Instant,
    /// Where its pieces are joined.
    pub(super) buffers: &'a Arc<Buffers>,
}

/// Reads a body, and takes room for it as it comes.
pub(super) async fn read(body: &mut Inbound, terms: &Terms<'_>) -> Result<(Contiguous, Place), BodyError> {
    let mut pieces = Pieces::default();
    // Most bodies have arrived with their head: timers are made only for those that have not.
    match poll_fn(|cx| Poll::Ready(pieces.poll(body, terms, cx))).await {
        Poll::Ready(Ok(Step::End)) => {}
        Poll::Ready(Err(error)) => return Err(error),
        Poll::Ready(Ok(Step::Full)) | Poll::Pending => Box::pin(read_on(&mut pieces, body, terms)).await?,
    }
    Ok(pieces.join(terms.buffers))
}

/// Reads the rest of a body that has not come at once, or that found no room.
async fn read_on(pieces: &mut Pieces, body: &mut Inbound, terms: &Terms<'_>) -> Result<(), BodyError> {
    let mut pace = Pace { begun: Instant::now(), most: terms.time };
    let mut timer = pin!(sleep_until(pace.end(pieces.length).min(terms.deadline)));
    loop {
        if let Some(piece) = pieces.waiting.take() {
            let asked = Instant::now();
            let claim = body.claim(pieces.length + piece.len());
            if !terms.room.grow(&mut pieces.place, piece.len(), claim, terms.deadline).await {
                return Err(BodyError::NoRoom);
            }
            pieces.add(piece);
            // While it waited nothing was read, however fast the client is.
            pace.begun += asked.elapsed();
        }
        let step = poll_fn(|cx| {
            if let Poll::Ready(step) = pieces.poll(body, terms, cx) {
                return Poll::Ready(step);
            }
            // The end moves on as bytes come: where the timer rings early, it is set anew.
            while timer.as_mut().poll(cx).is_ready() {
                let (now, end) = (Instant::now(), pace.end(pieces.length));
                if now >= terms.deadline {
                    return Poll::Ready(Err(BodyError::Late));
                }
                if now >= end {
                    return Poll::Ready(Err(BodyError::TooSlow));
                }
                timer.as_mut().reset(end.min(terms.deadline));
            }
            Poll::Pending
        });
        match step.await? {
            Step::End => return Ok(()),
            Step::Full => {}
        }
    }
}

/// How fast a client must be.
struct Pace {
    begun: Instant,
    most: Duration,
}

impl Pace {
    /// When a body of which so much has come is too slow.
    fn end(&self, length: usize) -> Instant {
        let earned = Duration::from_secs_f64(length as f64 / RATE as f64);
        self.begun + self.most.min(GRACE + earned)
    }
}

/// How far a body was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// To its end.
    End,
    /// There is no room for the piece that waits.
    Full,
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
    /// Room for all of it.
    place: Place,
    /// Came, and found no room.
    waiting: Option<Bytes>,
}

impl Pieces {
    fn poll(&mut self, body: &mut Inbound, terms: &Terms<'_>, cx: &mut Context<'_>) -> Poll<Result<Step, BodyError>> {
        loop {
            let frame = match Pin::new(&mut body.incoming).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    body.read = true;
                    return Poll::Ready(Ok(Step::End));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(BodyError::Broken)),
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            // Trailers are passed by.
            let Ok(piece) = frame.into_data() else { continue };
            let length = self.length + piece.len();
            if length > terms.limit {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            if !terms.room.try_grow(&mut self.place, piece.len(), body.claim(length)) {
                self.waiting = Some(piece);
                return Poll::Ready(Ok(Step::Full));
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

    fn join(mut self, buffers: &Arc<Buffers>) -> (Contiguous, Place) {
        if self.whole.len() <= 1 && self.small.is_empty() {
            return (Contiguous::Piece(self.whole.pop().unwrap_or_default()), self.place);
        }
        let mut bytes = buffers.take();
        bytes.reserve(self.length);
        for piece in self.whole {
            bytes.extend_from_slice(&piece);
        }
        bytes.extend_from_slice(&self.small);
        (Contiguous::Joined(Joined { bytes, buffers: Arc::clone(buffers) }), self.place)
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
