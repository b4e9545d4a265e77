//! Whether a pod holds a token of its ServiceAccount that the API takes.

/// Whether a pod holds an API token: by `automountServiceAccountToken`, of the pod before that of its ServiceAccount, and true
/// where neither is set (`shouldAutomount`, plugin/pkg/admission/serviceaccount/admission.go); or by a projected
/// `serviceAccountToken`, of which `audiences` are the audiences, none where none is given.
///
/// A token for another audience is one for somebody else. Which audiences are the API's is the API server's setting
/// (`--api-audiences`, by default its `--service-account-issuer`), which no object tells: counted are the names of the Service
/// `kubernetes`, the issuer of most clusters, and every URL of `https:`, as all issuers are (OpenID Connect Discovery 1.0,
/// section 3; EKS, GKE and AKS have their own). So a token for another service with such a URL counts too, on the safe side; one for a
/// name like `vault` or `sts.amazonaws.com` does not. An API server that is told to take such a name (`--api-audiences=vault`) is not seen.
pub fn holds_token<'a>(
    pod: Option<bool>,
    account: Option<bool>,
    audiences: impl IntoIterator<Item = Option<&'a str>>,
) -> bool {
    pod.or(account).unwrap_or(true) || audiences.into_iter().any(|audience| audience.is_none_or(is_api))
}

/// An empty audience is none: the API server puts its own in its place.
fn is_api(audience: &str) -> bool {
    let name = audience.split(['/', ':']).next().unwrap_or_default();
    audience.starts_with("https://")
        || name.is_empty()
        || name == "kubernetes"
        || name == "kubernetes.default"
        || name.starts_with("kubernetes.default.svc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_holds_a_token_unless_somebody_says_no() {
        assert!(holds_token(None, None, []));
        assert!(!holds_token(Some(false), None, []));
        assert!(!holds_token(None, Some(false), []));
    }

    #[test]
    fn the_pod_has_the_last_word() {
        assert!(holds_token(Some(true), Some(false), []));
        assert!(!holds_token(Some(false), Some(true), []));
    }

    #[test]
    fn a_projected_token_counts_where_it_is_for_the_api() {
        let projected = |audience| holds_token(Some(false), None, [audience]);
        assert!(projected(None));
        assert!(projected(Some("")));
        assert!(projected(Some("https://kubernetes.default.svc.cluster.local")));
        assert!(projected(Some("https://kubernetes.default.svc:443")));
        assert!(projected(Some("https://oidc.eks.eu-west-1.amazonaws.com/id/ABC")), "the issuer of a cluster");
        assert!(projected(Some("kubernetes.default.svc")));
        assert!(!projected(Some("http://example.com")));
        assert!(!projected(Some("sts.amazonaws.com")));
        assert!(!projected(Some("vault")));
        assert!(!projected(Some("kubernetes.defaults.example.com")));
    }
}
