//! An API server that sends an audit away by its own Priority and Fairness (429 with `Retry-After`): asked again, or told.

use std::fs;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Api, path};
use crate::audit_scale::{Big, PODS, Run};
use crate::control_plane::{ADMIN, eventually};
use crate::proxy::Proxy;

const FLOW_CONTROL: &str = "flowcontrol.apiserver.k8s.io/v1";
const NAME: &str = "audit-sent-away";

/// A place of one seat at most, in which there is none: whoever comes while somebody is in there is sent away.
struct Jail<'a> {
    api: &'a Api,
    objects: [Value; 2],
    before: u64,
    /// Gone, whoever is in there goes.
    _inmate: Sender<()>,
}

/// The body of a request that does not come to its end.
struct Stalled(Receiver<()>);

impl<'a> Jail<'a> {
    /// With somebody in it, for a minute at most, when the API server ends what takes so long.
    fn new(api: &'a Api, its: Api) -> Jail<'a> {
        let limited = json!({
            "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
            "limitResponse": {"type": "Reject"},
        });
        let level = json!({
            "apiVersion": FLOW_CONTROL, "kind": "PriorityLevelConfiguration", "metadata": {"name": NAME},
            "spec": {"type": "Limited", "limited": limited},
        });
        let schema = json!({
            "apiVersion": FLOW_CONTROL, "kind": "FlowSchema", "metadata": {"name": NAME},
            "spec": {
                "matchingPrecedence": 2, "priorityLevelConfiguration": {"name": NAME},
                "rules": [rule("create", "configmaps")],
            },
        });
        let objects = [level, schema];
        objects.iter().for_each(|object| drop(api.create(object, "").done()));
        let (inmate, body) = channel();
        std::thread::spawn(move || its.begin("/api/v1/namespaces/default/configmaps", Stalled(body)));
        let is_in = || (flow_control(api, "current_executing_requests") == 1).then_some(());
        assert!(eventually(is_in).is_some(), "nobody is in there");
        Jail { api, objects, before: flow_control(api, "rejected_requests_total"), _inmate: inmate }
    }

    /// Who lists pods is sent away.
    fn close(&self) {
        let rules = json!({"spec": {"rules": [rule("create", "configmaps"), rule("list", "pods")]}});
        self.api.merge(&path(&self.objects[1]), &rules).done();
    }

    /// How many requests it has sent away.
    fn sent_away(&self) -> u64 {
        flow_control(self.api, "rejected_requests_total") - self.before
    }
}

impl Drop for Jail<'_> {
    /// From a moment later on, nobody is sent away.
    fn drop(&mut self) {
        self.objects.iter().rev().for_each(|object| drop(self.api.delete(&path(object))));
    }
}

impl Read for Stalled {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        // An error is that nobody holds it any more.
        let _ = self.0.recv();
        Ok(0)
    }
}

/// Of the audit's ServiceAccount. The administrator is never sent away.
fn rule(verb: &str, resource: &str) -> Value {
    let subject = json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "default", "name": NAME}});
    let resource =
        json!({"verbs": [verb], "apiGroups": [""], "resources": [resource], "clusterScope": true, "namespaces": ["*"]});
    json!({"subjects": [subject], "resourceRules": [resource]})
}

/// What the API server counts of ours.
fn flow_control(api: &Api, metric: &str) -> u64 {
    let (_, metrics) = api.text("/metrics").unwrap();
    let of = [&format!("apiserver_flowcontrol_{metric}{{"), &format!("flow_schema=\"{NAME}\"")];
    let lines = metrics.lines().filter(|line| of.iter().all(|part| line.contains(*part)));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

/// The token of an account that may do everything.
fn token(big: &Big, api: &Api) -> &'static str {
    let metadata = json!({"namespace": "default", "name": NAME});
    api.create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}), "").done();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": NAME}],
    });
    api.create(&binding, "").done();
    let kubeconfig = big.control_plane.kubeconfig_of_account("default", NAME);
    let token = kubeconfig.split("token: \"").nth(1).unwrap().split('"').next().unwrap();
    Box::leak(token.to_owned().into_boxed_str())
}

/// Sent away in the midst of a list for a moment, then in the midst of it for good, then from its beginning.
pub fn who_is_sent_away_asks_again_and_says_what_never_came(big: &Big) {
    let api = big.control_plane.api(ADMIN);
    let token = token(big, &api);
    let proxy = Proxy::start(big.control_plane.port);
    let kubeconfig = big.control_plane.path("sent-away.kubeconfig");
    fs::write(&kubeconfig, big.through(&big.control_plane.kubeconfig_of(token), proxy.port)).unwrap();
    let jail = || Jail::new(&api, big.control_plane.api(token));
    let (pages, refused) = (|| big.pages_of_pods(&api, 200), || big.pages_of_pods(&api, 429));

    // Slow, so that there is a midst.
    proxy.slow(4_000_000);
    let (before, refused_before) = (pages(), refused());
    let its = jail();
    let run = big.audit(&kubeconfig, |_| {
        assert!(eventually(|| (pages() > before).then_some(())).is_some(), "no page of pods");
        its.close();
        assert!(eventually(|| (its.sent_away() > 0).then_some(())).is_some(), "nobody is sent away");
        drop(its);
        proxy.heal();
    });
    let times = refused() - refused_before;
    println!("sent away {times} times: audited in {} ms", run.took.as_millis());
    assert!(times > 0, "no list of pods was answered by 429");
    big.is_whole(&run);

    proxy.slow(4_000_000);
    let (before, refused_before) = (pages(), refused());
    let its = jail();
    let run = big.audit(&kubeconfig, |_| {
        assert!(eventually(|| (pages() > before).then_some(())).is_some(), "no page of pods");
        its.close();
    });
    let came = is_told(big, &run);
    println!("sent away for good after {came} pods: {} ms", run.took.as_millis());
    assert!(came > 0 && came < big.pods() as u64, "{came} of {} pods", big.pods());
    assert_eq!(refused() - refused_before, 4, "in all four times");

    proxy.heal();
    let run = big.audit(&kubeconfig, |_| {});
    println!("sent away from the beginning: {} ms", run.took.as_millis());
    assert_eq!(is_told(big, &run), 0);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    assert_eq!((refused() - refused_before, its.sent_away()), (8, 8));
}

/// Everything but the pods is judged, and how many of these came is what the one error says.
fn is_told(big: &Big, run: &Run) -> u64 {
    let Run { audit, exit, .. } = run;
    assert_eq!(*exit, Some(2));
    let [error] = &audit["errors"].as_array().unwrap()[..] else { panic!("{:#}", audit["errors"]) };
    let error = error.as_str().unwrap();
    let rest = error.strip_prefix("pods could not be read").unwrap_or_else(|| panic!("{error}"));
    let (came, why) = rest.split_once(": ").unwrap();
    assert!(why.starts_with("the API server answered 429 TooManyRequests"), "{error}");
    let came = came.strip_prefix(" to the end, but for the first ").map_or(0, |count| count.parse().unwrap());
    let summary = &audit["summary"];
    let namespaces = big.pods() / PODS;
    let expected = json!([namespaces, came, 2 * namespaces]);
    assert_eq!(json!([summary["owners"], summary["pods"], summary["denied"]]), expected, "of all templates");
    came
}
