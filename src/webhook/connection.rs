//! One connection: how long it may rest, talk and take its answer.
//!
//! hyper's own header timeout runs on idle connections too and allocates a timer per request. Here a connection has one
//! timer, touched only when it rests or stalls.
//!
//! What is no HTTP/1 hyper answers by itself, with 400 or 431 and an empty body: it lets nobody add a sentence. No review
//! is answered so, as nothing that an API server sends fails to parse.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::pulse::{Phase, Pulse};
use super::settings::Limits;
use super::shutdown::{Stage, reached};

/// How long a connection that is being closed may go on sending what nobody reads. Closing on unread bytes would
/// reset the connection, and the client might never see the answer.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// What is read at a time, a whole TLS record; and the longest head.
pub(super) const MAX_BUFFER: usize = 16 << 10;

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
    pulse.enter(Phase::Fresh);
    let watched = Watched { stream, pulse: Arc::clone(&pulse), shut: false };
    let mut connection = http1(TokioIo::new(watched), service);
    let mut closing = pin!(reached(&mut stage, Stage::Closing));
    let mut told = false;
    let mut clock = pin!(Clock::new(&pulse, limits));
    let ended = loop {
        let rested = poll_fn(|cx| {
            pulse.waker.get_or_init(|| cx.waker().clone());
            if !told && closing.as_mut().poll(cx).is_ready() {
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            match Pin::new(&mut connection).poll(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Some(Ended::Closed)),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Ended::Broken(error))),
                Poll::Pending => {}
            }
            let phase = pulse.phase();
            if pulse.unwanted.load(Relaxed) {
                match phase {
                    Phase::Fresh | Phase::Idle => {
                        close_in_order(Pin::new(&mut connection), &pulse, cx);
                        return Poll::Pending;
                    }
                    Phase::Head => return Poll::Ready(Some(Ended::TimedOut)),
                    // It was asked while a request came: it is not one that rests, and stays.
                    Phase::Busy | Phase::Answer => pulse.unwanted.store(false, Relaxed),
                    Phase::Handshake | Phase::Closing => {}
                }
            }
            match (ready!(clock.as_mut().poll(cx)), phase) {
                (Rang::Look, _) => return Poll::Ready(None),
                // Nobody waits for anything: closed in order.
                (Rang::End, Phase::Fresh | Phase::Idle) => close_in_order(Pin::new(&mut connection), &pulse, cx),
                (Rang::End, _) => return Poll::Ready(Some(Ended::TimedOut)),
            }
            Poll::Pending
        })
        .await;
        if let Some(ended) = rested {
            break ended;
        }
        // Part of a second head may have come with the first request. hyper has it and keeps no time for it, and only
        // by taking the connection apart can it be seen. Nothing else is in it: the last answer is written.
        let parts = connection.into_parts();
        connection = http1(parts.io, parts.service);
        if !parts.read_buf.is_empty() {
            break Ended::TimedOut;
        }
    };
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

fn http1<T, S, B>(io: TokioIo<Watched<T>>, service: S) -> http1::Connection<TokioIo<Watched<T>>, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    http1::Builder::new().header_read_timeout(None).max_buf_size(MAX_BUFFER).serve_connection(io, service)
}

/// Lets a connection that rests end.
fn close_in_order<T, S, B>(
    connection: Pin<&mut http1::Connection<TokioIo<Watched<T>>, S>>,
    pulse: &Pulse,
    cx: &Context<'_>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    connection.graceful_shutdown();
    pulse.enter(Phase::Closing);
    cx.waker().wake_by_ref();
}

/// Why a clock rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rang {
    /// The phase has lasted too long.
    End,
    /// It has rested for the time of a head: what rests may be half of one.
    Look,
}

/// Rings when the phase has lasted too long.
struct Clock<'a> {
    pulse: &'a Pulse,
    limits: &'a Limits,
    episode: u32,
    deadline: Option<Instant>,
    /// Whether the deadline is that of a look, and what is left to rest after it.
    look: Option<Duration>,
    /// Never later than the deadline; it may ring early.
    timer: Pin<Box<tokio::time::Sleep>>,
    started: bool,
}

impl<'a> Clock<'a> {
    fn new(pulse: &'a Pulse, limits: &'a Limits) -> Self {
        let episode = pulse.episode.load(Relaxed);
        let mut clock = Clock {
            pulse,
            limits,
            episode,
            deadline: None,
            look: None,
            timer: Box::pin(sleep_until(Instant::now() + limits.header_timeout)),
            started: false,
        };
        clock.set();
        clock
    }

    /// Sets the deadline of the phase that has begun.
    fn set(&mut self) {
        let now = Instant::now();
        self.pulse.begin(now);
        self.look = None;
        let limit = match self.pulse.phase() {
            Phase::Handshake | Phase::Head => Some(self.limits.header_timeout),
            // Dialled ahead, perhaps: a request may come to it as to any that rests.
            Phase::Fresh => Some(self.limits.idle_timeout),
            Phase::Idle => {
                self.look = self.limits.idle_timeout.checked_sub(self.limits.header_timeout);
                Some(self.limits.idle_timeout.min(self.limits.header_timeout))
            }
            Phase::Busy => None,
            Phase::Answer => Some(self.limits.body_timeout),
            Phase::Closing => Some(LINGER),
        };
        self.deadline = limit.map(|limit| now + limit);
    }
}

impl Future for Clock<'_> {
    type Output = Rang;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Rang> {
        let this = &mut *self;
        let episode = this.pulse.episode.load(Relaxed);
        if episode != this.episode {
            this.episode = episode;
            this.set();
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
            if deadline > Instant::now() {
                this.timer.as_mut().reset(deadline);
                continue;
            }
            let Some(rest) = this.look.take() else { return Poll::Ready(Rang::End) };
            this.deadline = Some(deadline + rest);
            this.timer.as_mut().reset(deadline + rest);
            this.started = false;
            return Poll::Ready(Rang::Look);
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
        if buffer.filled().len() > before && matches!(self.pulse.phase(), Phase::Fresh | Phase::Idle) {
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
