//! Sockets: bound, accepted from, each connection in a task of its own.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::error::ServeError;
use super::shutdown::{Stage, reached};

/// Connections that the system holds for us until they are accepted.
const BACKLOG: u32 = 1024;

/// How long nothing is accepted after the system refused: it is out of files or memory, and asking on would burn CPU.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds an address. `[::]` takes IPv4 too, and is `0.0.0.0` where there is no IPv6.
pub(super) fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    let bound = match listen(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && lacks_ipv6(&error) => {
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    };
    bound.map_err(|source| ServeError::Listen { flag, address, source })
}

/// Accepts until told to close, at most `most` at a time; then returns the connections that are still open.
pub(super) async fn accept<H, F>(
    listener: TcpListener,
    most: usize,
    mut stage: watch::Receiver<Stage>,
    handle: H,
) -> JoinSet<()>
where
    H: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        tokio::select! {
            () = reached(&mut stage, Stage::Closing) => return connections,
            Some(_) = connections.join_next() => {}
            (place, accepted) = next => match accepted {
                Ok((stream, peer)) => {
                    let handled = handle(stream, peer);
                    connections.spawn(async move {
                        handled.await;
                        drop(place);
                    });
                }
                Err(error) if belongs_to_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(error = &*error.to_string(), "cannot accept connections for the moment");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
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
