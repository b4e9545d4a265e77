//! Sockets: bound, accepted from, each connection in a task of its own.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{self, AbortHandle, JoinSet};
use tokio::time::Instant;

use super::error::ServeError;
use super::pulse::Pulse;
use super::shutdown::{Stage, reached};

/// Connections that the system holds for us until they are accepted.
const BACKLOG: u32 = 1024;

/// How long nothing is accepted after the system refused, unless a connection ends: it is out of files or memory, and
/// asking on would burn CPU.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds an address. `[::]` takes IPv4 too, and is `0.0.0.0` where there is no IPv6.
pub(super) fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    bind_by(listen, flag, address)
}

fn bind_by(
    listen: impl Fn(SocketAddr) -> io::Result<TcpListener>,
    flag: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, ServeError> {
    let bound = match listen(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && lacks_ipv6(&error) => {
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    };
    bound.map_err(|source| ServeError::Listen { flag, address, source })
}

/// How often a connection to close is looked for while a new one waits.
const LOOK: Duration = Duration::from_millis(20);

/// How long a connection that was asked to close may take for it before another one is asked.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many connections are served at a time.
pub(super) struct Places<N> {
    /// The most.
    pub(super) most: usize,
    /// Is told when connections find no place.
    pub(super) notice: N,
}

/// Why connections find no place.
#[derive(Debug)]
pub(super) enum Shortage {
    /// All places were taken: a connection was closed for another one.
    Places,
    /// The system accepts none for the moment.
    System(io::Error),
}

/// Accepts until told to close; then returns the connections that are still open. Where all places are taken, or the
/// system has no file left, a new connection takes the place of the one whose end costs least, if there is one without
/// a request under way.
pub(super) async fn accept<H, F, N>(
    listener: TcpListener,
    places: Places<N>,
    mut stage: watch::Receiver<Stage>,
    handle: H,
) -> JoinSet<()>
where
    H: Fn(TcpStream, SocketAddr, Arc<Pulse>) -> F,
    F: Future<Output = ()> + Send + 'static,
    N: Fn(Shortage),
{
    let mut connections = JoinSet::new();
    let mut open = Open::default();
    let mut waiting: Option<(TcpStream, SocketAddr)> = None;
    let mut refused_until: Option<Instant> = None;
    loop {
        if connections.len() < places.most
            && let Some((stream, peer)) = waiting.take()
        {
            let pulse = Arc::new(Pulse::new());
            let task = connections.spawn(handle(stream, peer, Arc::clone(&pulse)));
            open.add(task, pulse);
        }
        if waiting.is_some() && open.make_room() {
            (places.notice)(Shortage::Places);
        }
        tokio::select! {
            () = reached(&mut stage, Stage::Closing) => return connections,
            Some(ended) = connections.join_next_with_id() => {
                open.remove(ended.map_or_else(|error| error.id(), |(id, ())| id));
                // Its file is free.
                refused_until = None;
            }
            () = tokio::time::sleep(LOOK), if waiting.is_some() => {}
            () = until(refused_until), if refused_until.is_some() => refused_until = None,
            accepted = listener.accept(), if waiting.is_none() && refused_until.is_none() => match accepted {
                Ok(accepted) => waiting = Some(accepted),
                Err(error) if belongs_to_one_connection(&error) => {}
                Err(error) => {
                    // Without a file to spare the system says so before it looks who waits: nobody is closed for nobody.
                    if somebody_waits(&listener) {
                        if lacks_files_or_memory(&error) {
                            open.make_room();
                        }
                        (places.notice)(Shortage::System(error));
                    }
                    refused_until = Some(Instant::now() + PAUSE);
                }
            },
        }
    }
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    connections: HashMap<task::Id, (AbortHandle, Arc<Pulse>)>,
    /// Who was asked to close, and when.
    asked: Option<(task::Id, Instant)>,
}

impl Open {
    fn add(&mut self, task: AbortHandle, pulse: Arc<Pulse>) {
        self.connections.insert(task.id(), (task, pulse));
    }

    fn remove(&mut self, ended: task::Id) {
        self.connections.remove(&ended);
    }

    /// Closes the connection whose end costs least; whether there is one. While one that was asked is about to close,
    /// no other is: one end is room for one.
    fn make_room(&mut self) -> bool {
        if self.is_about_to_close() {
            return false;
        }
        let worth = self.connections.iter().filter_map(|(id, (task, pulse))| Some((pulse.worth()?, *id, task, pulse)));
        let Some((_, id, task, pulse)) = worth.min_by_key(|(worth, ..)| *worth) else { return false };
        if !pulse.ask_to_close() {
            task.abort();
        }
        self.asked = Some((id, Instant::now()));
        true
    }

    /// Whether the one that was asked has not ended yet, but will: a request may have come to it, and then it stays.
    fn is_about_to_close(&self) -> bool {
        let Some((id, at)) = self.asked else { return false };
        let Some((_, pulse)) = self.connections.get(&id) else { return false };
        pulse.unwanted.load(Relaxed) && at.elapsed() < PATIENCE
    }
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn belongs_to_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Whether a connection is there to be accepted.
fn somebody_waits(listener: &TcpListener) -> bool {
    let mut asked = [PollFd::new(listener, PollFlags::IN)];
    rustix::event::poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Whether the end of a connection helps.
fn lacks_files_or_memory(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::pulse::Phase;
    use rustix::io::Errno;
    use std::task::Waker;

    /// As the system answers where IPv6 is missing, or off.
    fn without_ipv6(errno: Errno) -> impl Fn(SocketAddr) -> io::Result<TcpListener> {
        move |address| if address.is_ipv6() { Err(errno.into()) } else { listen(address) }
    }

    /// Connections that rest and hear that they shall close, the first one longest; none of them does.
    async fn that_rest(count: u64) -> (Open, Vec<(task::Id, Arc<Pulse>)>) {
        let (mut open, mut pulses) = (Open::default(), Vec::new());
        for _ in 0..count {
            let pulse = Arc::new(Pulse::new());
            pulse.enter(Phase::Idle);
            pulse.waker.set(Waker::noop().clone()).unwrap();
            let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
            pulses.push((task.id(), Arc::clone(&pulse)));
            open.add(task, pulse);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (open, pulses)
    }

    fn asked(pulses: &[(task::Id, Arc<Pulse>)]) -> Vec<bool> {
        pulses.iter().map(|(_, pulse)| pulse.unwanted.load(Relaxed)).collect()
    }

    #[tokio::test]
    async fn one_connection_is_asked_to_make_room_and_no_other_until_it_has_ended() {
        let (mut open, pulses) = that_rest(3).await;
        assert!(open.make_room());
        assert!(!open.make_room());
        assert_eq!(asked(&pulses), [true, false, false]);
        open.remove(pulses[0].0);
        assert!(open.make_room());
        assert!(!open.make_room());
        assert_eq!(asked(&pulses), [true, true, false]);
    }

    #[tokio::test]
    async fn another_one_is_asked_where_the_first_one_takes_long_or_has_a_request() {
        let (mut open, pulses) = that_rest(3).await;
        assert!(open.make_room());
        tokio::time::sleep(PATIENCE).await;
        assert!(open.make_room(), "it took long");
        assert_eq!(asked(&pulses), [true, true, false]);
        pulses[1].1.request();
        pulses[1].1.unwanted.store(false, Relaxed);
        assert!(open.make_room(), "a request came to it");
        assert_eq!(asked(&pulses), [true, false, true]);
        tokio::time::sleep(PATIENCE).await;
        assert!(!open.make_room(), "none is left that rests");
    }

    #[tokio::test]
    async fn the_unspecified_address_is_that_of_ipv4_where_there_is_no_ipv6() {
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            let listener = bind_by(without_ipv6(errno), "--listen", "[::]:0".parse().unwrap()).unwrap();
            assert_eq!(listener.local_addr().unwrap().ip(), Ipv4Addr::UNSPECIFIED);
        }
    }

    #[tokio::test]
    async fn an_address_that_was_meant_is_an_error_where_it_cannot_be_had() {
        for (errno, address) in
            [(Errno::AFNOSUPPORT, "[::1]:0"), (Errno::ADDRINUSE, "[::]:0"), (Errno::ACCESS, "[::]:0")]
        {
            let error = bind_by(without_ipv6(errno), "--listen", address.parse().unwrap()).unwrap_err();
            assert!(error.to_string().contains("--listen"), "{error}");
        }
    }
}
