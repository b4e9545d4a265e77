//! The inventory once more: written from the design and the typed API, without a look at the borrowed one.

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, KeyToPath, LocalObjectReference, PodSpec, Volume};

/// One place that hands the pod secret material.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub kind: &'static str,
    pub pointer: String,
    pub secret: Option<String>,
    /// `None`: not about keys. Empty: all of them.
    pub keys: Option<Vec<String>>,
    pub variable: Option<String>,
    pub optional: bool,
}

/// Drivers that hand out secrets by themselves.
const DRIVERS: [&str; 5] = [
    "secrets-store.csi.k8s.io",
    "csi.sharedresource.openshift.io",
    "csi.cert-manager.io",
    "spiffe.csi.cert-manager.io",
    "csi.spiffe.io",
];

/// Everything in the pod, in no particular order. `at` is the pointer of its `spec`.
pub fn walk(spec: &PodSpec, at: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (index, each) in spec.containers.iter().enumerate() {
        container(each, &format!("{at}/containers/{index}"), &mut found);
    }
    for (index, each) in spec.init_containers.iter().flatten().enumerate() {
        container(each, &format!("{at}/initContainers/{index}"), &mut found);
    }
    for (index, each) in spec.ephemeral_containers.iter().flatten().enumerate() {
        let EphemeralContainer { env, env_from, .. } = each.clone();
        let plain = Container { env, env_from, ..Container::default() };
        container(&plain, &format!("{at}/ephemeralContainers/{index}"), &mut found);
    }
    for (index, each) in spec.volumes.iter().flatten().enumerate() {
        volume(each, &format!("{at}/volumes/{index}"), &mut found);
    }
    for (index, each) in spec.image_pull_secrets.iter().flatten().enumerate() {
        found.push(named("imagePull", format!("{at}/imagePullSecrets/{index}"), &each.name));
    }
    found
}

fn named(kind: &'static str, pointer: String, secret: &str) -> Found {
    Found { kind, pointer, secret: Some(secret.to_owned()), keys: None, variable: None, optional: false }
}

fn container(container: &Container, at: &str, found: &mut Vec<Found>) {
    for (index, variable) in container.env.iter().flatten().enumerate() {
        let pointer = format!("{at}/env/{index}");
        let Some(source) = &variable.value_from else { continue };
        if let Some(secret) = &source.secret_key_ref {
            found.push(Found {
                keys: Some(vec![secret.key.clone()]),
                variable: Some(variable.name.clone()),
                optional: secret.optional.unwrap_or(false),
                ..named("secretKeyRef", pointer.clone(), &secret.name)
            });
        }
        if let Some(file) = &source.file_key_ref {
            found.push(Found {
                secret: None,
                keys: Some(vec![file.key.clone()]),
                variable: Some(variable.name.clone()),
                optional: file.optional.unwrap_or(false),
                ..named("fileKeyRef", pointer, "")
            });
        }
    }
    for (index, source) in container.env_from.iter().flatten().enumerate() {
        let Some(secret) = &source.secret_ref else { continue };
        found.push(Found {
            keys: Some(Vec::new()),
            variable: source.prefix.clone().filter(|prefix| !prefix.is_empty()),
            optional: secret.optional.unwrap_or(false),
            ..named("envFrom", format!("{at}/envFrom/{index}"), &secret.name)
        });
    }
}

fn keys(items: &Option<Vec<KeyToPath>>) -> Option<Vec<String>> {
    Some(items.iter().flatten().map(|item| item.key.clone()).collect())
}

fn volume(volume: &Volume, at: &str, found: &mut Vec<Found>) {
    if let Some(secret) = &volume.secret {
        found.push(Found {
            keys: keys(&secret.items),
            optional: secret.optional.unwrap_or(false),
            ..named("volume", format!("{at}/secret"), secret.secret_name.as_deref().unwrap_or(""))
        });
    }
    let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten().enumerate());
    for (index, source) in sources {
        let Some(secret) = &source.secret else { continue };
        found.push(Found {
            keys: keys(&secret.items),
            optional: secret.optional.unwrap_or(false),
            ..named("volume", format!("{at}/projected/sources/{index}"), &secret.name)
        });
    }
    if let Some(csi) = &volume.csi {
        let before = found.len();
        if let Some(secret) = &csi.node_publish_secret_ref {
            found.push(named("csi", format!("{at}/csi/nodePublishSecretRef"), &secret.name));
        }
        for (name, value) in csi.volume_attributes.iter().flatten() {
            let name = name.to_ascii_lowercase();
            let last = name.split('/').next_back().unwrap_or("");
            let pointer = format!("{at}/csi/volumeAttributes");
            if ["secretname", "sharedsecret"].contains(&last) {
                found.push(named("csi", pointer, value));
            } else if last.contains("secret") && last.ends_with("namespace") {
                found.push(Found { secret: None, ..named("csi", pointer, "") });
            }
        }
        if found.len() == before && DRIVERS.contains(&&*csi.driver) {
            found.push(Found { secret: None, ..named("csi", format!("{at}/csi"), "") });
        }
    }
    let reference = |secret: &Option<LocalObjectReference>| secret.as_ref().map(|secret| secret.name.clone());
    let legacy = [
        ("azureFile/secretName", volume.azure_file.as_ref().map(|its| its.secret_name.clone())),
        ("cephfs/secretRef", volume.cephfs.as_ref().and_then(|its| reference(&its.secret_ref))),
        ("cinder/secretRef", volume.cinder.as_ref().and_then(|its| reference(&its.secret_ref))),
        ("flexVolume/secretRef", volume.flex_volume.as_ref().and_then(|its| reference(&its.secret_ref))),
        ("iscsi/secretRef", volume.iscsi.as_ref().and_then(|its| reference(&its.secret_ref))),
        ("rbd/secretRef", volume.rbd.as_ref().and_then(|its| reference(&its.secret_ref))),
        ("scaleIO/secretRef", volume.scale_io.as_ref().map(|its| its.secret_ref.name.clone())),
        ("storageos/secretRef", volume.storageos.as_ref().and_then(|its| reference(&its.secret_ref))),
    ];
    for (place, secret) in legacy {
        if let Some(secret) = secret {
            found.push(named("legacyVolume", format!("{at}/{place}"), &secret));
        }
    }
}
