//! The stages of an orderly end.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Not begun.
    Serving = 0,
    /// Unready, and what comes is answered as before, each connection for the last time: a Service sends on to it for some
    /// seconds. To tell callers to come again would cost a second of the two that a mutating call has, and two replicas that
    /// end at a time would cost it both.
    Leaving = 1,
    /// No new connections; each one ends with the answer that is under way. What comes in between is told to come again.
    Closing = 2,
}

/// The stage, to be read by every request and waited for by every connection.
#[derive(Debug)]
pub(super) struct Shutdown {
    /// The same as in the channel, to be read without a lock.
    now: AtomicU8,
    channel: watch::Sender<Stage>,
}

impl Shutdown {
    /// Nothing ends yet.
    pub(super) fn new() -> Shutdown {
        Shutdown { now: AtomicU8::new(Stage::Serving as u8), channel: watch::Sender::new(Stage::Serving) }
    }

    /// Whether it has not begun: connections are kept.
    pub(super) fn is_serving(&self) -> bool {
        self.now.load(Relaxed) == Stage::Serving as u8
    }

    /// Whether what comes now is still answered.
    pub(super) fn answers(&self) -> bool {
        self.now.load(Relaxed) < Stage::Closing as u8
    }

    /// Goes on to a stage.
    pub(super) fn enter(&self, stage: Stage) {
        self.now.store(stage as u8, Relaxed);
        self.channel.send_replace(stage);
    }

    /// To wait for a stage.
    pub(super) fn watch(&self) -> watch::Receiver<Stage> {
        self.channel.subscribe()
    }
}

/// Waits for a stage. A server that is gone has reached every stage.
pub(super) async fn reached(channel: &mut watch::Receiver<Stage>, stage: Stage) {
    // The guard that is returned must not live on: it holds a lock.
    drop(channel.wait_for(|now| *now >= stage).await);
}
