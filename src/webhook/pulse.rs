//! What a connection is doing, and which one is closed when there are too many.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, OnceLock};
use std::task::Waker;

use tokio::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Shakes hands: not yet here.
    Handshake = 0,
    /// Waits for its first request.
    Fresh = 1,
    /// Has had a request, and waits for another.
    Idle = 2,
    /// Is sending the head of a request.
    Head = 3,
    /// Has a request under way: its handler keeps the time.
    Busy = 4,
    /// Is taking its answer.
    Answer = 5,
    /// Is being closed.
    Closing = 6,
}

/// The phase of a connection, shared by its socket, its handler and its clock, which all run in one task; and by whoever
/// looks for a connection to close.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Counts phases above the lowest three bits, which hold the phase.
    pub(super) episode: AtomicU32,
    /// When the phase began, in milliseconds since [`EPOCH`]: as the clock saw it, which is soon after.
    since: AtomicU64,
    /// Whether the client may still be sending when the connection closes.
    pub(super) linger: AtomicBool,
    /// Whether its place is wanted for another connection.
    pub(super) unwanted: AtomicBool,
    /// Wakes the connection, once it has shaken hands.
    pub(super) waker: OnceLock<Waker>,
}

/// An instant before every connection.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How readily a connection is closed for another one: the lesser, the sooner.
pub(super) type Worth = (u8, u64);

/// How long a client has for its first request before it is the first to go.
const FIRST_REQUEST: u64 = 1000;

impl Pulse {
    /// Of a connection that is made now.
    pub(super) fn new() -> Pulse {
        let pulse = Pulse::default();
        pulse.begin(Instant::now());
        pulse
    }

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

    /// How much would be lost by closing it; `None`: a request or an answer is under way, or it is being closed.
    ///
    /// First those that have never asked anything, or are slow to ask: strangers. Then those that rest, the longest
    /// first: they are API servers', which open another one. Last those that have just come.
    pub(super) fn worth(&self) -> Option<Worth> {
        let since = self.since.load(Relaxed);
        let lasted = milliseconds(Instant::now()).saturating_sub(since);
        match self.phase() {
            _ if self.unwanted.load(Relaxed) => None,
            Phase::Handshake | Phase::Fresh | Phase::Head if lasted >= FIRST_REQUEST => Some((0, since)),
            Phase::Idle => Some((1, since)),
            Phase::Handshake | Phase::Fresh => Some((2, since)),
            Phase::Head | Phase::Busy | Phase::Answer | Phase::Closing => None,
        }
    }

    /// Asks it to close if it still rests. `false`: it does not listen yet, and nothing is lost by cutting it.
    pub(super) fn ask_to_close(&self) -> bool {
        self.unwanted.store(true, Relaxed);
        match self.waker.get() {
            Some(waker) => {
                waker.wake_by_ref();
                true
            }
            None => false,
        }
    }

    /// A phase begins.
    pub(super) fn enter(&self, phase: Phase) {
        let episode = (self.episode.load(Relaxed) >> 3).wrapping_add(1);
        self.episode.store(episode << 3 | phase as u32, Relaxed);
    }

    /// The clock has seen the phase begin.
    pub(super) fn begin(&self, now: Instant) {
        self.since.store(milliseconds(now), Relaxed);
    }

    /// What it is doing.
    pub(super) fn phase(&self) -> Phase {
        match self.episode.load(Relaxed) & 7 {
            0 => Phase::Handshake,
            1 => Phase::Fresh,
            2 => Phase::Idle,
            3 => Phase::Head,
            4 => Phase::Busy,
            5 => Phase::Answer,
            _ => Phase::Closing,
        }
    }
}

fn milliseconds(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*EPOCH).as_millis()).unwrap_or(u64::MAX)
}
