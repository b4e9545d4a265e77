//! What a Service does: one address before several replicas, and new connections only to those that are ready.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::webhook::Webhook;

/// How often the kubelet asks here, far faster than in a cluster: what is tested does not wait for it.
const PROBE: Duration = Duration::from_millis(100);

/// An address that leads to the replicas which are ready. It is taken away when this is dropped.
pub struct Service {
    pub port: u16,
    endpoints: Arc<Endpoints>,
}

#[derive(Default)]
struct Endpoints {
    replicas: Mutex<Vec<Endpoint>>,
    /// Connections that were led on, in all: they go round.
    led: AtomicUsize,
    is_over: AtomicBool,
}

struct Endpoint {
    webhook: Arc<Webhook>,
    is_ready: bool,
    led: usize,
}

impl Service {
    pub fn start() -> Service {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let service = Service { port: listener.local_addr().unwrap().port(), endpoints: Arc::default() };
        let endpoints = Arc::clone(&service.endpoints);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if endpoints.is_over.load(Ordering::SeqCst) {
                    break;
                }
                endpoints.lead(&client);
            }
        });
        let endpoints = Arc::clone(&service.endpoints);
        std::thread::spawn(move || {
            while !endpoints.is_over.load(Ordering::SeqCst) {
                endpoints.probe();
                std::thread::sleep(PROBE);
            }
        });
        service
    }

    /// One more replica, ready or not.
    pub fn add(&self, webhook: Arc<Webhook>) {
        self.endpoints.all().push(Endpoint { webhook, is_ready: false, led: 0 });
        self.endpoints.probe();
    }

    /// What a pod that is being deleted is: no endpoint, while it may serve on.
    pub fn remove(&self, webhook: &Arc<Webhook>) {
        self.endpoints.all().retain(|endpoint| !Arc::ptr_eq(&endpoint.webhook, webhook));
    }

    /// How many connections each replica got.
    pub fn led(&self) -> Vec<usize> {
        self.endpoints.all().iter().map(|endpoint| endpoint.led).collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.endpoints.is_over.store(true, Ordering::SeqCst);
        // Wakes who listens.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Endpoints {
    /// Asks every replica, without holding up those who connect.
    fn probe(&self) {
        let replicas: Vec<_> = self.all().iter().map(|endpoint| Arc::clone(&endpoint.webhook)).collect();
        for webhook in replicas {
            let is_ready = webhook.admin("/readyz").is_some_and(|(status, _)| status == 200);
            for endpoint in self.all().iter_mut().filter(|endpoint| Arc::ptr_eq(&endpoint.webhook, &webhook)) {
                endpoint.is_ready = is_ready;
            }
        }
    }

    /// To the next ready one. One that takes no connection is passed over, as it is by proxies that see that; where packets
    /// are only rewritten, the API server is refused until the endpoint goes.
    fn lead(&self, client: &TcpStream) {
        let count = self.all().len();
        for _ in 0..count {
            let port = {
                let mut replicas = self.all();
                let mut ready: Vec<_> = replicas.iter_mut().filter(|endpoint| endpoint.is_ready).collect();
                let next = self.led.fetch_add(1, Ordering::Relaxed);
                let Some(place) = next.checked_rem(ready.len()) else { return };
                ready[place].led += 1;
                ready[place].webhook.port
            };
            if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                for (from, to) in [(client, &server), (&server, client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
                    std::thread::spawn(move || pass(from, to));
                }
                return;
            }
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Endpoint>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until either side is at its end: what one of them closes is closed for the other, and a reset ends both.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0; 16 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break drop(to.shutdown(Shutdown::Write)),
            Ok(count) if to.write_all(&piece[..count]).is_ok() => {}
            _ => {
                let _ = from.shutdown(Shutdown::Both);
                break drop(to.shutdown(Shutdown::Both));
            }
        }
    }
}
