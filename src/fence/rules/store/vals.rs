//! `ref+<backend>://…` of vals, anywhere in a value.

use std::borrow::Cow;

use super::{Found, path};

/// Every backend with its paths; the one of `oci` is in `pkg/providers/oci`.
pub(super) const SOURCE: &str = "https://github.com/helmfile/vals#supported-backends";

/// A backend of vals.
struct Backend {
    name: &'static str,
    store: &'static str,
    path: for<'v> fn(&'v str) -> Option<Cow<'v, str>>,
}

/// A reference at the `+` of `ref+`, as `DefaultRefRegexp` of vals finds it: up to the next `+`, space or line end.
///
/// A backend that is not in the table gives no path: what it writes there may be the value itself.
pub(super) fn reference(value: &str, at: usize) -> Option<Found<'_>> {
    if !value.get(..at)?.ends_with("ref") {
        return None;
    }
    let rest = value.get(at + 1..)?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let (name, rest) = rest.split_at_checked(rest.bytes().take_while(is_name).count())?;
    let rest = rest.strip_prefix("://")?;
    let end = rest.find(['+', ' ', '\n']).unwrap_or(rest.len());
    let (reference, more) = rest.split_at_checked(end)?;
    if reference.len() < 2 {
        return None;
    }
    let backend = BACKENDS.iter().find(|backend| backend.name == name);
    // The inner one of two nested references becomes part of the outer path.
    let nested = more.starts_with('+') && reference.ends_with("ref");
    let path = backend.filter(|_| !nested).and_then(|backend| (backend.path)(reference));
    Some(Found { store: backend.map(|backend| backend.store), elsewhere: names_store(reference), path })
}

/// Parameters by which a reference reads from another store than the backend is set up for.
const OF_THE_STORE: [&str; 6] = ["namespace", "profile", "role_arn", "account", "kubeConfigPath", "kubeContext"];

/// One whose name is encoded, or that the kubelet has yet to expand, may be any.
fn names_store(reference: &str) -> bool {
    let query = reference.split('#').next().and_then(|reference| reference.split_once('?'));
    query.is_some_and(|(_, query)| {
        query.contains("$(")
            || query.split(['&', ';']).any(|parameter| {
                let name = parameter.split('=').next().unwrap_or_default();
                name.contains('%') || OF_THE_STORE.iter().any(|known| name.eq_ignore_ascii_case(known))
            })
    })
}

// The path is a ciphertext, a command, the value itself, or stands in the query.
fn none(_: &str) -> Option<Cow<'_, str>> {
    None
}

/// A file, or its content in base64.
fn sops(reference: &str) -> Option<Cow<'_, str>> {
    path::url(reference).filter(|_| !reference.contains("key_type=base64"))
}

#[rustfmt::skip]
const BACKENDS: &[Backend] = &[
    backend("vault", "Vault", path::url),
    backend("openbao", "OpenBao", path::url),
    backend("awsssm", "AWS Parameter Store", path::url),
    backend("awssecrets", "AWS Secrets Manager", path::url),
    backend("awskms", "AWS KMS", none),
    backend("s3", "AWS S3", path::url),
    backend("gcpsecrets", "Google Secret Manager", path::url),
    backend("gcs", "Google Cloud Storage", path::url),
    backend("gkms", "Google KMS", none),
    backend("googlesheets", "Google Sheets", path::url),
    backend("azurekeyvault", "Azure Key Vault", |text| path::azure(text, 2)),
    backend("op", "1Password", path::one_password),
    backend("onepasswordconnect", "1Password", path::one_password),
    backend("doppler", "Doppler", path::url),
    backend("gitlab", "GitLab", path::url),
    // `<version>/<kind>/<namespace>/<name>/<key>`: another namespace's Secret by vals' own rights.
    backend("k8s", "Kubernetes", |text| path::segments(text, 4)),
    backend("conjur", "Conjur", path::url),
    backend("hcpvaultsecrets", "HCP Vault Secrets", path::url),
    backend("bw", "Bitwarden", |text| path::segments(text, 1)),
    backend("yclockbox", "Yandex Lockbox", path::url),
    backend("scw", "Scaleway Secret Manager", path::url),
    backend("servercore", "Servercore Secrets Manager", path::url),
    backend("tss", "Delinea Secret Server", path::url),
    backend("infisical", "Infisical", none),
    backend("pulumistateapi", "Pulumi state", none),
    backend("tfstate", "Terraform state", path::url),
    backend("tfstategs", "Terraform state", path::url),
    backend("tfstates3", "Terraform state", path::url),
    backend("tfstateazurerm", "Terraform state", path::url),
    backend("tfstateremote", "Terraform state", path::url),
    backend("tfstategitlab", "Terraform state", path::url),
    backend("sops", "SOPS", sops),
    backend("keychain", "a keychain", path::url),
    backend("oci", "an OCI registry", path::url),
    backend("httpjson", "an HTTP server", path::url),
    backend("file", "a file", path::url),
    backend("exec", "a command", none),
    backend("envsubst", "the environment", none),
    backend("echo", "vals", none),
];

