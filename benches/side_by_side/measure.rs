//! The measurements: what is done to a program that was started afresh, for how long, and which figures that yields. A
//! figure that cannot be had is a note in its column, and the others are still taken.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use crate::certificate::Files;
use crate::client::{Handshake, Tunnel};
use crate::column::{Column, median};
use crate::cores::Apart;
use crate::crowd::Crowd;
use crate::figure::Figure;
use crate::frame;
use crate::load::{self, Load};
use crate::peers::{Installed, Program, Room};
use crate::plan::Plan;
use crate::proxy::{self, Proxy};
use crate::usage;

const MIB: f64 = 1024.0 * 1024.0;

/// What is measured at one go.
#[derive(Clone, Copy)]
pub(crate) enum Measurement {
    /// CPU time and p99 of `Load::Echo`.
    Echo,
    /// p99 of `Load::Echo`, the program on a core of its own.
    Apart,
    /// CPU time and p99 of `Load::Paced`.
    Paced,
    /// CPU time of another load.
    Cpu(Load, Figure),
    /// CPU time of the same load among few tunnels and among many.
    Crowd,
    /// Memory before, with and after many tunnels, each of which has echoed one message of 125 bytes.
    MemorySmall,
    /// The same with one message of 64 KiB.
    MemoryLarge,
    /// How long it takes to start, and to say its version.
    Times,
    /// The size of its file.
    Size,
}

/// What one measurement yields.
type Values = Vec<(Figure, f64)>;

impl Measurement {
    pub(crate) const ALL: [Self; 14] = [
        Self::Echo,
        Self::Apart,
        Self::Paced,
        Self::Crowd,
        Self::Cpu(Load::ToClient, Figure::ToClient),
        Self::Cpu(Load::ToUpstream, Figure::ToUpstream),
        Self::Cpu(Load::Connect(Handshake::Full), Figure::Full),
        Self::Cpu(Load::Connect(Handshake::FullP256), Figure::FullP256),
        Self::Cpu(Load::Connect(Handshake::FullHybrid), Figure::FullHybrid),
        Self::Cpu(Load::Connect(Handshake::Resumed), Figure::Resumed),
        Self::MemorySmall,
        Self::MemoryLarge,
        Self::Times,
        Self::Size,
    ];

    /// The figures that it yields.
    pub(crate) fn figures(self) -> Vec<Figure> {
        match self {
            Self::Echo => vec![Figure::Echo, Figure::EchoP99],
            Self::Apart => vec![Figure::ApartP99],
            Self::Paced => vec![Figure::Paced, Figure::PacedP99],
            Self::Cpu(_, figure) => vec![figure],
            Self::Crowd => vec![Figure::FewTunnels, Figure::ManyTunnels, Figure::FewOfMany],
            Self::MemorySmall => vec![Figure::IdleSmall, Figure::Start, Figure::KeptSmall],
            Self::MemoryLarge => vec![Figure::IdleLarge, Figure::Start, Figure::KeptLarge],
            Self::Times => vec![Figure::Version, Figure::Listening],
            Self::Size => vec![Figure::Size],
        }
    }

    /// What it is about, in one line.
    pub(crate) fn titles(self, plan: &Plan) -> String {
        let titles: Vec<String> =
            self.figures().into_iter().map(|figure| figure.title(plan)).collect();
        titles.join("; ")
    }

    /// Whether one of its figures is asked for, and can be had of this program, in this round.
    pub(crate) fn is_due(self, plan: &Plan, program: Program, round: usize) -> bool {
        let rounds = match self {
            Self::MemorySmall | Self::MemoryLarge => plan.rounds.min(plan.memory_rounds),
            Self::Size => 1,
            _ => plan.rounds,
        };
        let asked = |figure: Figure| plan.figures.contains(&figure) && figure.is_of(program);
        round < rounds && self.figures().into_iter().any(asked)
    }
}

