//! Processes under callgrind, and the count that it prints at their end. Valgrind hides AVX-512 from them: aws-lc takes
//! its code for AVX2 then, on every machine that has it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::operation::Operation;

/// A command that runs `program` under callgrind; what callgrind says goes to `log`.
pub(crate) fn command(program: &Path, log: &Path) -> Command {
    let mut command = Command::new("valgrind");
    // The sum is all that is wanted; %p would tell children apart, but there are none.
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(format!("--log-file={}", log.display())).arg(program);
    command.stdin(Stdio::null());
    command
}

/// What valgrind calls itself.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("valgrind").arg("--version").output();
    let output = output.context("run valgrind (is it installed?)")?;
    ensure!(output.status.success(), "valgrind --version failed");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Instructions of this very program doing the operation so often.
pub(crate) fn count_work(operation: Operation, times: usize) -> Result<u64> {
    let dir = tempfile::tempdir().context("make a temporary directory")?;
    let log = dir.path().join("callgrind");
    let mut command = command(&std::env::current_exe()?, &log);
    command.args(["--work", operation.key(), "--times", &times.to_string()]);
    let status = command.status().context("run valgrind")?;
    ensure!(status.success(), "{command:?}: {status}");
    read(&log)
}

/// The count in callgrind's log, whose process has ended.
pub(crate) fn read(log: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(log).with_context(|| format!("read {}", log.display()))?;
    let count = text
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .with_context(|| format!("no count in what callgrind said:\n{text}"))?;
    count.1.trim().parse().context("not a number")
}
