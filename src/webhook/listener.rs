//! Sockets: bound, accepted from, each connection in a task of its own.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{self, AbortHandle, JoinSet};

use super::error::ServeError;
use super::pulse::Pulse;
use super::shutdown::{Stage, reached};

/// Connections that the system holds for us until they are accepted.
const BACKLOG: u32 = 1024;

/// How long nothing is accepted after the system refused: it is out of files or memory, and asking on would burn CPU.
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

/// How many connections are served at a time.
pub(super) struct Places<N> {
    /// The most.
    pub(super) most: usize,
    /// Is told of each that is closed to make room for another one.
    pub(super) notice: N,
}

/// Accepts until told to close; then returns the connections that are still open. Where all places are taken, a new
/// connection takes that of the one whose end costs least, if there is one without a request under way.
pub(super) async fn accept<H, F, N>(
    listener: TcpListener,
    places: Places<N>,
    mut stage: watch::Receiver<Stage>,
    handle: H,
) -> JoinSet<()>
where
    H: Fn(TcpStream, SocketAddr, Arc<Pulse>) -> F,
    F: Future<Output = ()> + Send + 'static,
    N: Fn(),
{
    let mut connections = JoinSet::new();
    let mut open: HashMap<task::Id, (AbortHandle, Arc<Pulse>)> = HashMap::new();
    let mut waiting: Option<(TcpStream, SocketAddr)> = None;
    loop {
        if connections.len() < places.most
            && let Some((stream, peer)) = waiting.take()
        {
            let pulse = Arc::new(Pulse::new());
            let task = connections.spawn(handle(stream, peer, Arc::clone(&pulse)));
            open.insert(task.id(), (task, pulse));
        }
        if waiting.is_some() && make_room(&open) {
            (places.notice)();
        }
        tokio::select! {
            () = reached(&mut stage, Stage::Closing) => return connections,
            Some(ended) = connections.join_next_with_id() => {
                open.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            () = tokio::time::sleep(LOOK), if waiting.is_some() => {}
            accepted = listener.accept(), if waiting.is_none() => match accepted {
                Ok(accepted) => waiting = Some(accepted),
                Err(error) if belongs_to_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(error = &*error.to_string(), "cannot accept connections for the moment");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// Closes the connection whose end costs least; whether there is one.
fn make_room(open: &HashMap<task::Id, (AbortHandle, Arc<Pulse>)>) -> bool {
    let worth = open.values().filter_map(|(task, pulse)| Some((pulse.worth()?, task, pulse)));
    let Some((_, task, pulse)) = worth.min_by_key(|(worth, ..)| *worth) else { return false };
    if !pulse.ask_to_close() {
        task.abort();
    }
    true
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    /// As the system answers where IPv6 is missing, or off.
    fn without_ipv6(errno: Errno) -> impl Fn(SocketAddr) -> io::Result<TcpListener> {
        move |address| if address.is_ipv6() { Err(errno.into()) } else { listen(address) }
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
