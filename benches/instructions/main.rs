//! How many instructions the hot paths take, counted by callgrind: a figure that is the same on a busy machine, so that a
//! regression shows where times would not. Each operation is run a few times and many times in processes of their own;
//! the difference is divided, so that start and set-up cancel out. The kernel's work is not in it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

mod callgrind;
#[path = "../side_by_side/certificate.rs"]
#[allow(dead_code, reason = "the other bench needs more of it")]
mod certificate;
#[path = "../side_by_side/client.rs"]
#[allow(dead_code, reason = "the other bench needs more of it")]
mod client;
#[path = "../side_by_side/frame.rs"]
mod frame;
mod heads;
mod operation;
#[path = "../side_by_side/origin.rs"]
mod origin;
mod record;
mod served;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use operation::Operation;
use record::Record;

/// Counts the instructions of the hot paths; without options, writes the result files.
#[derive(Parser)]
struct Args {
    /// Compare with the recorded counts and fail if one has grown by more than 5 %; writes nothing.
    #[arg(long)]
    check: bool,
    /// Smoke test: few repetitions; writes nothing.
    #[arg(long)]
    quick: bool,
    /// Be counted: run this operation in this process.
    #[arg(long, hide = true, requires = "times")]
    work: Option<Operation>,
    #[arg(long, hide = true)]
    times: Option<usize>,
    /// Passed by `cargo bench`; without it (`cargo test --benches`) nothing is measured.
    #[arg(long, hide = true)]
    bench: bool,
    /// Only the operations with this in their titles; writes nothing.
    filter: Option<String>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if let (Some(operation), Some(times)) = (args.work, args.times) {
        heads::run(operation, times);
        return Ok(ExitCode::SUCCESS);
    }
    if !args.bench {
        println!("instructions: nothing to test; `cargo bench --bench instructions` counts");
        return Ok(ExitCode::SUCCESS);
    }
    let mut record = Record::new(callgrind::version()?);
    for operation in Operation::ALL {
        if !args.filter.as_ref().is_none_or(|filter| operation.title().contains(filter)) {
            continue;
        }
        eprintln!("instructions: {}", operation.title());
        record.add(operation, each(operation, args.quick)?);
    }
    println!("{}", record.markdown());
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    if args.check {
        return check(&record, &dir.join("instructions.json"));
    }
    if !args.quick && args.filter.is_none() {
        record.write(&dir)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Instructions of one operation.
fn each(operation: Operation, quick: bool) -> Result<u64> {
    let (few, many) = operation.repetitions();
    let (few, many) = if quick { (few / 10, many / 10) } else { (few, many) };
    let count = |times| {
        match operation.is_served() {
            true => served::count(operation, times),
            false => callgrind::count_work(operation, times),
        }
        .with_context(|| format!("{}, {times} times", operation.title()))
    };
    let (base, more) = (count(few)?, count(many)?);
    let Some(difference) = more.checked_sub(base) else {
        bail!("{}: {many} times cost less than {few} times", operation.title());
    };
    Ok(difference / (many - few) as u64)
}

fn check(record: &Record, path: &Path) -> Result<ExitCode> {
    let recorded = Record::read(path)?;
    let grown = record.grown_since(&recorded)?;
    for line in &grown {
        eprintln!("instructions: {line}");
    }
    Ok(if grown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