/// Starts `installed` afresh, takes the figures, and ends it.
pub(crate) async fn run(
    measurement: Measurement,
    installed: &Installed,
    files: &Files,
    plan: &Plan,
    column: &mut Column,
) {
    let outcome = match measurement {
        Measurement::Times => times(installed, files, plan),
        Measurement::Size => size(installed, files, plan),
        _ => serving(measurement, installed, files, plan, column).await,
    };
    match outcome {
        Ok(values) => column.add(&values),
        Err(error) => column.fail(&format!("{}: {error:#}", measurement.titles(plan))),
    }
}

async fn serving(
    measurement: Measurement,
    installed: &Installed,
    files: &Files,
    plan: &Plan,
    column: &mut Column,
) -> Result<Values> {
    let bulk = matches!(measurement, Measurement::Cpu(Load::ToClient | Load::ToUpstream, _));
    let room = match measurement {
        Measurement::Crowd => Room { tunnels: plan.many, bulk },
        _ => Room { tunnels: plan.tunnels, bulk },
    };
    let proxy = Proxy::start(installed, files, room).await?;
    column.set_negotiated(proxy.negotiated.as_deref());
    match measurement {
        Measurement::Echo => echo(Load::Echo, &proxy, files, plan)
            .await
            .map(|(cpu, p99)| vec![(Figure::Echo, cpu), (Figure::EchoP99, p99)]),
        Measurement::Apart => {
            let _apart = Apart::new(proxy.root_process())?;
            let (_, p99) = echo(Load::Echo, &proxy, files, plan).await?;
            Ok(vec![(Figure::ApartP99, p99)])
        }
        Measurement::Paced => echo(Load::Paced, &proxy, files, plan)
            .await
            .map(|(cpu, p99)| vec![(Figure::Paced, cpu), (Figure::PacedP99, p99)]),
        Measurement::Cpu(load, figure) => cpu(load, figure, &proxy, files, plan).await,
        Measurement::Crowd => crowd(&proxy, files, plan).await,
        Measurement::MemorySmall => {
            memory(measurement, frame::ECHO_BYTES, &proxy, files, plan).await
        }
        Measurement::MemoryLarge => {
            memory(measurement, frame::BULK_BYTES, &proxy, files, plan).await
        }
        Measurement::Times | Measurement::Size => Ok(Vec::new()),
    }
}

/// CPU microseconds of the proxy for each echo, and microseconds that 99 of 100 do not exceed.
async fn echo(load: Load, proxy: &Proxy, files: &Files, plan: &Plan) -> Result<(f64, f64)> {
    let mut running = load.start(proxy, files)?;
    sleep(plan.warm_up).await;
    let times = running.times.read();
    let each = cpu_each(proxy, plan.window, || running.done()).await?;
    let p99 = running.times.read().quantile(&times, 0.99).context("nothing was timed")?;
    Ok((each * 1e6, p99.as_secs_f64() * 1e6))
}

/// CPU time of the proxy for each thing that the load gets done.
async fn cpu(
    load: Load,
    figure: Figure,
    proxy: &Proxy,
    files: &Files,
    plan: &Plan,
) -> Result<Values> {
    let mut running = load.start(proxy, files)?;
    sleep(plan.warm_up).await;
    let each = cpu_each(proxy, plan.window, || running.done()).await?;
    let scale = match load {
        Load::Echo | Load::Paced => 1e6,
        Load::ToClient | Load::ToUpstream => 1e9,
        Load::Connect(_) => 1e3,
    };
    Ok(vec![(figure, each * scale)])
}

/// CPU time of the proxy for each echo: in few tunnels, in many, and in few of the many.
async fn crowd(proxy: &Proxy, files: &Files, plan: &Plan) -> Result<Values> {
    let open = |count| load::open_idle(proxy, files, count, frame::ECHO_BYTES);
    let (few, many) = (plan.few.min(plan.many), plan.many);
    let tunnels = open(few).await.with_context(|| format!("open {few} tunnels"))?;
    let (mut tunnels, among_few) = at_work(tunnels, proxy, plan).await?;
    let others = open(many - few).await.with_context(|| format!("open {many} tunnels"))?;
    tunnels.extend(others);
    let (mut tunnels, among_many) = at_work(tunnels, proxy, plan).await?;
    let resting = tunnels.split_off(few);
    let (_, of_many) = at_work(tunnels, proxy, plan).await?;
    drop(resting);
    Ok(vec![
        (Figure::FewTunnels, among_few),
        (Figure::ManyTunnels, among_many),
        (Figure::FewOfMany, of_many),
    ])
}

