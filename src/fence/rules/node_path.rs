//! The node's disk: where the Secrets of other pods lie, and which hostPath shows them.

use std::borrow::Cow;
use std::fmt;

use crate::fence::swap::{clean_path, overlaps};

/// What names the whole table in `where.paths`.
pub const NODE_SECRETS_NAME: &str = "@node-secrets";

/// A path of the node as it is compared: absolute, clean, `/var/run` as `/run`, a Windows path as its Linux counterpart.
///
/// What a symbolic link on the node leads to cannot be seen from here: one that a pod has planted below a path that it
/// may write to is followed by the runtime, and the next volume that names it shows what it leads to. Nor can the short names
/// of Windows (`PROGRA~3`).
#[derive(Clone, PartialEq, Eq)]
pub struct NodePath<'p>(Cow<'p, str>);

/// A place on the node where secret material lies.
#[derive(Debug)]
pub struct NodeSecret {
    /// The path, normalised.
    pub path: &'static str,
    /// What lies there.
    pub what: &'static str,
    /// Where that is documented.
    pub source: &'static str,
    /// Which volumes show it.
    pub direction: Direction,
}

/// Which paths show a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The place, one above it, and one inside it.
    AboveAndBelow,
    /// The place or one above it: what single entries hold is harmless, or usual.
    AtOrAbove,
}

impl<'p> NodePath<'p> {
    /// Any text: what is no absolute path is taken from the root, as the more that it could show.
    pub fn normalise(path: &'p str) -> NodePath<'p> {
        if is_windows(path) { NodePath(Cow::Owned(linux_counterpart(path))) } else { NodePath(clean_path(path)) }
    }

    /// What a mount of the volume shows: the path with its `subPath` (`makeMounts`, kubelet_pods.go). A `subPath` that the
    /// kubelet refuses (absolute, or with `..`) narrows nothing, and a `subPathExpr` is not known: `None`, the whole volume.
    pub fn mounted(path: &'p str, sub_path: Option<&str>) -> NodePath<'p> {
        let Some(sub_path) = sub_path.filter(|sub_path| narrows(sub_path)) else { return NodePath::normalise(path) };
        NodePath(Cow::Owned(NodePath::normalise(&format!("{path}/{sub_path}")).0.into_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as text.
    pub fn into_text(self) -> Cow<'p, str> {
        self.0
    }

    /// The first place of the table that the path shows. Whether the pod is for Windows is not asked: `/Var/Lib/Kubelet` and
    /// `/var/lib/kubelet.` are the kubelet's directory there, and on Linux nobody has them.
    pub fn secret(&self) -> Option<&'static NodeSecret> {
        let shown = NodePath(Cow::Owned(folded(&self.0)));
        NODE_SECRETS.iter().find(|secret| secret.is_shown_by(&shown))
    }
}

impl fmt::Debug for NodePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::fence::name::Shown(&self.0).fmt(f)
    }
}

impl NodeSecret {
    /// Whether a volume of this path shows the place.
    pub fn is_shown_by(&self, path: &NodePath<'_>) -> bool {
        overlaps(path.as_str(), self.path)
            && (self.direction == Direction::AboveAndBelow || path.as_str().len() <= self.path.len())
    }
}

/// The first place of [`NODE_SECRETS`] that a mount of the hostPath shows. `sub_path` is the mount's `subPath`; `None` where
/// it has none, or a `subPathExpr`.
pub fn shows(path: &str, sub_path: Option<&str>) -> Option<&'static NodeSecret> {
    NodePath::mounted(path, sub_path).secret()
}

/// A drive letter, a leading backslash, or one of the two forms of a device path with slashes for them. Elsewhere a backslash
/// is a character like any other.
fn is_windows(path: &str) -> bool {
    let has_drive = |path: &[u8]| matches!(path, [drive, b':', ..] if drive.is_ascii_alphabetic());
    match path.as_bytes() {
        [b'\\', ..] => true,
        // On Linux `//./srv` is `/srv`, with its own letters.
        [b'/', b'/', b'.' | b'?', b'/', rest @ ..] => {
            has_drive(rest) || rest.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"pipe/"))
        }
        path => has_drive(path),
    }
}

