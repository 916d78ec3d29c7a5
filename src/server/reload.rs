//! The generation that serves, and its replacement by another one: completely, or not at all.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::accept::Door;
use super::generation::{Generation, Process};
use super::report::Reporter;
use super::{Phase, Source};
use crate::tls;

/// What serves now.
#[derive(Debug)]
pub(super) struct Serving {
    generation: Arc<Generation>,
    process: Process,
    reporter: Reporter,
    doors: watch::Sender<Vec<Door>>,
}

impl Serving {
    /// Begins with this generation. The receiver is the accept loop's. Needs a tokio runtime.
    pub(super) fn begin(
        mut generation: Generation,
        process: Process,
        reporter: Reporter,
    ) -> (Self, watch::Receiver<Vec<Door>>) {
        generation.commit(None);
        let (doors, changes) = watch::channel(generation.doors());
        (Self { generation: Arc::new(generation), process, reporter, doors }, changes)
    }

    /// What serves.
    pub(super) fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Reads the configuration again, and all files that it names: all of it serves from now on, or nothing.
    pub(super) async fn reload(&mut self, source: &Source, tell: fn(Phase)) {
        tell(Phase::Reloading);
        match self.replace(source).await {
            Ok(tls::Looked { swapped, refused, .. }) => {
                tracing::info!(swapped, refused, "reload done");
                let of_files = match refused {
                    0 => Ok(()),
                    _ => Err(format!("files refused: {refused}; the log says why")),
                };
                self.process.metrics.reloaded(of_files);
            }
            Err(error) => {
                let reason = format!("{error:#}");
                tracing::error!(reason, "reload refused, everything is as before");
                self.process.metrics.reloaded(Err(reason));
            }
        }
    }

    async fn replace(&mut self, source: &Source) -> anyhow::Result<tls::Looked> {
        let (source, before) = (Arc::clone(source), Arc::clone(&self.generation));
        let mut process = self.process.clone();
        let building = spawn_blocking(move || {
            let config = source()?;
            if config.admin != before.config.admin {
                tracing::warn!("what is said of --admin changes at the next start");
            }
            if config.max_handshakes != before.config.max_handshakes {
                process.handshakes = super::handshakes(&config);
            }
            let generation = Generation::build(config, Some(&before), &process)?;
            anyhow::Ok((generation, process))
        });
        let (mut generation, process) = building.await.context("build a configuration")??;
        generation.commit(Some(&self.generation));
        self.doors.send_replace(generation.doors());
        self.reporter.follow(generation.sites());
        (self.generation, self.process) = (Arc::new(generation), process);
        // What was looked at in rehearsal may have changed again: each file counts for itself from here on.
        let generation = Arc::clone(&self.generation);
        spawn_blocking(move || generation.reload_files()).await.context("read certificates again")
    }

    /// Closes every listener that the accept loop has left.
    pub(super) fn close(&mut self) {
        self.doors.send_replace(Vec::new());
        self.generation = Arc::new(self.generation.without_sockets());
    }
}
