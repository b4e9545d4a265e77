//! Aggregated ClusterRoles: what the aggregation controller would write into their `rules`, in the end.

use std::collections::HashMap;
use std::sync::Arc;

use super::role::{ClusterRole, Grants};

/// How many aggregated ClusterRoles are put together here, by name. Of others only what their `rules` hold counts, which is
/// all where the controller has filled them.
const AGGREGATED: usize = 1024;

/// The rights of each aggregated ClusterRole, by name: its `rules`, and those of every role that its selectors select, itself
/// apart, as often as that role is aggregated in turn.
///
/// The controller (pkg/controller/clusterroleaggregation) replaces `rules`; until then the API server honours them. Before
/// it has come round, and for manifests, its result is known here already.
pub(super) fn aggregated<'a>(roles: &[&'a ClusterRole]) -> HashMap<&'a str, Arc<Grants>> {
    let aggregated = roles.iter().filter(|role| !role.selectors.is_empty()).take(AGGREGATED);
    let aggregated: Vec<&ClusterRole> = aggregated.copied().collect();
    let selects = |role: &ClusterRole, other: &ClusterRole| {
        role.name != other.name && role.selectors.iter().any(|selector| selector.selects(&other.labels))
    };
    let mut grants: Vec<Grants> = aggregated
        .iter()
        .map(|role| {
            let selected = roles.iter().filter(|other| !other.grants.is_empty() && selects(role, other));
            let taken = selected.flat_map(|other| other.grants.taken_from(&other.name));
            role.grants.iter().cloned().chain(taken).collect()
        })
        .collect();
    // Who takes from whom, among those that change.
    let takers: Vec<Vec<usize>> = aggregated
        .iter()
        .map(|giver| (0..aggregated.len()).filter(|taker| selects(aggregated[*taker], giver)).collect())
        .collect();
    let mut changed: Vec<usize> = (0..aggregated.len()).collect();
    while let Some(giver) = changed.pop() {
        for &taker in &takers[giver] {
            let taken = grants[giver].taken_from(&aggregated[giver].name);
            let union: Grants = grants[taker].iter().cloned().chain(taken).collect();
            // A right is never lost on the way, so this ends.
            if !union.is_like(&grants[taker]) {
                grants[taker] = union;
                changed.push(taker);
            }
        }
    }
    aggregated.iter().zip(grants).map(|(role, grants)| (&*role.name, Arc::new(grants))).collect()
}
