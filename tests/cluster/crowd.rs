//! A cluster with much in it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::{Reply, path};
use crate::control_plane::{ADMIN, ControlPlane, eventually};

/// Who fill it, each on a connection of their own.
const CLIENTS: usize = 8;
/// Every so many Secrets there is one that was copied.
const COPIES: usize = 10;

pub struct Crowd {
    /// The beginning of the namespaces' names.
    pub prefix: &'static str,
    pub namespaces: usize,
    pub secrets: usize,
    pub accounts: usize,
    pub bindings: usize,
}

impl Crowd {
    pub fn namespace(&self, number: usize) -> String {
        format!("{}-{:03}", self.prefix, number % self.namespaces)
    }

    /// In [`Crowd::namespace`] of the same number.
    pub fn secret(number: usize) -> String {
        format!("credentials-{number:05}-x7k2m")
    }

    pub fn is_copy(number: usize) -> bool {
        number.is_multiple_of(COPIES)
    }

    /// In [`Crowd::namespace`] of the same number.
    pub fn account(number: usize) -> String {
        format!("worker-{number:04}")
    }

    /// Whom a binding is for, and so a number of an account; it is in another namespace.
    pub fn bound(&self, binding: usize) -> usize {
        (binding + 1 + 37 * (binding / self.accounts)) % self.accounts
    }

    /// A third of the bindings give nothing that counts.
    pub fn role(binding: usize) -> &'static str {
        ["view", "edit", "admin"][binding % 3]
    }

    /// Whether an account reaches other namespaces by one of these bindings.
    pub fn reaches(&self, account: usize, holds: impl Fn(usize) -> bool) -> bool {
        (0..self.bindings).any(|number| self.bound(number) == account && Crowd::role(number) != "view" && holds(number))
    }

    pub fn binding(&self, number: usize) -> Value {
        let account = self.bound(number);
        let role = Crowd::role(number);
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("worker-binding-{number:05}"), "namespace": self.namespace(number)},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "namespace": self.namespace(account), "name": Crowd::account(account)}],
        })
    }

    /// Makes all of it. How long that took.
    pub fn create(&self, control_plane: &ControlPlane) -> Duration {
        let start = Instant::now();
        let namespace = |number: usize| {
            let labels = json!({"secretfence.dev/mode": "enforce"});
            let metadata = json!({"name": self.namespace(number), "labels": labels});
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        };
        create_all(control_plane, self.namespaces, namespace);
        create_all(control_plane, self.secrets, |number| {
            let mut metadata = json!({"namespace": self.namespace(number), "name": Crowd::secret(number)});
            if Crowd::is_copy(number) {
                metadata["annotations"] = json!({"reflector.v1.k8s.emberstack.com/reflects": "billing/database"});
            }
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"a": "eA=="}})
        });
        create_all(control_plane, self.accounts, |number| {
            let metadata = json!({"namespace": self.namespace(number), "name": Crowd::account(number)});
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        });
        create_all(control_plane, self.bindings, |number| self.binding(number));
        start.elapsed()
    }

    /// Rewrites bindings, one after the other, until told to stop. How many it were.
    pub fn storm<T>(&self, control_plane: &ControlPlane, meanwhile: impl FnOnce() -> T) -> (T, usize) {
        let (next, stop) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS / 2 {
                scope.spawn(|| {
                    let api = control_plane.api(ADMIN);
                    while stop.load(Ordering::Relaxed) == 0 {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let place = path(&self.binding(number % self.bindings));
                        let labels = json!({"metadata": {"labels": {"round": number.to_string()}}});
                        api.merge(&place, &labels).done();
                    }
                });
            }
            let result = meanwhile();
            stop.store(1, Ordering::Relaxed);
            (result, next.load(Ordering::Relaxed))
        })
    }

    /// Deletes namespaces of these numbers with all that is in them, and waits until they are gone.
    pub fn delete(&self, control_plane: &ControlPlane, numbers: std::ops::Range<usize>) {
        let api = control_plane.api(ADMIN);
        let place = |number: usize| format!("/api/v1/namespaces/{}", self.namespace(number));
        numbers.clone().for_each(|number| drop(api.delete(&place(number)).done()));
        for number in numbers {
            let gone = eventually(|| (api.get(&place(number)).status == 404).then_some(()));
            assert!(gone.is_some(), "{} is still there", self.namespace(number));
        }
    }
}

/// Makes so many objects, with many hands.
pub fn create_all(control_plane: &ControlPlane, count: usize, object: impl Fn(usize) -> Value + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let api = control_plane.api(ADMIN);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let reply: Reply = api.create(&object(number), "");
                    reply.done();
                }
            });
        }
    });
}
