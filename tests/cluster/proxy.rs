//! A way to the API server that can be cut, go dead and be slow.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes are looked for and passed on in pieces of this.
const PIECE: usize = 4096;

#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// What is open. Those of an older age pass nothing on any more, in neither direction.
    open: Mutex<Vec<TcpStream>>,
    age: AtomicUsize,
    is_cut: Mutex<bool>,
    /// Of each connection, in bytes a second; 0: as fast as it can.
    rate: AtomicU64,
}

impl Proxy {
    /// To a port of this machine.
    pub fn start(target: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Who cannot be led on is closed, which the client sees.
                drop(state.lead(client, target));
            }
        });
        proxy
    }

    /// Closes all connections, and every new one, until [`Proxy::heal`].
    pub fn cut(&self) {
        *self.state.is_cut.lock().unwrap() = true;
        self.close();
    }

    /// Closes all connections, and takes new ones.
    pub fn close(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Every connection that is open stays so, and nothing comes through it ever again.
    pub fn deaden(&self) {
        self.state.age.fetch_add(1, Ordering::SeqCst);
    }

    /// No faster than so many bytes a second on each connection.
    pub fn slow(&self, rate: u64) {
        self.state.rate.store(rate, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        *self.state.is_cut.lock().unwrap() = false;
        self.slow(0);
    }
}

impl State {
    fn lead(self: &Arc<Self>, client: TcpStream, target: u16) -> std::io::Result<()> {
        let mut open = self.open.lock().unwrap();
        if *self.is_cut.lock().unwrap() {
            return Ok(());
        }
        let server = TcpStream::connect(("127.0.0.1", target))?;
        let age = self.age.load(Ordering::SeqCst);
        for (from, to) in [(&client, &server), (&server, &client)] {
            open.push(from.try_clone()?);
            let (from, to, state) = (from.try_clone()?, to.try_clone()?, Arc::clone(self));
            std::thread::spawn(move || drop(state.pass(from, to, age)));
        }
        Ok(())
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, age: usize) -> std::io::Result<()> {
        from.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut piece = [0; PIECE];
        loop {
            if self.age.load(Ordering::SeqCst) != age {
                // Held, and not looked at.
                std::thread::sleep(Duration::from_secs(600));
            }
            let count = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) => return Err(error),
            };
            // What came as it went dead is gone.
            if self.age.load(Ordering::SeqCst) == age {
                to.write_all(&piece[..count])?;
            }
            let rate = self.rate.load(Ordering::SeqCst);
            if let Some(micros) = (count as u64 * 1_000_000).checked_div(rate) {
                std::thread::sleep(Duration::from_micros(micros));
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        Ok(())
    }
}