const fn backend(
    name: &'static str,
    store: &'static str,
    path: for<'v> fn(&'v str) -> Option<Cow<'v, str>>,
) -> Backend {
    Backend { name, store, path }
}

#[cfg(test)]
mod tests {
    use super::super::external_env;
    use super::*;

    /// For each backend what follows `ref+<backend>://` in its documentation, and the path in it.
    const EXAMPLES: &[(&str, &str, Option<&str>)] = &[
        ("vault", "mykv/foo?address=https://vault1.example.com:8200#/bar", Some("mykv/foo")),
        ("openbao", "mykv/foo?role_id=my-kube-role#/bar", Some("mykv/foo")),
        ("awsssm", "foo/bar?mode=singleparam#/BAR", Some("foo/bar")),
        ("awssecrets", "arn:aws:secretsmanager:r:1:secret:myteam/mydoc?region=x#/key", Some("myteam/mydoc")),
        ("awskms", "AQICAHhy_i8hQoGLOE46PVJyinH?context=x", None),
        ("s3", "mybucket/myjsonobj#/foo/bar", Some("mybucket/myjsonobj")),
        ("gcpsecrets", "myproject/mysecret?version=3#/yaml", Some("myproject/mysecret")),
        ("gcs", "mybucket/mykey?generation=1639567476974625", Some("mybucket/mykey")),
        ("gkms", "BASE64CIPHERTEXT?project=myproject", None),
        ("googlesheets", "foobarbaz?credentials_file=credentials.json#/MYENV1", Some("foobarbaz")),
        ("azurekeyvault", "My-Vault/secret-a/ba4f196b15f644cd9e949896a21bab0d", Some("my-vault/secret-a")),
        ("op", "VAULT_NAME/ITEM_NAME/FIELD_NAME", Some("vault_name/item_name")),
        ("onepasswordconnect", "VAULT_ID/ITEM_ID#/FIELD_ID", Some("vault_id/item_id")),
        ("doppler", "MyProject/development/DB_PASSWORD", Some("MyProject/development/DB_PASSWORD")),
        ("gitlab", "gitlab.com/projects/11111/password", Some("gitlab.com/projects/11111/password")),
        ("k8s", "v1/Secret/mynamespace/mysecret/foo?inCluster", Some("v1/Secret/mynamespace/mysecret")),
        ("conjur", "branch/variable_name", Some("branch/variable_name")),
        ("hcpvaultsecrets", "APPLICATION/SECRET?client_secret=x", Some("APPLICATION/SECRET")),
        ("bw", "4d084b01-87e7-4411-8de9-2476ab9f3f48/notes#/key1", Some("4d084b01-87e7-4411-8de9-2476ab9f3f48")),
        ("yclockbox", "e6qeoqvd88dcpf044n5i?version_id=e6q#oauth", Some("e6qeoqvd88dcpf044n5i")),
        ("scw", "/path/to/secret#key", Some("path/to/secret")),
        ("servercore", "SECRET_NAME#/key/in/secret", Some("SECRET_NAME")),
        ("tss", "secret-name/password", Some("secret-name/password")),
        ("infisical", "WEBHOOK_URL?project=infra&path=prometheus", None),
        ("pulumistateapi", "aws-native_s3_Bucket/my-bucket/outputs/name?project=p", None),
        ("tfstate", "path/to/some.tfstate/output.NAME", Some("path/to/some.tfstate/output.NAME")),
        ("tfstategs", "bucket/path/some.tfstate/output.NAME", Some("bucket/path/some.tfstate/output.NAME")),
        ("tfstates3", "bucket/path/some.tfstate/output.NAME", Some("bucket/path/some.tfstate/output.NAME")),
        ("tfstateazurerm", "rg/account/container/some.tfstate/x", Some("rg/account/container/some.tfstate/x")),
        ("tfstateremote", "app.terraform.io/org/ws/output.x?tfe_token=x", Some("app.terraform.io/org/ws/output.x")),
        ("tfstategitlab", "gitlab.com/api/v4/projects/1/x?gitlab_token=x", Some("gitlab.com/api/v4/projects/1/x")),
        ("sops", "path/to/file#/foo/bar", Some("path/to/file")),
        ("keychain", "secret-name#/foo/bar", Some("secret-name")),
        ("oci", "registry.example.com/repo:tag", Some("registry.example.com/repo:tag")),
        ("httpjson", "api.github.com/users/helmfile/repos#///*[1]/name", Some("api.github.com/users/helmfile/repos")),
        ("file", "/home/foo/bar#/foo", Some("home/foo/bar")),
        ("exec", "bw/get/password/item-id", None),
        ("envsubst", "$VAR1", None),
        ("echo", "foo/bar", None),
    ];

