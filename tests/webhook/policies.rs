//! Policy files that change under a running server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::client::{DENIED, REVIEW};
use crate::process::{Server, eventually, fails};

/// A policy that decides whether a Secret may be an environment variable.
fn policy(name: &str, action: &str) -> String {
    format!(
        "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata:\n  name: {name}\nspec:\n  rules:\n    \
         - name: env\n      on: [env]\n      action: {action}\n"
    )
}

fn serve(path: &Path) -> Server {
    Server::self_signed(&["-p", path.to_str().unwrap()])
}

/// The revision that serves, and how many policies it has, as `/readyz` says.
fn serving(server: &Server) -> String {
    let (status, text) = server.admin_get("/readyz");
    assert_eq!(status, 200, "{text}");
    let line = text.lines().find(|line| line.contains("policies")).unwrap().to_owned();
    let at = line.find("revision").unwrap();
    line[at..].split(':').next().unwrap().to_owned()
}

fn reloads(server: &Server, result: &str) -> f64 {
    server.metric(&format!("secretfence_policy_reloads_total{{result=\"{result}\"}}")).unwrap()
}

#[test]
fn a_changed_directory_is_loaded_whole() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.yaml"), policy("a", "deny")).unwrap();
    let server = serve(directory.path());
    let before = serving(&server);
    assert!(before.ends_with("(1 policy)"), "{before}");
    fs::write(directory.path().join("b.yaml"), policy("b", "warn")).unwrap();
    assert!(eventually(|| serving(&server).ends_with("(2 policies)").then_some(())).is_some());
    assert_ne!(serving(&server), before);
    fs::create_dir(directory.path().join("nested")).unwrap();
    fs::rename(directory.path().join("b.yaml"), directory.path().join("nested/c.yaml")).unwrap();
    fs::write(directory.path().join("nested/d.yaml"), policy("d", "warn")).unwrap();
    assert!(eventually(|| serving(&server).ends_with("(3 policies)").then_some(())).is_some());
    assert_eq!(reloads(&server, "failure"), 0.0);
    let info = format!("secretfence_policy_set_info{{revision=\"{}\"}}", serving(&server).split(' ').nth(1).unwrap());
    assert_eq!(server.metric(&info), Some(1.0));
    let (_, metrics) = server.admin_get("/metrics");
    assert_eq!(metrics.matches("secretfence_policy_set_info{").count(), 1, "{metrics}");
}

#[test]
fn a_bad_set_leaves_the_last_good_one_and_says_so() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("a.yaml");
    fs::write(&file, policy("a", "deny")).unwrap();
    let server = serve(directory.path());
    let before = serving(&server);
    fs::write(directory.path().join("b.yaml"), "kind: Nonsense\n").unwrap();
    server.wait_for_line(&["policies not reloaded", "b.yaml"]);
    let (status, ready) = server.admin_get("/readyz");
    assert_eq!(status, 200);
    assert!(ready.contains("[-]policies reload failed") && ready.contains("b.yaml"), "{ready}");
    assert_eq!(serving(&server), before);
    assert_eq!(reloads(&server, "failure"), 1.0);
    assert_eq!(server.connect().post("/validate", DENIED).json()["response"]["allowed"], false);
    fs::remove_file(directory.path().join("b.yaml")).unwrap();
    assert!(eventually(|| server.admin_get("/readyz").1.contains("[+]policies ok").then_some(())).is_some());
}

/// A mounted ConfigMap: `a.yaml -> ..data/a.yaml`, and an update swaps `..data`.
#[test]
fn a_mounted_config_map_whose_link_is_swapped_is_loaded() {
    let mount = TempDir::new().unwrap();
    let fill = |name: &str, action: &str| {
        fs::create_dir(mount.path().join(name)).unwrap();
        fs::write(mount.path().join(name).join("a.yaml"), policy("a", action)).unwrap();
        symlink(name, mount.path().join("..data_tmp")).unwrap();
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    };
    fill("..2026_1", "deny");
    symlink("..data/a.yaml", mount.path().join("a.yaml")).unwrap();
    let server = serve(mount.path());
    let before = serving(&server);
    assert_eq!(server.connect().post("/validate", DENIED).json()["response"]["allowed"], false);
    fill("..2026_2", "warn");
    fs::remove_dir_all(mount.path().join("..2026_1")).unwrap();
    assert!(eventually(|| (serving(&server) != before).then_some(())).is_some());
    assert_eq!(server.connect().post("/validate", DENIED).json()["response"]["allowed"], true);
    assert_eq!(reloads(&server, "failure"), 0.0);
}

