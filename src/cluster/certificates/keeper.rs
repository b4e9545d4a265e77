//! The loop: look, serve, plan, write; and again when something changes or is due.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::issue::{IssueError, Names};
use super::plan::{Ages, Base, Certificate, Change, Held, Id, Leaf, Plan, Trusted, View};
use super::secret::{Authority, Served, Stored};
use super::store::{Found, Store, StoreError};
use super::trust::Trust;
use crate::cluster::client::Connection;
use crate::cluster::events::Reason;
use crate::cluster::list::Link;
use crate::cluster::watch::Backoff;

/// For the configurations to be read at first: what they trust decides whether a lost authority is another's.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// Within this time so many writes of a sort are made at once; a further one waits. Somebody else writes, too.
const PACE: (Duration, usize) = (Duration::from_secs(60), 6);
/// The same of a `caBundle` that is empty, which nobody means: a configuration that was made anew has none.
const FILLS: (Duration, usize) = (Duration::from_secs(60), 60);
/// From this one on, refusals in a row are no API server that is just starting.
const REFUSALS: u32 = 3;

/// What is managed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// The Secret.
    pub secret: String,
    /// What the leaf is for, and where the Secret is.
    pub names: Names,
    /// How long things last.
    pub ages: Ages,
}

/// What is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// An authority.
    Authority,
    /// A leaf.
    Leaf,
}

impl Renewed {
    /// As metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Renewed::Authority => "authority",
            Renewed::Leaf => "leaf",
        }
    }
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// When the authority that signs ends, in seconds since 1970.
    pub authority_ends: Option<i64>,
    /// How many authorities are to be trusted.
    pub authorities: usize,
    /// What does not succeed at the moment.
    pub failure: Option<String>,
    /// What the first leaf waits for.
    pub waits: Option<String>,
}

/// Hears of everything, on the threads that serve: who takes long holds them up.
pub trait StatusObserver: Send + Sync {
    /// Serve this one from now on.
    ///
    /// # Errors
    /// Why it cannot be served.
    fn serve(&self, served: &Served) -> Result<(), String>;
    /// How it stands now; told when it changes.
    fn status(&self, status: &Status);
    /// One was made anew, or could not be.
    fn renewed(&self, what: Renewed, is_done: bool);
    /// Damage was put right: `secret_missing`, `secret_corrupt` or `ca_bundle`.
    fn repaired(&self, what: &'static str);
    /// For people. What lasts is told again and again.
    fn tell(&self, reason: Reason, message: &str);
}

/// Keeps the certificates of one replica.
pub struct Keeper<T, O> {
    store: Store,
    ages: Ages,
    trust: T,
    observer: O,
    /// The last good content of the Secret.
    memory: Option<Arc<Stored>>,
    serving: Option<(Leaf, Certificate)>,
    trusted: Option<Trusted>,
    /// What all have been seen to trust: where they do not any more, somebody else wrote.
    agreed: Option<Vec<Id>>,
    status: Status,
    /// How often in a row the Secret might not be read.
    refusals: u32,
    repairs: Pace,
    /// Of bundles that were somebody else's.
    trusts: Pace,
    /// Of bundles that were empty.
    fills: Pace,
}

/// What a round came to.
enum Round {
    /// Something was written: look again.
    Changed,
    /// Nothing is to be done until then.
    Rest(i64),
    /// Something did not succeed: try again.
    Failed,
}

/// How often something was done lately.
struct Pace {
    most: (Duration, usize),
    done: VecDeque<Instant>,
}

impl<T: Trust, O: StatusObserver> Keeper<T, O> {
    /// Of a Secret that the connection leads to. Asks nothing yet.
    pub fn new(connection: Connection, managed: Managed, trust: T, observer: O) -> Keeper<T, O> {
        let Managed { secret, names, ages } = managed;
        Keeper {
            store: Store { link: Link::new(connection), name: secret, names },
            ages,
            trust,
            observer,
            memory: None,
            serving: None,
            trusted: None,
            agreed: None,
            status: Status::default(),
            refusals: 0,
            repairs: Pace::new(PACE),
            trusts: Pace::new(PACE),
            fills: Pace::new(FILLS),
        }
    }

