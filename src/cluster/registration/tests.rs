//! Every drift is one change away from what is shipped.

use super::*;

/// As the manifests have it.
pub(super) fn wanted() -> Wanted {
    let service = ServiceAddress { namespace: "secretfence".to_owned(), name: "secretfence".to_owned(), port: 8443 };
    Wanted { breadth: Breadth::OptIn, service, is_managed: false }
}
