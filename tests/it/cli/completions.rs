//! Completions: what a shell makes of them.

use std::process::Command;

use super::output;
use crate::support::program;

/// Asks the function that is registered for the command, as bash itself does.
const ASK: &str = r#"
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
[[ $(complete -p wssgate) =~ -F\ ([^ ]+) ]] || exit 3
"${BASH_REMATCH[1]}" wssgate "${@: -1}" "${@: -2:1}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

async fn completions(shell: &str) -> String {
    let output = output(&["completions", shell]).await;
    assert!(output.status.success(), "{shell}");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers for the last of these words.
async fn offered(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("wssgate.bash");
    std::fs::write(&script, completions("bash").await).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", ASK, "bash"]).arg(&script).args(words);
    let output = bash.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_flags_commands_and_values() {
    let flags = offered(&["wssgate", "--up"]).await;
    assert!(flags.contains(&"--upstream".to_owned()), "{flags:?}");
    assert!(flags.iter().all(|flag| flag.starts_with("--up")), "{flags:?}");
    assert_eq!(offered(&["wssgate", "dem"]).await, ["demo"]);
    assert_eq!(offered(&["wssgate", "--log-format", "j"]).await, ["json"]);
    assert_eq!(offered(&["wssgate", "completions", "z"]).await, ["zsh"]);
    assert_eq!(offered(&["wssgate", "check", "--drain-t"]).await, ["--drain-timeout"]);
}

#[tokio::test]
async fn zsh_and_fish_are_told_of_the_flags_too() {
    assert!(completions("zsh").await.starts_with("#compdef wssgate\n"));
    for (shell, flag) in [("zsh", "--upstream=["), ("fish", "-l upstream ")] {
        assert!(completions(shell).await.contains(flag), "{shell}");
    }
}

#[tokio::test]
#[ignore = "needs zsh and fish"]
async fn zsh_and_fish_can_read_theirs() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["zsh", "fish"] {
        let script = folder.path().join(shell);
        std::fs::write(&script, completions(shell).await).unwrap();
        let output = Command::new(program(shell)).arg("-n").arg(&script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