    /// Goes on until it is dropped.
    pub async fn run(mut self) {
        let changed = Arc::new(Notify::new());
        let link = Store {
            link: Link::new(self.store.link.connection()),
            name: self.store.name.clone(),
            names: self.store.names.clone(),
        };
        let its = Arc::clone(&changed);
        // Dropped with this future, which ends it.
        let mut background = tokio::task::JoinSet::new();
        background.spawn(async move { link.follow(&its).await });
        let mut trusts = self.trust.changes();
        let first = self.first_look(&mut trusts);
        drop(tokio::time::timeout(FIRST_LOOK, first).await);
        let mut backoff = Backoff::default();
        loop {
            trusts.mark_unchanged();
            let wait = match self.round().await {
                Round::Changed => continue,
                Round::Rest(look) => {
                    backoff = Backoff::default();
                    let seconds = u64::try_from(look.saturating_sub(now())).unwrap_or(0);
                    Duration::from_secs(seconds.max(1))
                }
                Round::Failed => backoff.next(),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed.notified() => {}
                Ok(()) = trusts.changed() => {}
            }
        }
    }

    async fn first_look(&self, changes: &mut tokio::sync::watch::Receiver<u64>) {
        while !self.trust.is_read() {
            // Whether it was read is not told: it is soon.
            drop(tokio::time::timeout(Duration::from_millis(20), changes.changed()).await);
        }
    }

    async fn round(&mut self) -> Round {
        let found = match self.store.read().await {
            Ok(found) => found,
            Err(error) => {
                self.store.renew(&error).await;
                let is_refused = matches!(error, StoreError::Forbidden { .. });
                self.refusals = if is_refused { self.refusals.saturating_add(1) } else { 0 };
                self.miss(now());
                return self.failed(format!("cannot read the Secret: {error}"));
            }
        };
        self.refusals = 0;
        let now = now();
        self.see_trusted(now);
        if let Err(why) = self.take(now, &found) {
            return self.failed(format!("the certificate in the Secret cannot be served: {why}"));
        }
        if let Some(stored) = &found.stored
            && stored.contents.signer.is_valid(now)
        {
            self.memory = Some(Arc::clone(stored));
        }
        let plan = match self.view(now, &found.held).plan() {
            Ok(plan) => plan,
            Err(refusal) => {
                self.miss(now);
                let (name, namespace) = (&self.store.name, &self.store.names.namespace);
                return self.failed(format!(
                    "Secret {name:?} in namespace {namespace:?} is not ours to write: {}. Give --tls-cert and --tls-key in \
                     place of --manage-certificates to serve what is in it, or name another Secret by --certificate-secret",
                    refusal.0
                ));
            }
        };
        self.carry_out(now, &found, plan).await
    }

    async fn carry_out(&mut self, now: i64, found: &Found, plan: Plan) -> Round {
        let mut failure = None;
        if let Some(change) = &plan.change {
            match self.change(now, found, change).await {
                Ok(Some(())) => return Round::Changed,
                // Somebody else was first.
                Ok(None) => return Round::Rest(now + 1),
                Err(why) => failure = Some(why),
            }
        }
        if let (Some(wanted), Some(stored)) = (&plan.trust, &found.stored) {
            match self.let_trust(wanted, stored).await {
                Ok(true) if failure.is_none() => return Round::Changed,
                Ok(_) => {}
                Err(why) => failure = failure.or(Some(why)),
            }
        } else if let Some(stored) = &found.stored {
            self.agreed = Some(stored.contents.authorities().map(|authority| authority.id).collect());
        }
        match failure {
            Some(why) => self.failed(why),
            None => {
                let waits = "the configurations of the webhooks to trust the authority".to_owned();
                let waits = self.serving.is_none().then_some(waits);
                self.stand(Status { failure: None, waits, ..self.status.clone() });
                Round::Rest(plan.look)
            }
        }
    }

