//! The measurements: what each figure is, how long its window lasts, and one round of all of them for one program.
//! A figure that cannot be had is a note in its column, and the others are still taken.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use crate::certificate::Files;
use crate::client::Handshake;
use crate::load::{self, Load};
use crate::peers::{Installed, Program};
use crate::proxy::Proxy;
use crate::table::Column;
use crate::usage;

/// What a run measures, and its sizes.
pub(crate) struct Plan {
    /// The rows of the table.
    pub(crate) figures: Vec<Figure>,
    /// How often each program is started and measured.
    pub(crate) rounds: usize,
    /// How long the CPU time of one load is counted.
    pub(crate) window: Duration,
    /// Idle tunnels for the memory figure.
    pub(crate) tunnels: usize,
    /// How long a load runs before it counts.
    pub(crate) warm_up: Duration,
    /// How long the idle tunnels are left alone before the memory is read.
    pub(crate) rest: Duration,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Figure {
    /// CPU time that `Load` costs, in units of its count.
    Cpu(Load),
    /// Memory of an idle tunnel.
    Memory,
}

impl Plan {
    /// The run whose figures are published.
    pub(crate) fn full() -> Self {
        Self {
            figures: Figure::ALL.to_vec(),
            rounds: 5,
            window: Duration::from_secs(3),
            tunnels: 4000,
            warm_up: Duration::from_millis(500),
            rest: Duration::from_secs(4),
        }
    }

    /// A run that only shows that everything works.
    pub(crate) fn quick() -> Self {
        Self {
            figures: Figure::ALL.to_vec(),
            rounds: 1,
            window: Duration::from_millis(500),
            tunnels: 200,
            warm_up: Duration::from_millis(200),
            rest: Duration::from_secs(1),
        }
    }
}

impl Figure {
    pub(crate) const ALL: [Self; 8] = [
        Self::Cpu(Load::Echo),
        Self::Cpu(Load::ToClient),
        Self::Cpu(Load::ToUpstream),
        Self::Cpu(Load::Connect(Handshake::Full)),
        Self::Cpu(Load::Connect(Handshake::FullP256)),
        Self::Cpu(Load::Connect(Handshake::FullHybrid)),
        Self::Cpu(Load::Connect(Handshake::Resumed)),
        Self::Memory,
    ];

    /// Its place in `ALL`.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Cpu(Load::Echo) => 0,
            Self::Cpu(Load::ToClient) => 1,
            Self::Cpu(Load::ToUpstream) => 2,
            Self::Cpu(Load::Connect(Handshake::Full)) => 3,
            Self::Cpu(Load::Connect(Handshake::FullP256)) => 4,
            Self::Cpu(Load::Connect(Handshake::FullHybrid)) => 5,
            Self::Cpu(Load::Connect(Handshake::Resumed)) => 6,
            Self::Memory => 7,
        }
    }

    /// What it is, with its unit.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cpu(Load::Echo) => "CPU µs per echo of 125 bytes, 64 tunnels",
            Self::Cpu(Load::ToClient) => "CPU s per GB to the client",
            Self::Cpu(Load::ToUpstream) => "CPU s per GB to the upstream",
            Self::Cpu(Load::Connect(Handshake::Full)) => {
                "CPU ms per new connection, full handshake"
            }
            Self::Cpu(Load::Connect(Handshake::FullP256)) => {
                "CPU ms per new connection, full handshake, P-256"
            }
            Self::Cpu(Load::Connect(Handshake::FullHybrid)) => {
                "CPU ms per new connection, full handshake, X25519MLKEM768"
            }
            Self::Cpu(Load::Connect(Handshake::Resumed)) => "CPU ms per new connection, resumed",
            Self::Memory => "memory (Pss) bytes per idle tunnel",
        }
    }

    /// Whether it is taken of this program: the other groups only of ours, as Debian's peers lack X25519MLKEM768.
    pub(crate) fn is_of(self, program: Program) -> bool {
        match self {
            Self::Cpu(Load::Connect(Handshake::FullP256 | Handshake::FullHybrid)) => {
                program == Program::Wssgate
            }
            _ => true,
        }
    }

    /// The row of wssgate that this one's figures are compared with, its own as a rule.
    pub(crate) fn base(self) -> Self {
        match self {
            Self::Cpu(Load::Connect(Handshake::FullP256 | Handshake::FullHybrid)) => {
                Self::Cpu(Load::Connect(Handshake::Full))
            }
            _ => self,
        }
    }

    /// From CPU seconds for one counted thing to the unit of the title.
    fn scale(load: Load) -> f64 {
        match load {
            Load::Echo => 1e6,
            Load::ToClient | Load::ToUpstream => 1e9,
            Load::Connect(_) => 1e3,
        }
    }
}

/// Starts `installed` afresh, takes one figure, and ends it.
pub(crate) async fn run(
    figure: Figure,
    installed: &Installed,
    files: &Files,
    plan: &Plan,
    column: &mut Column,
) {
    let outcome = match Proxy::start(installed, files, plan.tunnels).await {
        Ok(proxy) => {
            column.set_negotiated(&proxy.negotiated);
            match figure {
                Figure::Cpu(load) => cpu(load, &proxy, files, plan).await,
                Figure::Memory => memory(&proxy, files, plan).await,
            }
        }
        Err(error) => Err(error),
    };
    column.add(figure, outcome);
}

/// CPU time of the proxy for each thing that the load gets done.
async fn cpu(load: Load, proxy: &Proxy, files: &Files, plan: &Plan) -> Result<f64> {
    let mut running = load.start(proxy, files)?;
    sleep(plan.warm_up).await;
    let (done, used) = (running.done()?, usage::Cpu::read(proxy.root_process())?);
    sleep(plan.window).await;
    let (done_later, used_later) = (running.done()?, usage::Cpu::read(proxy.root_process())?);
    let done = done_later - done;
    ensure!(done > 0, "nothing got done");
    Ok(used_later.since(&used).as_secs_f64() / done as f64 * Figure::scale(load))
}

/// Bytes for each of many tunnels at rest.
async fn memory(proxy: &Proxy, files: &Files, plan: &Plan) -> Result<f64> {
    let before = usage::memory_bytes(proxy.root_process())?;
    let mut tunnels =
        load::open_idle(proxy, files, plan.tunnels).await.context("open the idle tunnels")?;
    sleep(plan.rest).await;
    let with = usage::memory_bytes(proxy.root_process())?;
    // A tunnel that was cut meanwhile would look like a cheap one.
    load::echo_once(&mut tunnels).await.context("use the tunnels after their rest")?;
    Ok((with as f64 - before as f64) / plan.tunnels as f64)
}
