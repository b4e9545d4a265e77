//! A cluster in which each way and each case has a namespace and a policy of its own.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;

use serde_json::{Value, json};

use super::cases::Case;
use super::rows::{Row, once, rows};
use crate::cluster::Cluster;
use crate::control_plane::eventually;
use crate::watches::Watched;

pub struct Fenced(Watched);

/// Of the watches that the policies ask for: RBAC's four kinds, and ServiceAccounts, Secrets and the objects of two drivers.
const WATCHES: usize = 8;

/// Where a way is tried in a case.
pub fn namespace(row: &Row, case: Case) -> String {
    format!("own-policy-{}-{}", row.name, case.name())
}

impl Fenced {
    /// The one that the tests here share. None where these tests are left out.
    pub fn shared() -> Option<&'static Fenced> {
        static SHARED: OnceLock<Option<Fenced>> = OnceLock::new();
        SHARED.get_or_init(|| Watched::start().map(Fenced::around)).as_ref()
    }

    /// Everything is there before the policies are, so that nobody waits until a watch has heard of it.
    fn around(watched: Watched) -> Fenced {
        let fenced = Fenced(watched);
        let api = &fenced.cluster().api;
        for object in once() {
            fenced.cluster().eventually(|| api.create(&object, ""), |reply| reply.status == 201);
        }
        let policies = fenced.for_each_row(|row| {
            Case::ALL.map(|case| {
                let namespace = namespace(row, case);
                fenced.make_namespace(row, &namespace, case.mode());
                case.policy(row, &namespace)
            })
        });
        fenced.0.write_policies(&policies.concat().concat());
        fenced.0.printed().iter().for_each(|object| drop(api.create(object, "").done()));
        fenced.cluster().webhook.restart();
        fenced.0.ready(|status, text| status == 200 && text.matches("[+]watch").count() == WATCHES);
        fenced
    }

    pub fn cluster(&self) -> &Cluster {
        &self.0.0
    }

    /// The policies about these ways. The shipped one, which serves beside them, is about no namespace here.
    pub fn policies(&self) -> PathBuf {
        self.cluster().webhook.policies().join("watch.yaml")
    }

    /// In the order of the rows, which are worked on side by side.
    pub fn for_each_row<T: Send>(&self, work: impl Fn(&Row) -> T + Sync) -> Vec<T> {
        let rows = rows();
        thread::scope(|scope| {
            let workers: Vec<_> = rows.iter().map(|row| scope.spawn(|| work(row))).collect();
            let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
            joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    /// One more namespace under the policy of a case, with what the way needs.
    pub fn namespace_beside(&self, row: &Row, case: Case, name: &str, mode: &str) -> String {
        let namespace = format!("{}-{name}", namespace(row, case));
        self.make_namespace(row, &namespace, mode);
        namespace
    }

    fn make_namespace(&self, row: &Row, namespace: &str, mode: &str) {
        let api = &self.cluster().api;
        let labels = json!({"secretfence.dev/mode": mode});
        let metadata = json!({"name": namespace, "labels": labels});
        api.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}), "").done();
        for object in row.around(namespace) {
            self.cluster().eventually(|| api.create(&object, ""), |reply| reply.status == 201);
        }
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        self.cluster().eventually(|| api.get(&account), |reply| reply.status == 200);
    }

    pub fn label(&self, namespace: &str, mode: &str) {
        let label = json!({"metadata": {"labels": {"secretfence.dev/mode": mode}}});
        self.cluster().api.merge(&format!("/api/v1/namespaces/{namespace}"), &label).done();
    }

    /// Why the ReplicaSet of a namespace has no pods: by its condition, and by the event, which say the same.
    #[track_caller]
    pub fn refused(&self, namespace: &str) -> String {
        let api = &self.cluster().api;
        let sets = format!("/apis/apps/v1/namespaces/{namespace}/replicasets");
        let condition = |set: &Value| {
            let conditions = set["status"]["conditions"].as_array()?;
            let condition = conditions.iter().find(|condition| condition["type"] == "ReplicaFailure")?;
            Some(condition["message"].as_str()?.to_owned())
        };
        let said = eventually(|| condition(&api.get(&sets).body["items"][0]));
        let said = said.unwrap_or_else(|| panic!("{:#}", api.get(&sets).body));
        let events = format!("/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DFailedCreate");
        let event = eventually(|| Some(api.get(&events).body["items"][0]["message"].as_str()?.to_owned()));
        assert_eq!(event, Some(format!("Error creating: {said}")));
        said
    }

    /// What the audit log says of findings in the pod that a ReplicaSet made in a namespace.
    #[track_caller]
    pub fn audited(&self, namespace: &str) -> Option<String> {
        let is_its = |event: &Value| event["requestObject"]["metadata"]["generateName"].is_string();
        let event = self.cluster().find_audit_event("create", namespace, is_its);
        assert_eq!(event["responseStatus"]["code"], 201, "{event:#}");
        let mut annotations = event["annotations"].as_object().unwrap().iter();
        let findings = annotations.find(|(key, _)| key.ends_with("secretfence.dev/findings"))?.1;
        Some(findings.as_str().unwrap().to_owned())
    }
}
