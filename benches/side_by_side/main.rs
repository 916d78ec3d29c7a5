//! The side-by-side comparison: wssgate, nginx, HAProxy and hitch, each as wss:// terminator with two workers before
//! one and the same origin, measured in turns. Prints a Markdown table of CPU and memory; wall-clock time is no figure
//! here. `benches/README.md` says what is measured and how to repeat it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

mod certificate;
mod client;
mod frame;
mod load;
mod measure;
mod origin;
mod peers;
mod proxy;
mod table;
mod usage;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use certificate::Files;
use measure::Plan;
use peers::Program;
use table::Column;

/// Measures wssgate, nginx, HAProxy and hitch side by side; without options, writes the result file.
#[derive(Parser)]
struct Args {
    /// Smoke test: one round of small windows and few tunnels.
    #[arg(long)]
    quick: bool,
    /// How often each program is started afresh and measured; the median counts.
    #[arg(long)]
    rounds: Option<usize>,
    /// Length of each CPU window in seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// Idle tunnels for the memory figure.
    #[arg(long)]
    tunnels: Option<usize>,
    /// Only these programs, comma-separated.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Program>,
    /// Passed by `cargo bench`; without it (`cargo test --benches`) nothing is measured.
    #[arg(long, hide = true)]
    bench: bool,
    /// Only the rows with this in their titles.
    filter: Option<String>,
}

impl Args {
    /// Whether this is the run whose figures are published.
    fn is_whole(&self) -> bool {
        let same_sizes = self.rounds.is_none() && self.seconds.is_none() && self.tunnels.is_none();
        !self.quick && same_sizes && self.only.is_empty() && self.filter.is_none()
    }
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if !args.bench {
        println!("side_by_side: nothing to test; `cargo bench --bench side_by_side` measures");
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the load generator's runtime")?;
    runtime.block_on(async {
        tokio::select! {
            outcome = run(&args) => outcome,
            // Returning drops what is running: every proxy is killed on the way out.
            stopped = stop_signal() => stopped,
        }
    })
}

async fn run(args: &Args) -> Result<ExitCode> {
    let plan = plan(args)?;
    let files = Files::create()?;
    let (programs, mut notes) = installed(&args.only);
    let mut columns: Vec<Column> =
        programs.iter().map(|program| Column::new(program.name())).collect();
    for round in 0..plan.rounds {
        for &figure in &plan.figures {
            eprintln!("side_by_side: round {}: {}", round + 1, figure.title());
            // Each round starts with another one, so that none always follows the same neighbour.
            for turn in 0..programs.len() {
                let index = (round + turn) % programs.len();
                let (program, column) = (&programs[index], &mut columns[index]);
                if !figure.is_of(program.program) {
                    continue;
                }
                measure::run(figure, program, &files, &plan, column).await;
                table::negotiated(&columns)?;
            }
        }
    }
    let failures: Vec<String> =
        columns.iter().flat_map(|column| column.failures.iter().cloned()).collect();
    notes.extend_from_slice(&failures);
    let report = table::report(&columns, &plan, &notes)?;
    println!("{report}");
    if args.is_whole() {
        write_results(&report)?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_results(report: &str) -> Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    let path = dir.join("side_by_side.md");
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(&path, report))
        .with_context(|| format!("write {}", path.display()))?;
    eprintln!("side_by_side: written to {}", path.display());
    Ok(())
}

/// The sizes of this run, and room for them among the open files.
fn plan(args: &Args) -> Result<Plan> {
    let default = if args.quick { Plan::quick() } else { Plan::full() };
    let mut plan = Plan {
        rounds: args.rounds.unwrap_or(default.rounds),
        window: args.seconds.map_or(default.window, Duration::from_secs_f64),
        tunnels: args.tunnels.unwrap_or(default.tunnels),
        ..default
    };
    if let Some(filter) = &args.filter {
        plan.figures.retain(|figure| figure.title().contains(filter));
    }
    ensure!(plan.rounds > 0 && plan.tunnels > 0, "rounds and tunnels begin at 1");
    // Each tunnel is two sockets here (client and origin) and two in the proxy.
    let needed = 2 * plan.tunnels as u64 + 500;
    let limit = getrlimit(Resource::Nofile).maximum;
    ensure!(
        limit.is_none_or(|limit| limit >= needed),
        "{} tunnels take {needed} open files a process, the hard limit is {limit:?}: use --tunnels",
        plan.tunnels
    );
    // The proxies inherit it.
    let raised = Rlimit { current: limit, maximum: limit };
    setrlimit(Resource::Nofile, raised).context("raise the limit of open files")?;
    Ok(plan)
}

/// The programs to measure, and a line for each that is not installed.
fn installed(only: &[Program]) -> (Vec<peers::Installed>, Vec<String>) {
    let mut found = Vec::new();
    let mut notes = Vec::new();
    for program in Program::ALL {
        if !only.is_empty() && !only.contains(&program) {
            continue;
        }
        match peers::Installed::find(program) {
            Ok(installed) => found.push(installed),
            Err(error) => notes.push(format!("{} skipped: {error:#}", program.title())),
        }
    }
    for note in &notes {
        eprintln!("side_by_side: {note}");
    }
    (found, notes)
}

async fn stop_signal() -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
        _ = hangup.recv() => (),
    }
    eprintln!("side_by_side: stopped by a signal");
    Ok(ExitCode::FAILURE)
}
