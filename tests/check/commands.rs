//! Help, completions and manual pages.

use std::process::Command;

use crate::{Folder, shown};

#[test]
fn every_command_has_help_with_examples() {
    let mut commands = vec![Vec::new()];
    let mut seen = Vec::new();
    while let Some(command) = commands.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = Folder::new().run(&arguments);
        assert!(help.starts_with("exit: 0\n") && help.contains("Examples:\n  "), "{arguments:?}\n{help}");
        let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
        // What is longer than a line goes on further to the right.
        for line in listed.lines().filter(|line| !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                commands.push([&command[..], &[name.to_owned()]].concat());
            }
        }
        seen.push(command.join(" "));
    }
    for command in ["", "check", "completions", "fix", "man", "policy", "policy check"] {
        assert!(seen.iter().any(|seen| seen == command), "{command:?}: {seen:?}");
    }
}

#[test]
fn exit_codes_are_in_the_help_of_what_judges() {
    for command in [&["check"][..], &["policy", "check"]] {
        assert!(Folder::new().run(&[command, &["--help"]].concat()).contains("\nExit code: 0 "), "{command:?}");
    }
}

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Folder::new().run(&["completions", shell]);
        assert!(script.starts_with("exit: 0\n"), "{shell}");
        for word in ["check", "baseline", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

/// Where the shell is there: each reads its script, and bash completes by it.
#[test]
fn shells_read_their_completions() {
    let folder = Folder::new();
    for (shell, check) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        if Command::new(shell).arg("--version").output().is_err() {
            println!("left out: there is no {shell} here");
            continue;
        }
        let script = folder.command(&["completions", shell]).output().unwrap().stdout;
        let path = folder.path().join(shell);
        std::fs::write(&path, script).unwrap();
        let output = Command::new(shell).args(check).arg(&path).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", shown(&output));
    }
    if folder.path().join("bash").exists() {
        let complete = "source ./bash; COMP_WORDS=(secretfence check --format s); COMP_CWORD=3; \
                        _secretfence secretfence s --format; echo \"${COMPREPLY[@]}\"";
        let output = Command::new("bash").args(["-c", complete]).current_dir(folder.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "sarif\n", "{}", shown(&output));
    }
}

#[test]
fn every_command_has_a_page_that_man_can_set() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["man", "pages/man1"]), "exit: 0\n");
    let pages = folder.path().join("pages/man1");
    for page in ["secretfence.1", "secretfence-check.1", "secretfence-policy-check.1", "secretfence-man.1"] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH EXAMPLES\n.nf\nExamples:\n  "), "{page}\n{text}");
        assert_eq!(text.matches("\n.nf\n").count(), text.matches("\n.fi\n").count(), "{page}\n{text}");
        match Command::new("man").args(["--warnings", "-l"]).arg(pages.join(page)).env("LC_ALL", "C.UTF-8").output() {
            Err(_) => println!("left out: there is no man here"),
            Ok(output) => {
                assert!(output.status.success() && output.stderr.is_empty(), "{page}: {}", shown(&output));
            }
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let shown = Folder::new().file("pages", "").run(&["man", "pages"]);
    assert!(shown.starts_with("exit: 2\n--- stderr\nerror: the folder pages cannot be made: "), "{shown}");
}
