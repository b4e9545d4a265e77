//! CSI volumes that hand secrets to the pod, or a Secret to the driver.

use crate::fence::kind::Kind;
use crate::fence::pod::CsiVolume;
use crate::fence::reference::{Reference, VolumePart};

/// Drivers whose inline volumes hold secret material, with where each says so. Policies add more by `spec.secretDrivers`.
pub const SECRET_DRIVERS: [(&str, &str); 5] = [
    ("secrets-store.csi.k8s.io", "https://secrets-store-csi-driver.sigs.k8s.io/concepts"),
    (
        "csi.sharedresource.openshift.io",
        "https://docs.openshift.com/container-platform/latest/storage/container_storage_interface/ephemeral-storage-shared-resource-csi-driver-operator.html",
    ),
    ("csi.cert-manager.io", "https://cert-manager.io/docs/usage/csi-driver/"),
    ("spiffe.csi.cert-manager.io", "https://cert-manager.io/docs/usage/csi-driver-spiffe/"),
    ("csi.spiffe.io", "https://github.com/spiffe/spiffe-csi"),
];

/// What a CSI volume hands over: the Secret given to the driver, attributes that name one, else the driver itself.
pub fn references<'t>(
    csi: &'t CsiVolume<'_>,
    more_drivers: &[String],
    bare: impl Fn(Kind, VolumePart) -> Reference<'t>,
    found: &mut Vec<Reference<'t>>,
) {
    let before = found.len();
    let driver = csi.driver.as_str();
    if let Some(secret) = &csi.node_publish_secret_ref {
        found.push(Reference {
            secret: Some(secret.name.as_str()),
            detail: driver,
            ..bare(Kind::Csi, VolumePart::Inner("csi", "nodePublishSecretRef"))
        });
    }
    for (index, (name, value)) in csi.volume_attributes.iter().flat_map(|attributes| attributes.0.iter().enumerate()) {
        let Some(names_secret) = attribute(name.as_str()) else { continue };
        found.push(Reference {
            secret: Some(value.as_str()).filter(|_| names_secret),
            detail: driver,
            ..bare(Kind::Csi, VolumePart::Attribute(index))
        });
    }
    let hands_out =
        SECRET_DRIVERS.iter().any(|(known, _)| *known == driver) || more_drivers.iter().any(|known| known == driver);
    if hands_out && found.len() == before {
        found.push(Reference { detail: driver, ..bare(Kind::Csi, VolumePart::Field("csi")) });
    }
}

/// Whether an attribute names a Secret (`Some(true)`) or the namespace of one (`Some(false)`). Drivers read their
/// attributes without regard to case (azurefile-csi-driver, blob-csi-driver).
fn attribute(name: &str) -> Option<bool> {
    let name = name.rsplit('/').next().unwrap_or(name);
    if name.eq_ignore_ascii_case("secretName") || name.eq_ignore_ascii_case("sharedSecret") {
        return Some(true);
    }
    let lower = name.to_ascii_lowercase();
    (lower.contains("secret") && lower.ends_with("namespace")).then_some(false)
}
