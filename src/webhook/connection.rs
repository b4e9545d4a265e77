//! One connection: how long it may rest, talk and take its answer.
//!
//! hyper's own header timeout runs on idle connections too and allocates a timer per request. Here a connection has one
//! timer, touched only when it rests or stalls.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::settings::Limits;
use super::shutdown::{Stage, reached};

/// How long a connection that is being closed may go on sending what nobody reads. Closing on unread bytes would
/// reset the connection, and the client might never see the answer.
const LINGER: Duration = Duration::from_secs(2);

/// What is read at a time, a whole TLS record; and the longest head.
pub(super) const MAX_BUFFER: usize = 16 << 10;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for a request.
    Idle = 0,
    /// Is sending the head of a request.
    Head = 1,
    /// Has a request under way: its handler keeps the time.
    Busy = 2,
    /// Is taking its answer.
    Answer = 3,
    /// Is being closed.
    Closing = 4,
}

/// The phase of a connection, shared by its socket, its handler and its clock, which all run in one task.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Counts phases above the lowest three bits, which hold the phase.
    episode: AtomicU32,
    /// Whether the client may still be sending when the connection closes.
    linger: AtomicBool,
}

impl Pulse {
    /// The handler has a request.
    pub(super) fn request(&self) {
        self.enter(Phase::Busy);
    }

    /// The handler has answered.
    pub(super) fn answered(&self) {
        self.enter(Phase::Answer);
    }

    /// The answer leaves a body unread, and the connection will be closed.
    pub(super) fn leave_body(&self) {
        self.linger.store(true, Relaxed);
    }

    fn enter(&self, phase: Phase) {
        let episode = (self.episode.load(Relaxed) >> 3).wrapping_add(1);
        self.episode.store(episode << 3 | phase as u32, Relaxed);
    }

    fn phase(&self) -> Phase {
        match self.episode.load(Relaxed) & 7 {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            3 => Phase::Answer,
            _ => Phase::Closing,
        }
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By either side, in order.
    Closed,
    /// It rested, talked or listened for too long.
    TimedOut,
    /// Broken, or no HTTP/1.
    Broken(hyper::Error),
}

/// Serves HTTP/1 on a stream until it ends, stalls, or the server closes.
pub(super) async fn serve<S, T, B>(
    stream: T,
    pulse: Arc<Pulse>,
    service: S,
    limits: &Limits,
    mut stage: watch::Receiver<Stage>,
) -> Ended
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let watched = Watched { stream, pulse: Arc::clone(&pulse), shut: false };
    let mut connection = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(watched), service);
    let mut closing = pin!(reached(&mut stage, Stage::Closing));
    let mut told = false;
    let mut clock = pin!(Clock::new(&pulse, limits));
    let ended = poll_fn(|cx| {
        if !told && closing.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ended::Closed),
            Poll::Ready(Err(error)) => return Poll::Ready(Ended::Broken(error)),
            Poll::Pending => {}
        }
        ready!(clock.as_mut().poll(cx));
        if pulse.phase() != Phase::Idle {
            return Poll::Ready(Ended::TimedOut);
        }
        // Nobody waits for anything: closed in order.
        Pin::new(&mut connection).graceful_shutdown();
        pulse.enter(Phase::Closing);
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    if let Ended::Broken(error) = &ended
        && error.is_parse()
    {
        // hyper has answered, and leaves the rest of a head that it did not understand.
        pulse.leave_body();
        let mut stream = connection.into_parts().io.into_inner();
        // An error or the end of the time: the connection is broken anyway.
        let _ = tokio::time::timeout(LINGER, stream.shutdown()).await;
    }
    ended
}

/// Ends when the phase has lasted too long.
struct Clock<'a> {
    pulse: &'a Pulse,
    limits: &'a Limits,
    episode: u32,
    deadline: Option<Instant>,
    /// Never later than the deadline; it may ring early.
    timer: Pin<Box<tokio::time::Sleep>>,
    started: bool,
}

impl<'a> Clock<'a> {
    fn new(pulse: &'a Pulse, limits: &'a Limits) -> Self {
        let deadline = Instant::now() + limits.idle_timeout;
        Clock {
            pulse,
            limits,
            episode: 0,
            deadline: Some(deadline),
            timer: Box::pin(sleep_until(deadline)),
            started: false,
        }
    }

    fn limit(&self) -> Option<Duration> {
        match self.pulse.phase() {
            Phase::Idle => Some(self.limits.idle_timeout),
            Phase::Head => Some(self.limits.header_timeout),
            Phase::Busy => None,
            Phase::Answer => Some(self.limits.body_timeout),
            Phase::Closing => Some(LINGER),
        }
    }
}

impl Future for Clock<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let episode = this.pulse.episode.load(Relaxed);
        if episode != this.episode {
            this.episode = episode;
            this.deadline = this.limit().map(|limit| Instant::now() + limit);
        }
        let Some(deadline) = this.deadline else { return Poll::Pending };
        let earlier = deadline < this.timer.deadline();
        if earlier {
            this.timer.as_mut().reset(deadline);
        }
        // The timer wakes this task, always the same one: it is enough to ask it once after each reset.
        if this.started && !earlier && !this.timer.is_elapsed() {
            return Poll::Pending;
        }
        this.started = true;
        while this.timer.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            this.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// The stream as hyper sees it: what passes tells the phase.
struct Watched<T> {
    stream: T,
    pulse: Arc<Pulse>,
    shut: bool,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before && self.pulse.phase() == Phase::Idle {
            self.pulse.enter(Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.pulse.phase() == Phase::Answer {
            self.pulse.enter(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pulse.phase() != Phase::Closing {
            self.pulse.enter(Phase::Closing);
        }
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        if !self.pulse.linger.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let mut sink = [0; 8 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut sink);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