    /// Writes the Secret. None: somebody else wrote it first.
    async fn change(&mut self, now: i64, found: &Found, change: &Change) -> Result<Option<()>, String> {
        let repairs = change.cause.repairs();
        if repairs.is_some() && !self.repairs.has_room() {
            return Err(format!(
                "the Secret is damaged again and again, and repaired more slowly now: {}",
                change.cause
            ));
        }
        if repairs.is_some() {
            self.repairs.count();
        }
        let made = [(change.new_authority, Renewed::Authority), (change.new_leaf, Renewed::Leaf)];
        let made: Vec<Renewed> = made.iter().filter(|(is_made, _)| *is_made).map(|(_, what)| *what).collect();
        let written = match self.make(now, found, change) {
            Ok(stored) => match self.store.write(found, &stored).await {
                Ok(()) => Ok(stored),
                Err(StoreError::Conflict) => return Ok(None),
                Err(error) => {
                    let is_refused = matches!(error, StoreError::Forbidden { .. });
                    Err((is_refused, format!("cannot write the Secret ({}): {error}", change.cause)))
                }
            },
            Err(error) => Err((false, error.to_string())),
        };
        let stored = match written {
            Ok(stored) => stored,
            Err((is_refused, why)) => {
                made.iter().for_each(|what| self.observer.renewed(*what, false));
                // The right will be missing when something is due, too.
                if is_refused && made.is_empty() {
                    self.observer.renewed(Renewed::Leaf, false);
                }
                return Err(why);
            }
        };
        made.iter().for_each(|what| self.observer.renewed(*what, true));
        let message = told(&stored, &made, change);
        tracing::info!(authorities = stored.authorities.len(), "{message}");
        match repairs {
            Some(what) => {
                self.observer.repaired(what);
                self.observer.tell(Reason::CertificateRepaired, &message);
            }
            None if !made.is_empty() => self.observer.tell(Reason::CertificateRenewed, &message),
            None => {}
        }
        Ok(Some(()))
    }

    fn make(&self, now: i64, found: &Found, change: &Change) -> Result<Stored, IssueError> {
        let (names, ages) = (&self.store.names, self.ages);
        let base = match change.base {
            Base::Secret => found.stored.as_deref(),
            Base::Memory => self.memory.as_deref(),
            Base::Nothing => None,
        };
        let (signer, authority_key) = match base.filter(|_| !change.new_authority) {
            Some(base) => match base.authorities.first() {
                Some(signer) => (signer.clone(), base.authority_key.clone()),
                None => return Err(IssueError::Unreadable),
            },
            None => Authority::make(names, now, ages)?,
        };
        let known = self.known(found);
        let mut authorities = vec![signer];
        for id in &change.others {
            authorities.extend(known.iter().find(|authority| authority.certificate.id == *id).cloned());
        }
        let served = match base.filter(|_| !change.new_leaf) {
            Some(base) => base.served.clone(),
            None if change.new_leaf => {
                let (certificate, key) = authorities[0].sign(&authority_key, names, now, ages)?;
                let served = Served::read(&certificate, key.pem(), &authorities[..1], names);
                Some(served.map_err(|_| IssueError::Unreadable)?)
            }
            None => None,
        };
        Stored::new(authorities, authority_key, served).ok_or(IssueError::Unreadable)
    }

    /// Every authority of ours that is to be found anywhere.
    fn known(&self, found: &Found) -> Vec<Authority> {
        let stored = found.stored.iter().chain(&self.memory).flat_map(|stored| stored.authorities.clone());
        let trusted = self.trust.trusted().unwrap_or_default();
        let trusted = trusted.iter().flat_map(|bundle| Authority::bundle(bundle)).flatten();
        stored.chain(found.broken.iter().cloned()).chain(trusted).collect()
    }

    /// Lets the configurations trust what the Secret says. Whether anything was written.
    async fn let_trust(&mut self, wanted: &[Id], stored: &Stored) -> Result<bool, String> {
        let bundle = stored.bundle();
        let is_repair = self.agreed.as_deref() == Some(wanted);
        // Where a configuration is missing nothing is known, and nothing will be written.
        let found = self.trust.trusted().unwrap_or_default();
        let is_anothers = found.iter().any(|its| !its.is_empty() && *its != bundle);
        let pace = if is_anothers { &mut self.trusts } else { &mut self.fills };
        if is_repair && !pace.has_room() {
            return Err("caBundle is changed by somebody else again and again, and restored more slowly now: let whoever applies \
                        the configurations ignore it"
                .to_owned());
        }
        self.trust.trust(&bundle).await?;
        self.agreed = Some(wanted.to_vec());
        if is_repair {
            // Only what was done: a try that failed was no fight.
            pace.count();
            self.observer.repaired("ca_bundle");
            let message = match is_anothers {
                true => "caBundle was changed by somebody else and is as it has to be again",
                false => "caBundle was empty and is as it has to be again",
            };
            tracing::warn!("{message}");
            self.observer.tell(Reason::CertificateRepaired, message);
        }
        // What is written is seen a moment later; unless it is, asking again would be for nothing.
        let seen = self.trust.trusted().unwrap_or_default();
        Ok(!seen.is_empty() && seen.iter().all(|its| *its == bundle))
    }

