//! `wssgate top`: a running server in a terminal, looked at again and again until its user leaves.
//!
//! It knows no address: whoever starts it hands in how to ask. What was seen and how it is looked at is in `view.rs`,
//! which needs no terminal; `draw/` puts that on the screen. The terminal is given back as it was, whatever happens.

mod draw;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::io::{IsTerminal as _, stdout};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use crossterm::event::EventStream;
use futures_util::StreamExt as _;
use hyper::body::Bytes;
use ratatui::DefaultTerminal;
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use view::{Next, Seen, View};

/// For one question and its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked: the server, and as many of its tunnels as can be sorted without a pause.
const STATUS: &str = "/status";
const TUNNELS: &str = "/tunnels?limit=10000";

/// Shows a server until its user leaves. `ask` gets a path and returns the body of a good answer; its errors are shown,
/// and it is asked again after `interval`.
pub async fn run<A>(ask: A, interval: Duration) -> anyhow::Result<()>
where
    A: AsyncFn(&'static str) -> anyhow::Result<Bytes>,
{
    ensure!(stdout().is_terminal(), "top draws on a terminal; /status and /metrics are for others");
    // Its panic hook gives the terminal back, too.
    let mut terminal = ratatui::try_init().context("take over the terminal")?;
    let watched = watch(&mut terminal, &ask, interval).await;
    let restored = ratatui::try_restore().context("give the terminal back");
    watched.and(restored)
}

async fn watch<A>(terminal: &mut DefaultTerminal, ask: &A, interval: Duration) -> anyhow::Result<()>
where
    A: AsyncFn(&'static str) -> anyhow::Result<Bytes>,
{
    let mut events = EventStream::new();
    let mut terminate = signal(SignalKind::terminate()).context("listen for signals")?;
    let mut hang_up = signal(SignalKind::hangup()).context("listen for signals")?;
    let mut view = View::default();
    let mut looking = pin!(look(ask, Duration::ZERO));
    loop {
        terminal.draw(|frame| draw::draw(frame, &mut view)).context("draw")?;
        tokio::select! {
            seen = &mut looking => {
                view.saw(seen, Instant::now());
                looking.set(look(ask, interval));
            }
            event = events.next() => {
                let event = event.context("the terminal is gone")?.context("read a key")?;
                if view.take(&event) == Next::Leave {
                    return Ok(());
                }
            }
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
        }
    }
}

/// Asks once, after a pause. That tunnels are not told is no failure.
async fn look<A>(ask: &A, pause: Duration) -> anyhow::Result<Seen>
where
    A: AsyncFn(&'static str) -> anyhow::Result<Bytes>,
{
    sleep(pause).await;
    let status = get(ask, STATUS).await?;
    let tunnels = get(ask, TUNNELS).await.map_err(|error| format!("{error:#}"));
    Ok(Seen { status, tunnels })
}

async fn get<A, T>(ask: &A, path: &'static str) -> anyhow::Result<T>
where
    A: AsyncFn(&'static str) -> anyhow::Result<Bytes>,
    T: DeserializeOwned,
{
    let answer = timeout(TIMEOUT, ask(path)).await;
    let answer = answer.ok().with_context(|| format!("no answer within {TIMEOUT:?}"))??;
    serde_json::from_slice(&answer).with_context(|| format!("understand {path}"))
}