/// The kubelet's files lie on a drive as they do below `/` elsewhere
/// (<https://kubernetes.io/docs/reference/node/kubelet-files/>), a pipe `\\.\pipe\x` is `/pipe/x`. Windows looks at no case, and
/// takes a device path (`\\?\C:\x`) and the share of a drive (`\\host\c$\x`) for the file that they name
/// (<https://learn.microsoft.com/en-us/dotnet/standard/io/file-path-formats>).
fn linux_counterpart(path: &str) -> String {
    let slashed = path.replace('\\', "/").to_ascii_lowercase();
    let device = ["//?/", "//./", "/??/"].iter().find_map(|prefix| slashed.strip_prefix(prefix));
    let rest = device.unwrap_or(&slashed);
    let share = if device.is_some() { rest.strip_prefix("unc/") } else { rest.strip_prefix("//") };
    let rest = share.and_then(below_drive_share).unwrap_or(rest);
    let without_drive = rest.split_once(':').filter(|(drive, _)| drive.len() == 1).map_or(rest, |(_, rest)| rest);
    folded(without_drive)
}

/// What follows `host/c$`.
fn below_drive_share(share: &str) -> Option<&str> {
    let (_, rest) = share.split_once('/')?;
    let rest = rest.strip_prefix(|drive: char| drive.is_ascii_alphabetic())?.strip_prefix('$')?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The path as Windows compares it: in lower case, no name with dots or spaces at its end
/// (<https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file>).
fn folded(path: &str) -> String {
    let lower = path.to_ascii_lowercase();
    let mut trimmed = String::with_capacity(lower.len());
    for segment in lower.split('/') {
        let without_spaces = segment.trim_end_matches(' ');
        trimmed.push('/');
        trimmed.push_str(match without_spaces {
            ".." => "..",
            _ => without_spaces.trim_end_matches(['.', ' ']),
        });
    }
    clean_path(&trimmed).into_owned()
}

fn narrows(sub_path: &str) -> bool {
    !sub_path.is_empty() && !sub_path.starts_with(['/', '\\']) && !sub_path.split(['/', '\\']).any(|part| part == "..")
}

/// Where secret material lies on a node.
///
/// Not here, and why: `/sys` holds settings of the kernel and of devices but no data of pods (what root may do by writing
/// to it is Pod Security's); `/tmp`, `/home`, `/opt` and the like hold what somebody put there, which `where.paths` can name.
// One call a row, as in the catalogue of images: laid out by rustfmt nobody would read it.
#[rustfmt::skip]
pub const NODE_SECRETS: &[NodeSecret] = &[
    // The kubelet: every Secret volume and ServiceAccount token of the pods on the node.
    both("/var/lib/kubelet", "the kubelet's directory: the Secrets and tokens of every pod on the node",
        "https://kubernetes.io/docs/reference/node/kubelet-files/"),
    both("/var/lib/k0s", "k0s's directory: the kubelet's, the cluster's keys, etcd",
        "https://docs.k0sproject.io/head/directories/"),
    both("/var/snap/microk8s", "MicroK8s's directories: the kubelet's, containerd's, the cluster's keys and credentials",
        "https://github.com/canonical/microk8s/blob/master/microk8s-resources/default-args/kubelet"),
    both("/var/lib/rancher", "the directory of k3s and RKE2: the datastore, the cluster's keys, containerd's state",
        "https://docs.rke2.io/datastore/backup_restore"),
    both("/var/snap/k8s", "Canonical Kubernetes' directories: etcd or k8s-dqlite, the kubelet's, the cluster's keys",
        "https://documentation.ubuntu.com/canonical-kubernetes/latest/snap/reference/etcd"),
    both("/var/lib/minikube", "minikube's directory: the cluster's keys, etcd, an administrator's kubeconfig",
        "https://github.com/kubernetes/minikube/blob/master/pkg/minikube/vmpath/constants.go"),
    both("/kind", "kind's directory: the node's kubeadm configuration with its token",
        "https://github.com/kubernetes-sigs/kind/blob/main/pkg/cluster/internal/create/actions/config/config.go"),

    // The control plane: every Secret of the cluster, or the right to read them.
    both("/var/lib/etcd", "etcd's data: every Secret of the cluster",
        "https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/"),
    both("/etc/kubernetes", "the cluster's keys, kubeconfigs and static pods",
        "https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/"),
    both("/etc/rancher", "the administrator's kubeconfig and the node's password of k3s and RKE2",
        "https://docs.rke2.io/cluster_access"),

    both("/srv/kubernetes", "the cluster's keys and kubeconfigs of kOps",
        "https://github.com/kubernetes/kops/blob/master/nodeup/pkg/model/context.go"),
    both("/etc/srv/kubernetes", "the cluster's keys and kubeconfigs on Google Compute Engine",
        "https://github.com/kubernetes/kubernetes/blob/master/cluster/gce/gci/configure-helper.sh"),
    both("/etc/ssl/etcd", "the keys of etcd's clients, of Kubespray: every Secret of the cluster",
        "https://github.com/kubernetes-sigs/kubespray/blob/master/roles/etcd_defaults/defaults/main.yml"),
    both("/opt/rke", "RKE's snapshots of etcd: every Secret of the cluster",
        "https://rancher.com/docs/rke/latest/en/etcd-snapshots/"),
    both("/system/secrets", "the keys of etcd, the API server and the kubelet on Talos",
        "https://github.com/siderolabs/talos/blob/main/pkg/machinery/constants/constants.go"),
    both("/system/state", "the machine's configuration on Talos, with the cluster's keys",
        "https://github.com/siderolabs/talos/blob/main/pkg/machinery/constants/constants.go"),

    // Runtimes: their sockets are the node's root, their state holds the env and the files of every container.
    both("/run/containerd", "containerd's socket and the state of every container, its env too",
        "https://github.com/containerd/containerd/blob/main/docs/ops.md"),
    both("/var/lib/containerd", "containerd's data: the files of every container",
        "https://github.com/containerd/containerd/blob/main/docs/ops.md"),
    both("/run/k3s", "the containerd socket and state of k3s and RKE2",
        "https://docs.rke2.io/add-ons/import-images"),
    both("/run/k0s", "k0s's sockets, containerd's among them",
        "https://docs.k0sproject.io/head/directories/"),
    both("/run/crio", "CRI-O's socket",
        "https://github.com/cri-o/cri-o/blob/main/docs/crio.8.md"),
    both("/run/containers", "CRI-O's state of every container, its env too",
        "https://github.com/cri-o/cri-o/blob/main/docs/crio.8.md"),
    both("/var/lib/containers", "CRI-O's data: the files of every container",
        "https://github.com/cri-o/cri-o/blob/main/docs/crio.8.md"),
    both("/run/docker.sock", "Docker's socket: every container, and the node",
        "https://docs.docker.com/engine/security/"),
    both("/run/docker", "Docker's state, its containerd's socket among it",
        "https://docs.docker.com/reference/cli/dockerd/"),
    both("/var/lib/docker", "Docker's data: the files and the env of every container",
        "https://docs.docker.com/engine/daemon/"),
    both("/run/cri-dockerd.sock", "cri-dockerd's socket: every container, and the node",
        "https://github.com/Mirantis/cri-dockerd/blob/master/cmd/cri/options/options.go"),
    both("/var/lib/cri-dockerd", "cri-dockerd's data of every pod",
        "https://github.com/Mirantis/cri-dockerd/blob/master/cmd/cri/options/options.go"),
    both("/run/kata-containers", "Kata Containers' shared directories: the files and Secrets of every sandbox",
        "https://github.com/kata-containers/kata-containers/blob/main/docs/how-to/how-to-use-virtio-fs-nydus-with-kata.md"),
    both("/run/vc", "Kata Containers' sandboxes and their consoles",
        "https://github.com/kata-containers/kata-containers/blob/main/docs/Developer-Guide.md"),

    // On Windows; what has the same name below `/` is above.
    both("/pipe/containerd-containerd", "containerd's pipe on Windows: every container, and the node",
        "https://github.com/containerd/containerd/blob/main/defaults/defaults_windows.go"),
    both("/programdata/containerd", "containerd's data and state on Windows: the files of every container",
        "https://github.com/containerd/containerd/blob/main/defaults/defaults_windows.go"),
    both("/pipe/docker_engine", "Docker's pipe on Windows: every container, and the node",
        "https://docs.docker.com/reference/cli/dockerd/"),
    both("/programdata/docker", "Docker's data on Windows: the files and the env of every container",
        "https://docs.docker.com/engine/daemon/"),

    // The same disk under another name.
    both("/sysroot", "the disk itself on an OSTree system: all of /var under another name",
        "https://ostreedev.github.io/ostree/deployment/"),
    both("/ostree", "the disk itself on an OSTree system: all of /var under another name",
        "https://ostreedev.github.io/ostree/deployment/"),
    both("/mnt/stateful_partition", "what is mounted as /var and /home on Container-Optimized OS",
        "https://cloud.google.com/container-optimized-os/docs/concepts/disks-and-filesystem"),
    both("/local/var", "what is mounted as /var on Bottlerocket",
        "https://github.com/bottlerocket-os/bottlerocket/blob/develop/SECURITY_FEATURES.md"),
    both("/proc", "the env and the files of every process on the node",
        "https://man7.org/linux/man-pages/man5/proc_pid_root.5.html"),

    both("/root", "root's home: kubeconfigs, SSH keys, credentials of clouds and registries",
        "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/"),

    above("/dev", "the node's disks and memory",
        "https://man7.org/linux/man-pages/man4/mem.4.html"),
    // Not what is below: /var/log/pods and /var/log/containers are what every agent that ships logs mounts. What programs wrote
    // there is theirs to keep secrets out of, and the link that is to be followed has to be planted at the top of a writable
    // volume; `where.paths` can name them.
    above("/var/log", "the logs of every pod, and by a link planted there any file that the kubelet can read",
        "https://avd.aquasec.com/misconfig/kubernetes/khv047"),
];

const fn both(path: &'static str, what: &'static str, source: &'static str) -> NodeSecret {
    NodeSecret { path, what, source, direction: Direction::AboveAndBelow }
}

const fn above(path: &'static str, what: &'static str, source: &'static str) -> NodeSecret {
    NodeSecret { path, what, source, direction: Direction::AtOrAbove }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// For each row a path inside it as it is really met, and one that only looks like it.
    const EXAMPLES: &[(&str, &str, &str)] = &[
        ("/var/lib/kubelet", "/var/lib/kubelet/pods", "/var/lib/kubelets"),
        ("/var/lib/k0s", "/var/lib/k0s/kubelet", "/var/lib/k0sctl"),
        ("/var/snap/microk8s", "/var/snap/microk8s/common/var/lib/kubelet", "/var/snap/microk8s-addons"),
        ("/var/lib/rancher", "/var/lib/rancher/k3s/server/db", "/var/lib/rancherd"),
        ("/var/snap/k8s", "/var/snap/k8s/common/var/lib/k8s-dqlite", "/var/snap/k8s-addons"),
        ("/srv/kubernetes", "/srv/kubernetes/ca.key", "/srv/kubernetes-data"),
        ("/etc/srv/kubernetes", "/etc/srv/kubernetes/pki", "/etc/srv/other"),
        ("/etc/ssl/etcd", "/etc/ssl/etcd/ssl", "/etc/ssl/certs"),
        ("/opt/rke", "/opt/rke/etcd-snapshots", "/opt/rke2"),
        ("/system/secrets", "/system/secrets/kubernetes", "/system/libexec"),
        ("/system/state", "/system/state/config.yaml", "/system/config"),
        ("/pipe/containerd-containerd", "\\\\.\\pipe\\containerd-containerd", "\\\\.\\pipe\\csi-proxy"),
        ("/programdata/containerd", "C:\\ProgramData\\containerd\\root", "C:\\ProgramData\\app"),
        ("/pipe/docker_engine", "//./pipe/docker_engine", "\\\\.\\pipe\\docker"),
        ("/programdata/docker", "c:/programdata/Docker/containers", "C:\\data\\docker"),
        ("/var/lib/minikube", "/var/lib/minikube/certs", "/var/lib/minikube-data"),
        ("/kind", "/kind/kubeadm.conf", "/kinds"),
        ("/var/lib/etcd", "/var/lib/etcd/member", "/var/lib/etcd-backup"),
        ("/etc/kubernetes", "/etc/kubernetes/pki/ca.key", "/etc/kubernetes-exporter"),
        ("/etc/rancher", "/etc/rancher/k3s/k3s.yaml", "/etc/rancher.d"),
        ("/run/containerd", "/run/containerd/containerd.sock", "/run/containerd-metrics"),
        ("/var/lib/containerd", "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs", "/var/lib/containerd2"),
        ("/run/k3s", "/run/k3s/containerd/containerd.sock", "/run/k3s-metrics"),
        ("/run/k0s", "/run/k0s/containerd.sock", "/run/k0s.pid"),
        ("/run/crio", "/run/crio/crio.sock", "/run/criossh"),
        ("/run/containers", "/run/containers/storage", "/run/container"),
        ("/var/lib/containers", "/var/lib/containers/storage", "/var/lib/container"),
        ("/run/docker.sock", "/var/run/docker.sock", "/run/docker.pid"),
        ("/run/docker", "/run/docker/containerd", "/run/dockershim.sock"),
        ("/var/lib/docker", "/var/lib/docker/containers", "/var/lib/docker-registry"),
        ("/run/cri-dockerd.sock", "/var/run/cri-dockerd.sock", "/run/cri-dockerd.pid"),
        ("/var/lib/cri-dockerd", "/var/lib/cri-dockerd/sandbox", "/var/lib/cri"),
        ("/run/kata-containers", "/run/kata-containers/shared/sandboxes", "/run/kata"),
        ("/run/vc", "/run/vc/vm", "/run/vcs"),
        ("/sysroot", "/sysroot/ostree/deploy/rhcos/var/lib/kubelet", "/sysroots"),
        ("/ostree", "/ostree/deploy/rhcos/var", "/ostrees"),
        ("/mnt/stateful_partition", "/mnt/stateful_partition/var/lib/kubelet", "/mnt/stateful"),
        ("/local/var", "/local/var/lib/kubelet", "/local/data"),
        ("/proc", "/proc/1/root", "/process"),
        ("/root", "/root/.kube", "/rootless"),
        ("/dev", "/dev", "/dev/fuse"),
        ("/var/log", "/var/log", "/var/log/pods"),
    ];

    #[test]
    fn every_row_has_a_source_and_is_found_by_its_example_but_not_by_its_near_miss() {
        for row in NODE_SECRETS {
            assert!(row.source.starts_with("https://"), "{}", row.path);
            assert_eq!(NodePath::normalise(row.path).as_str(), row.path);
            let (_, example, near_miss) = EXAMPLES
                .iter()
                .find(|example| example.0 == row.path)
                .unwrap_or_else(|| panic!("{}: no test", row.path));
            assert_eq!(shows(example, None).map(|found| found.path), Some(row.path));
            assert!(shows(near_miss, None).is_none(), "{near_miss}");
        }
        assert_eq!(EXAMPLES.len(), NODE_SECRETS.len());
    }

    #[test]
    fn a_volume_above_a_place_shows_it() {
        for path in [
            "/",
            "",
            ".",
            "/var",
            "/var/",
            "/var/lib",
            "/run",
            "/var/run",
            "/etc",
            "/mnt",
            "/var/snap",
            "/local",
            "/opt",
            "/srv",
        ] {
            assert!(shows(path, None).is_some(), "{path:?}");
        }
        for path in [
            "/opt/cni/bin",
            "/data",
            "/local/data",
            "/etc/ssl/certs",
            "/srv/data",
            "/var/log/pods",
            "/usr",
            "/lib/modules",
            "/sys",
            "/sys/fs/cgroup",
            "/tmp",
            "/boot",
        ] {
            assert!(shows(path, None).is_none(), "{path}");
        }
    }

    #[test]
    fn ways_to_write_a_path_change_nothing() {
        for path in [
            "/a/../var/lib/kubelet",
            "//var//lib///kubelet//",
            "/var/lib/./kubelet/.",
            "var/lib/kubelet",
            "/../../var/lib/kubelet/pods/..",
            "C:\\var\\lib\\kubelet",
            "c:/Var/Lib/Kubelet/",
            "\\var\\lib\\kubelet",
            "\\\\?\\C:\\var\\lib\\kubelet",
            "\\\\.\\C:\\var\\lib\\kubelet",
            "\\??\\c:\\var\\lib\\kubelet",
            "//?/C:/var/lib/kubelet",
            "\\\\?\\UNC\\localhost\\C$\\var\\lib\\kubelet",
            "\\\\127.0.0.1\\c$\\var\\lib\\kubelet",
            "C:\\var\\lib\\kubelet.",
            "C:\\var.\\lib \\kubelet. .",
        ] {
            assert_eq!(shows(path, None).map(|found| found.path), Some("/var/lib/kubelet"), "{path}");
            assert_eq!(NodePath::normalise(path).as_str(), "/var/lib/kubelet", "{path}");
        }
        // Written as on Linux; where it is that, case and dots mean something, and the path stays as it is.
        for path in ["/Var/Lib/Kubelet", "/VAR/LIB/kubelet/pods", "/var/lib/kubelet.", "/var/lib/kubelet /x"] {
            assert_eq!(shows(path, None).map(|found| found.path), Some("/var/lib/kubelet"), "{path}");
            assert_eq!(NodePath::normalise(path).as_str(), path);
        }
        assert_eq!(shows("/Var/Run/docker.sock", None).map(|found| found.path), Some("/run/docker.sock"));
        assert_eq!(NodePath::normalise("//./Srv/Data").as_str(), "/Srv/Data");
        assert_eq!(NodePath::normalise("\\\\host\\share\\x").as_str(), "/host/share/x");
        assert_eq!(NodePath::normalise("/").as_str(), "/");
        assert_eq!(NodePath::normalise("C:\\").as_str(), "/");
    }

    #[test]
    fn a_sub_path_narrows_the_mount() {
        assert!(shows("/var", Some("lib/postgresql")).is_none());
        assert!(shows("/", Some("opt/app")).is_none());
        assert_eq!(shows("/", Some("var/lib/kubelet/pods")).map(|found| found.path), Some("/var/lib/kubelet"));
        assert_eq!(shows("/var", Some("run/docker.sock")).map(|found| found.path), Some("/run/docker.sock"));
        assert!(shows("/var/lib/kubelet", Some("plugins")).is_some());
        assert!(shows("C:\\", Some("data\\app")).is_none());
    }

    #[test]
    fn a_sub_path_that_the_kubelet_refuses_narrows_nothing() {
        for sub_path in ["", "/opt", "opt/../../x", "..", "opt\\..\\var"] {
            assert!(shows("/", Some(sub_path)).is_some(), "{sub_path}");
        }
        // A `subPathExpr` may become anything.
        assert!(shows("/", None).is_some());
    }

    #[test]
    fn debug_escapes_a_hostile_path() {
        assert_eq!(format!("{:?}", NodePath::normalise("/a\u{1b}[31m")), "\"/a\\u{1b}[31m\"");
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(path in "([/.\\\\:]|\\.\\.|var|run|lib|[a-cC]|é| ){0,12}") {
            let once = NodePath::normalise(&path).into_text().into_owned();
            let twice = NodePath::normalise(&once).into_text().into_owned();
            prop_assert_eq!(&twice, &once);
            prop_assert!(once.starts_with('/'));
            prop_assert!(once == "/" || once.split('/').skip(1).all(|part| !matches!(part, "" | "." | "..")));
            prop_assert!(!(once == "/var/run" || once.starts_with("/var/run/")));
        }

        #[test]
        fn whatever_is_above_or_inside_a_place_shows_it(row in 0..NODE_SECRETS.len(), cut in 0..5usize, more in "(/[a-z]{1,4}){0,3}") {
            let row = &NODE_SECRETS[row];
            let parts: Vec<&str> = row.path.split('/').collect();
            let above = parts[..parts.len().saturating_sub(cut).max(1)].join("/");
            prop_assert!(shows(&above, None).is_some(), "{above}");
            let inside = format!("{}{more}", row.path);
            let shown = row.is_shown_by(&NodePath::normalise(&inside));
            prop_assert_eq!(shown, row.direction == Direction::AboveAndBelow || more.is_empty());
        }

        #[test]
        fn a_sub_path_shows_at_most_what_its_volume_shows(path in "(/(var|lib|run|opt|kubelet)){0,4}", sub in "(var|lib|kubelet|opt|\\.\\.|/){0,5}") {
            if shows(&path, Some(&sub)).is_some() {
                prop_assert!(shows(&path, None).is_some());
            }
        }
    }
}