    /// Serves the leaf of the Secret, if it is another one and may.
    fn take(&mut self, now: i64, found: &Found) -> Result<(), String> {
        let Some(stored) = &found.stored else { return Ok(()) };
        self.status.authority_ends = Some(stored.contents.signer.ends);
        self.status.authorities = stored.authorities.len();
        let Some(served) = &stored.served else { return Ok(()) };
        let is_other = self.serving.is_none_or(|(leaf, _)| leaf != served.leaf);
        let signer = stored.contents.authorities().find(|authority| authority.id == served.leaf.signer);
        let Some(signer) = signer.filter(|_| is_other && self.view(now, &found.held).may_serve(&served.leaf)) else {
            return Ok(());
        };
        self.observer.serve(served)?;
        self.serving = Some((served.leaf, *signer));
        Ok(())
    }

    fn see_trusted(&mut self, now: i64) {
        match self.trust.trusted() {
            None => self.trusted = None,
            Some(bundles) => {
                let read = |bundle: &String| {
                    let authorities = Authority::bundle(bundle).into_iter();
                    authorities.map(|authority| authority.map(|authority| authority.certificate)).collect()
                };
                self.trusted.get_or_insert_default().see(now, bundles.iter().map(read).collect());
            }
        }
    }

    fn view<'a>(&'a self, now: i64, held: &'a Held) -> View<'a> {
        View {
            now,
            ages: self.ages,
            held,
            memory: self.memory.as_deref().map(|stored| &stored.contents),
            serving: self.serving,
            trusted: self.trusted.as_ref(),
        }
    }

    /// What is due cannot be done, as the Secret cannot be had. That a right is missing is known before anything is due.
    fn miss(&self, now: i64) {
        let authority_due = self.memory.as_ref().is_some_and(|memory| memory.contents.signer.due() <= now);
        let leaf_due = self.serving.is_some_and(|(leaf, _)| leaf.certificate.due() <= now);
        if authority_due {
            self.observer.renewed(Renewed::Authority, false);
        }
        if leaf_due || self.refusals >= REFUSALS {
            self.observer.renewed(Renewed::Leaf, false);
        }
    }

    fn failed(&mut self, why: String) -> Round {
        if self.status.failure.as_ref() != Some(&why) {
            tracing::error!(error = &*why, "the certificate is not looked after; what is good goes on serving");
        }
        // Each time: events are forgotten after an hour, and who is told too often says so himself.
        self.observer.tell(Reason::CertificateFailed, &why);
        let waits = self.serving.is_none().then(|| "the first certificate".to_owned());
        self.stand(Status { failure: Some(why), waits, ..self.status.clone() });
        Round::Failed
    }

    fn stand(&mut self, status: Status) {
        if self.status.failure.is_some() && status.failure.is_none() {
            tracing::info!("the certificate is looked after again");
        }
        self.status = status;
        self.observer.status(&self.status);
    }
}

impl<T, O> fmt::Debug for Keeper<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("secret", &self.store.name).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Pace {
    fn new(most: (Duration, usize)) -> Pace {
        Pace { most, done: VecDeque::new() }
    }

    /// Whether one more is in time.
    fn has_room(&mut self) -> bool {
        let (time, most) = self.most;
        self.done.retain(|at| at.elapsed() < time);
        self.done.len() < most
    }

    fn count(&mut self) {
        self.done.push_back(Instant::now());
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn told(stored: &Stored, made: &[Renewed], change: &Change) -> String {
    let until = |ends: i64| Timestamp::from_second(ends).map_or_else(|_| ends.to_string(), |at| at.to_string());
    let mut what: Vec<String> = Vec::new();
    for made in made {
        match (made, &stored.served) {
            (Renewed::Authority, _) => what.push(format!("an authority until {}", until(stored.contents.signer.ends))),
            (Renewed::Leaf, Some(served)) => {
                what.push(format!("a certificate until {}", until(served.leaf.certificate.ends)));
            }
            (Renewed::Leaf, None) => {}
        }
    }
    match what.is_empty() {
        true => format!("the Secret of the certificates was put in order: {}", change.cause),
        false => format!("made {}: {}", what.join(" and "), change.cause),
    }
}