/// One says yes and the other no; a review that met half of each would find neither.
#[test]
fn no_review_meets_half_of_two_sets() {
    let mount = TempDir::new().unwrap();
    for (name, first, second) in [("..one", "deny", "warn"), ("..two", "warn", "deny")] {
        fs::create_dir(mount.path().join(name)).unwrap();
        fs::write(mount.path().join(name).join("a.yaml"), policy("a", first)).unwrap();
        fs::write(mount.path().join(name).join("b.yaml"), policy("b", second)).unwrap();
    }
    let point = |name: &str| {
        symlink(name, mount.path().join("..data_tmp")).unwrap();
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    };
    point("..one");
    symlink("..data/a.yaml", mount.path().join("a.yaml")).unwrap();
    symlink("..data/b.yaml", mount.path().join("b.yaml")).unwrap();
    let server = serve(mount.path());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut connection = server.connect();
            let mut asked = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = connection.post("/validate", DENIED);
                assert_eq!(answer.json()["response"]["allowed"], false, "{answer:?}");
                asked += 1;
            }
            asked
        });
        for round in 0..40 {
            point(["..two", "..one"][round % 2]);
            std::thread::sleep(Duration::from_millis(if round % 10 == 9 { 2500 } else { 40 }));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 100);
    });
    assert_eq!(reloads(&server, "failure"), 0.0);
}

#[test]
fn a_directory_that_is_being_written_is_left_alone_until_it_rests() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("a.yaml");
    fs::write(&file, policy("a", "deny")).unwrap();
    let server = serve(directory.path());
    let before = serving(&server);
    // Half a policy, growing for longer than two looks.
    let whole = policy("b", "warn");
    for end in (10..whole.len()).step_by(10) {
        fs::write(directory.path().join("b.yaml"), &whole[..end]).unwrap();
        assert_eq!(serving(&server), before);
        std::thread::sleep(Duration::from_millis(200));
    }
    fs::write(directory.path().join("b.yaml"), whole).unwrap();
    assert!(eventually(|| serving(&server).ends_with("(2 policies)").then_some(())).is_some());
    assert_eq!(reloads(&server, "failure"), 0.0);
}

#[test]
fn no_review_fails_while_policies_are_switched() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.yaml"), policy("a", "deny")).unwrap();
    let server = serve(directory.path());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut connection = server.connect();
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(connection.post("/validate", REVIEW).status, 200);
                }
            });
        }
        for round in 0..3 {
            let reloaded = reloads(&server, "success");
            fs::write(directory.path().join("a.yaml"), policy("a", ["warn", "deny"][round % 2])).unwrap();
            let reloaded = eventually(|| (reloads(&server, "success") > reloaded).then_some(()));
            if reloaded.is_none() {
                stop.store(true, Ordering::Relaxed);
            }
            assert!(reloaded.is_some());
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// The last day counts whole, in UTC.
#[test]
fn the_end_of_an_exception_is_a_metric() {
    let directory = TempDir::new().unwrap();
    let exception = |expires: &str| {
        "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: a}\nspec:\n  rules:\n  - {name: \
         vendor, on: [secretKeyRef], where: {namespaces: [shop]}, action: allow, reason: SEC-1, expires: DATE}\n  - \
         {name: env, on: [env], action: deny}\n"
            .replace("DATE", expires)
    };
    fs::write(directory.path().join("a.yaml"), exception("2031-03-31")).unwrap();
    let server = serve(directory.path());
    let sample = "secretfence_exception_expiry_timestamp_seconds{policy=\"a\",rule=\"vendor\"}";
    // 2031-04-01T00:00:00Z
    assert_eq!(server.metric(sample), Some(1_932_768_000.0));
    assert_eq!(server.connect().post("/validate", DENIED).json()["response"]["allowed"], true);
    // One that is over still tells when it was.
    fs::write(directory.path().join("a.yaml"), exception("2020-02-29")).unwrap();
    assert!(eventually(|| server.metric(sample).filter(|end| *end == 1_583_020_800.0)).is_some());
    assert_eq!(server.connect().post("/validate", DENIED).json()["response"]["allowed"], false);
    fs::write(directory.path().join("a.yaml"), policy("a", "deny")).unwrap();
    assert!(eventually(|| server.metric(sample).is_none().then_some(())).is_some());
}

#[test]
fn at_the_start_a_bad_set_is_an_error_with_its_place() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("bad.yaml"), "kind: Nonsense\n").unwrap();
    let (code, stderr) = fails(&["--self-signed", "-p", directory.path().to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("bad.yaml:1:"), "{stderr}");
    let (code, stderr) = fails(&["--self-signed", "-p", "/nowhere/at-all"]);
    assert!(code == Some(2) && stderr.contains("/nowhere/at-all"), "{stderr}");
}
