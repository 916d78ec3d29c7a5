//! The manual page: whole, and without a fault that groff could find.

use std::collections::BTreeSet;
use std::process::Command;

use super::variables::flags;
use super::{help, output};
use crate::support::program;

async fn manual() -> String {
    let output = output(&["man"]).await;
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of the help.
fn commands(help: &str) -> Vec<&str> {
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    // What says something of a command stands further in.
    let named = commands.lines().filter_map(|line| line.strip_prefix("  "));
    named.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next()).collect()
}

#[tokio::test]
async fn it_names_every_command_and_every_flag() {
    let manual = manual().await;
    let help = help().await;
    let mut known: BTreeSet<String> = flags(&help).into_iter().map(|(flag, _)| flag).collect();
    let commands = commands(&help);
    assert!(commands.contains(&"demo") && commands.contains(&"man"), "{commands:?}");
    for command in commands {
        assert!(manual.contains(&format!("\n\\fB{command}\\fR")), "{command}");
        let help = String::from_utf8(output(&[command, "--help"]).await.stdout).unwrap();
        known.extend(flags(&help).into_iter().map(|(flag, _)| flag));
    }
    for flag in known {
        let name = format!("\\-\\-{}\\fR", flag.replace('-', "\\-"));
        assert!(manual.contains(&name), "--{flag}, as {name}");
    }
}

#[tokio::test]
async fn it_says_what_the_help_does_not() {
    let manual = manual().await;
    assert!(manual.contains(concat!("\"wssgate ", env!("CARGO_PKG_VERSION"), "\"\n")));
    for section in ["COMMANDS", "EXIT STATUS", "SIGNALS", "ENVIRONMENT", "FILES"] {
        let heading = format!(".SH {section}");
        assert_eq!(manual.lines().filter(|line| *line == heading).count(), 1, "{section}");
    }
}

#[tokio::test]
#[ignore = "needs groff"]
async fn groff_has_nothing_to_warn_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wssgate.1");
    std::fs::write(&file, manual().await).unwrap();
    let mut groff = Command::new(program("groff"));
    groff.args(["-man", "-Tutf8", "-ww"]).arg(&file);
    let output = groff.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("drained"), "{page}");
}