    #[test]
    fn every_backend_is_read_as_documented_and_its_near_miss_gives_no_path() {
        for backend in BACKENDS {
            let (_, reference, path) =
                EXAMPLES.iter().find(|example| example.0 == backend.name).unwrap_or_else(|| panic!("{}", backend.name));
            for prefix in ["", "secret", "some text "] {
                let value = format!("{prefix}ref+{}://{reference}", backend.name);
                let found = external_env(&value).unwrap_or_else(|| panic!("{value}"));
                assert_eq!(found.paths.first().map(|path| &**path), *path, "{value}");
                assert_eq!((found.store, found.unknown), (backend.store, path.is_none()), "{value}");
            }
            let other = format!("ref+x{}://{reference}", backend.name);
            let found = external_env(&other).unwrap_or_else(|| panic!("{other}"));
            assert!(found.unknown && found.paths.is_empty() && found.store == "vals", "{other}");
            for near_miss in
                [format!("ref+{}:{reference}", backend.name), format!("fer+{}://{reference}", backend.name)]
            {
                assert_eq!(external_env(&near_miss), None, "{near_miss}");
            }
        }
        assert_eq!(EXAMPLES.len(), BACKENDS.len());
    }

    #[test]
    fn a_reference_that_names_its_store_is_one_of_another() {
        for query in ["namespace=payments", "proto=http&role_arn=x", "n%61mespace=x", "x=$(X)"] {
            let value = format!("ref+vault://secret/data/shop/db?{query}#/password");
            let found = external_env(&value).unwrap();
            assert!(found.elsewhere, "{query}");
        }
        for value in [
            "ref+vault://a/b?proto=http&address=https://other:8200#/namespace=x",
            "ref+awsssm://a/b?region=x",
            "ref+vault://a/b",
        ] {
            assert!(!external_env(value).unwrap().elsewhere, "{value}");
        }
    }

    #[test]
    fn a_nested_reference_makes_the_outer_path_unknown() {
        let found = external_env("ref+vault://secret/ref+envsubst://$TEAM/db").unwrap();
        assert!(found.unknown && found.paths.is_empty(), "{found:?}");
    }

    #[test]
    fn a_reference_ends_at_a_plus_a_space_or_a_line() {
        for value in ["ref+vault://a/b+c", "ref+vault://a/b c", "ref+vault://a/b\nc"] {
            assert_eq!(external_env(value).unwrap().paths.to_vec(), ["a/b"], "{value}");
        }
    }
}
