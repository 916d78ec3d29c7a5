//! The side-by-side comparison: wssgate, nginx, HAProxy and hitch, each as wss:// terminator with two workers before
//! one and the same origin, and the floor, a TCP relay without TLS, measured in turns. Prints a Markdown report of CPU and
//! memory; wall-clock time is a figure only where it says so. `benches/README.md` says what is measured and how to repeat
//! it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

mod certificate;
mod chart;
mod client;
mod column;
mod cores;
mod crowd;
mod figure;
mod frame;
mod latency;
mod load;
mod measure;
mod origin;
mod peers;
mod plan;
mod proxy;
mod relay;
mod results;
mod table;
mod target;
mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use certificate::Files;
use column::Column;
use measure::Measurement;
use peers::Program;
use plan::Plan;

/// Measures wssgate, nginx, HAProxy, hitch and a TCP relay side by side; without options, writes the result files.
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
    /// Idle tunnels for the memory figures.
    #[arg(long)]
    tunnels: Option<usize>,
    /// Open tunnels for the cost of a message among many.
    #[arg(long)]
    many: Option<usize>,
    /// Where the configuration files of the peers are, to try others.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// The file of wssgate as it is handed out, for its size; otherwise the one that was built for this, stripped.
    #[arg(long, value_name = "FILE")]
    dist: Option<PathBuf>,
    /// Write the result files whatever the other options are.
    #[arg(long)]
    write: bool,
    /// Only these programs, comma-separated.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Program>,
    /// Passed by `cargo bench`; without it (`cargo test --benches`) nothing is measured.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the floor: relay this port to `--origin` until killed.
    #[arg(long, hide = true, requires = "origin")]
    relay: Option<u16>,
    #[arg(long, hide = true)]
    origin: Option<u16>,
    /// Only the rows with this in their titles.
    filter: Option<String>,
}

impl Args {
    /// Whether this is the run whose figures are published.
    fn is_whole(&self) -> bool {
        let same_sizes = self.rounds.is_none()
            && self.seconds.is_none()
            && self.tunnels.is_none()
            && self.many.is_none();
        let all = self.only.is_empty() && self.filter.is_none() && self.peers.is_none();
        !self.quick && same_sizes && all
    }
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if let (Some(port), Some(origin)) = (args.relay, args.origin) {
        relay::run(port, origin)?;
        return Ok(ExitCode::SUCCESS);
    }
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
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side/peers");
    let files = Files::create(args.peers.clone().unwrap_or(own))?;
    let (programs, mut notes) = installed(&args.only);
    let mut columns: Vec<Column> = programs.iter().map(Column::new).collect();
    for round in 0..plan.rounds {
        for measurement in Measurement::ALL {
            // Each round starts with another one, so that none always follows the same neighbour.
            for turn in 0..programs.len() {
                let index = (round + turn) % programs.len();
                let (installed, column) = (&programs[index], &mut columns[index]);
                if !measurement.is_due(&plan, installed.program, round) {
                    continue;
                }
                let titles = measurement.titles(&plan);
                eprintln!("side_by_side: round {}: {}: {titles}", round + 1, column.name);
                measure::run(measurement, installed, &files, &plan, column).await;
                column::negotiated(&columns)?;
            }
        }
    }
    let failures: Vec<String> =
        columns.iter().flat_map(|column| column.failures.iter().cloned()).collect();
    notes.extend_from_slice(&failures);
    let report = table::report(&columns, &plan, &notes)?;
    println!("{report}");
    if args.is_whole() || args.write {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
        results::write(&dir, &report, &columns, &plan, &notes)?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The sizes of this run, and room for them among the open files.
fn plan(args: &Args) -> Result<Plan> {
    let default = if args.quick { Plan::quick() } else { Plan::full() };
    let mut plan = Plan {
        rounds: args.rounds.unwrap_or(default.rounds),
        window: args.seconds.map_or(default.window, Duration::from_secs_f64),
        tunnels: args.tunnels.unwrap_or(default.tunnels),
        many: args.many.unwrap_or(default.many),
        dist: args.dist.clone(),
        ..default
    };
    if let Some(filter) = &args.filter {
        let figures = std::mem::take(&mut plan.figures).into_iter();
        plan.figures = figures.filter(|figure| figure.title(&plan).contains(filter)).collect();
    }
    ensure!(plan.rounds > 0 && plan.tunnels > 0, "rounds and tunnels begin at 1");
    let needed = plan.open_files();
    let limit = getrlimit(Resource::Nofile).maximum;
    ensure!(
        limit.is_none_or(|limit| limit >= needed),
        "so many tunnels take {needed} open files a process, the hard limit is {limit:?}: use \
         --tunnels and --many"
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
