//! What an audit reads of a cluster: its namespaces, what is registered there, and every pod and pod template, page by page.
//!
//! ```text
//! kinds.rs          what is listed: the kinds that have pods, and where the API has them
//! namespaces.rs     names and labels
//! registrations.rs  our webhooks -> what they do about the pods of a namespace
//! discovery.rs      which resources the API server has
//! lists.rs          one list: pages, retries, a list that its pages outlive
//! selector.rs       labels that choose what is read
//! publish.rs        reports that are written, which is all that is
//! refusals.rs       why some were not
//! error.rs          why something could not be read, and which right is missing
//! ```
//!
//! Nothing is kept: a page is handed over as it came, and is gone when the next one is. While one is judged, the next is
//! already on its way.

mod discovery;
mod error;
mod kinds;
mod lists;
mod namespaces;
mod publish;
mod refusals;
mod registrations;
mod selector;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::client::{Connection, Credentials, address};
use super::list::Link;
use super::snapshot::ReadError;

pub use error::AuditError;
pub use kinds::{WorkloadKind, kinds};
pub use lists::{Batch, Found, Read};
pub use namespaces::Namespace;
pub use publish::{Published, Removal, ReportApi, Scope, Wanted};
pub use refusals::{Places, PublishError, Said};
pub use registrations::{Asks, Half, MODE_LABEL, Registrations};
pub use selector::{Selector, SelectorError};

/// Which part of a cluster is read.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// These namespaces alone; empty: all.
    pub namespaces: Vec<String>,
    /// Pods with these labels alone. What makes pods is read whole: whose they are is in it, and what the next ones will be.
    pub selector: Option<Selector>,
    /// Where everything is read at once, not these namespaces.
    pub without: Vec<String>,
}

/// The way to a cluster, for as long as an audit takes.
pub struct Reader {
    runtime: Runtime,
    link: Arc<Link>,
    /// By which it is asked.
    pub credentials: Credentials,
    /// Its address. Safe to show.
    pub server: String,
}

impl Reader {
    /// Finds the cluster. Nothing is asked of it yet; each answer may take `patience`.
    ///
    /// # Errors
    /// Where nobody knows where it is.
    pub fn new(connection: &Connection, patience: Duration) -> Result<Reader, ReadError> {
        // One thread beside ours: what comes is taken in while we judge.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let connected = runtime.block_on(async {
            let (config, credentials) = connection.resolve().await?;
            let server = address(&config.cluster_url);
            Ok::<_, ReadError>((Link::once(config, connection.clone(), patience)?, credentials, server))
        });
        let (link, credentials, server) = connected?;
        Ok(Reader { runtime, link: Arc::new(link), credentials, server })
    }

    /// The namespaces of the part, with their labels, and which of them could not be read. One that is not there is none of
    /// them.
    ///
    /// # Errors
    /// Where nothing could be read, nor will be.
    pub fn namespaces(&self, part: &Part) -> Result<(Vec<Namespace>, Vec<AuditError>), AuditError> {
        self.runtime.block_on(namespaces::read(&self.link, part))
    }

    /// What is registered of ours.
    ///
    /// # Errors
    /// Where that may not be read.
    pub fn registrations(&self) -> Result<Registrations, AuditError> {
        self.runtime.block_on(registrations::read(&self.link))
    }

    /// Reads every object of these kinds, and hands them over as they come. Where a list cannot be had, the error takes its
    /// place, and the others go on. Who takes them may read others meanwhile.
    pub fn workloads(&self, part: &Part, kinds: &[Arc<WorkloadKind>], mut take: impl FnMut(Read)) {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let lists = lists::read(Arc::clone(&self.link), part.clone(), kinds.to_vec(), sender);
        let reading = self.runtime.spawn(lists);
        while let Some(batch) = receiver.blocking_recv() {
            take(batch);
        }
        // It has ended, since it has let go of its end.
        drop(reading);
    }

    /// The objects of this name in a namespace, of all these kinds.
    ///
    /// # Errors
    /// Where none is found, and one of the lists cannot be had.
    pub fn named(&self, namespace: &str, name: &str, kinds: &[Arc<WorkloadKind>]) -> Result<Vec<Found>, AuditError> {
        self.runtime.block_on(lists::named(&self.link, namespace, name, kinds))
    }

    /// By which API reports can be published here; none: it has none that we know.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn report_api(&self) -> Result<Option<ReportApi>, AuditError> {
        self.runtime.block_on(publish::find(&self.link))
    }

    /// Writes these reports, and removes ours where there is none of them. What could not be written is told beside what
    /// could.
    pub fn publish(&self, api: ReportApi, scope: &Scope, wanted: &Wanted<'_>) -> (Published, Vec<PublishError>) {
        self.runtime.block_on(publish::publish(&self.link, api, scope, wanted))
    }
}