/// The tunnels, and the CPU microseconds of the proxy for each echo in them.
async fn at_work(tunnels: Vec<Tunnel>, proxy: &Proxy, plan: &Plan) -> Result<(Vec<Tunnel>, f64)> {
    let crowd = Crowd::start(tunnels);
    sleep(plan.warm_up).await;
    let each = cpu_each(proxy, plan.window, || Ok(crowd.done())).await;
    // A worker that has failed says why nothing got done.
    Ok((crowd.stop().await?, each? * 1e6))
}

/// CPU seconds of the proxy in a window, divided by what got done in it.
async fn cpu_each(
    proxy: &Proxy,
    window: Duration,
    mut done: impl FnMut() -> Result<u64>,
) -> Result<f64> {
    let (before, used) = (done()?, usage::Cpu::read(proxy.root_process())?);
    sleep(window).await;
    let (after, used_later) = (done()?, usage::Cpu::read(proxy.root_process())?);
    ensure!(after > before, "nothing got done");
    Ok(used_later.since(&used).as_secs_f64() / (after - before) as f64)
}

/// Bytes for each of many tunnels at rest, and what stays of them after their end.
async fn memory(
    measurement: Measurement,
    payload_bytes: usize,
    proxy: &Proxy,
    files: &Files,
    plan: &Plan,
) -> Result<Values> {
    let read = || Ok::<_, anyhow::Error>(usage::memory_bytes(proxy.root_process())? as f64);
    let before = read()?;
    let mut tunnels = load::open_idle(proxy, files, plan.tunnels, payload_bytes)
        .await
        .context("open the idle tunnels")?;
    sleep(plan.rest).await;
    let with = read()?;
    // A tunnel that was cut meanwhile would look like a cheap one.
    load::echo_once(&mut tunnels).await.context("use the tunnels after their rest")?;
    load::close(tunnels).await?;
    sleep(plan.rest).await;
    let after = read()?;
    let values = [(with - before) / plan.tunnels as f64, before / MIB, after / before];
    Ok(measurement.figures().into_iter().zip(values).collect())
}

/// How long it takes to listen, and to say its version.
fn times(installed: &Installed, files: &Files, plan: &Plan) -> Result<Values> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let mut values = Vec::new();
    let room = Room { tunnels: plan.tunnels, bulk: false };
    let starts = (0..plan.starts)
        .map(|_| proxy::time_to_listen(installed, files, room).map(milliseconds))
        .collect::<Result<Vec<f64>>>()?;
    values.extend(median(&starts).map(|time| (Figure::Listening, time)));
    if Figure::Version.is_of(installed.program) {
        let versions = (0..plan.starts)
            .map(|_| {
                let mut command = installed.version_command();
                command.stdout(Stdio::null()).stderr(Stdio::null());
                let began = Instant::now();
                ensure!(command.status()?.success(), "{command:?} failed");
                Ok(milliseconds(began.elapsed()))
            })
            .collect::<Result<Vec<f64>>>()?;
        values.extend(median(&versions).map(|time| (Figure::Version, time)));
    }
    Ok(values)
}

/// Megabytes of the file that is handed out.
fn size(installed: &Installed, files: &Files, plan: &Plan) -> Result<Values> {
    let path = match &plan.dist {
        Some(path) => path.clone(),
        None => {
            let stripped = files.dir.path().join("stripped");
            let mut strip = Command::new("strip");
            strip.arg("-o").arg(&stripped).arg(installed.path());
            ensure!(strip.status().context("run strip")?.success(), "{strip:?} failed");
            stripped
        }
    };
    let meta = path.metadata().with_context(|| format!("look at {}", path.display()))?;
    Ok(vec![(Figure::Size, meta.len() as f64 / 1e6)])
}
