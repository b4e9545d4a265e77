//! Killed at any moment, `--in-place` leaves each file whole.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::{Folder, POD};

const RUNS: u32 = 200;
const FILES: usize = 16;

#[test]
fn a_file_is_old_or_new_whenever_the_process_is_killed() {
    let mut folder = Folder::new();
    // Long enough that a file which is written in its place would be seen half written.
    let padding: String = (0..1000).map(|line| format!("# line {line} of what nobody touches\n")).collect();
    for index in 0..FILES {
        folder = folder.file(&format!("manifests/{index}.yaml"), format!("{POD}{padding}"));
    }
    let old = content(&folder);
    let arguments = ["fix", "-p", "policy.yaml", "--in-place", "manifests"];
    let begin = Instant::now();
    assert!(folder.command(&arguments).output().unwrap().status.success());
    let whole = begin.elapsed();
    let new = content(&folder);
    assert!(new.keys().eq(old.keys()) && new.iter().all(|(name, content)| *content != old[name]));
    let (mut killed, mut between) = (0, 0);
    for run in 0..RUNS {
        for (name, content) in &old {
            std::fs::write(folder.path().join("manifests").join(name), content).unwrap();
        }
        let mut child = folder.command(&arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_nanos(whole.as_nanos() as u64 / u64::from(RUNS) * u64::from(run)));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let mut changed = 0;
        for (name, content) in content(&folder) {
            assert!(content == old[&name] || content == new[&name], "run {run}: {name} is neither old nor new");
            changed += usize::from(content == new[&name]);
        }
        between += u32::from(changed > 0 && changed < FILES);
    }
    println!("{killed} of {RUNS} runs were killed, {between} of them between two files");
    assert!(killed > RUNS / 4, "only {killed} of {RUNS} runs were killed before their end");
    // Else nothing was told of the moments that matter.
    assert!(between > 0, "no run was killed between two files");
}

/// The manifests: what is left over of a file that was being written is none.
fn content(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder.path().join("manifests")).unwrap().map(Result::unwrap);
    let files = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    files.filter(|(name, _)| !name.starts_with('.')).map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}
