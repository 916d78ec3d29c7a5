//! A crowd of open tunnels of which a fixed number are at work at any time: the same load, however many there are. Each
//! worker goes round a share of the tunnels, one message of 125 bytes after the other, waiting for each echo.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::client::Tunnel;
use crate::frame::{self, Exchange};

/// Messages on their way at any time, or as many as there are tunnels.
const WORKERS: usize = 64;

/// A crowd at work.
pub(crate) struct Crowd {
    workers: JoinSet<Result<Vec<Tunnel>>>,
    done: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Crowd {
    /// Sets the tunnels to work.
    pub(crate) fn start(mut tunnels: Vec<Tunnel>) -> Self {
        let (done, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let mut workers = JoinSet::new();
        for left in (1..=WORKERS).rev() {
            let share = tunnels.split_off(tunnels.len() - tunnels.len() / left);
            if !share.is_empty() {
                workers.spawn(work(share, Arc::clone(&done), Arc::clone(&over)));
            }
        }
        Self { workers, done, over }
    }

    /// Echoes so far.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends the work and returns the tunnels; the error of a worker that has failed.
    pub(crate) async fn stop(mut self) -> Result<Vec<Tunnel>> {
        self.over.store(true, Ordering::Relaxed);
        let mut tunnels = Vec::new();
        while let Some(share) = self.workers.join_next().await {
            tunnels.append(&mut share?.context("echo in a crowd")?);
        }
        Ok(tunnels)
    }
}

async fn work(
    mut tunnels: Vec<Tunnel>,
    done: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
) -> Result<Vec<Tunnel>> {
    let mut exchange = Exchange::new(frame::ECHO_BYTES);
    loop {
        for tunnel in &mut tunnels {
            if over.load(Ordering::Relaxed) {
                return Ok(tunnels);
            }
            tunnel.echo(&mut exchange).await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}
