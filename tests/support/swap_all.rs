//! The policy of the tests of `fix`.

/// Swaps whatever can be swapped, and only warns of the rest.
pub(crate) const ALL: &str = "\
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: all}
spec:
  rules: [{name: files, on: [env], action: mount, mount: {besideEnvFrom: swap, unsafe: warn}}]
";
