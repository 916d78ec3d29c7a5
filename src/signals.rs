//! SIGTERM and SIGINT stop the server, the second one at once; SIGHUP does not end it.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use wssgate::server::Stop;

/// Catches the signals from now on and returns what they say. The task ends with the runtime.
pub(crate) fn listen() -> anyhow::Result<mpsc::Receiver<Stop>> {
    let catch = |kind| signal(kind).context("catch signals");
    let terminate = catch(SignalKind::terminate())?;
    let interrupt = catch(SignalKind::interrupt())?;
    let hangup = catch(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(forward(terminate, interrupt, hangup, sender));
    Ok(receiver)
}

async fn forward(
    mut terminate: Signal,
    mut interrupt: Signal,
    mut hangup: Signal,
    sender: mpsc::Sender<Stop>,
) {
    let mut stop = Stop::Drain;
    loop {
        tokio::select! {
            Some(()) = terminate.recv() => {}
            Some(()) = interrupt.recv() => {}
            Some(()) = hangup.recv() => {
                tracing::warn!("SIGHUP ignored: this version reads its files at the start only");
                continue;
            }
        }
        if sender.send(stop).await.is_err() {
            return;
        }
        stop = Stop::Now;
    }
}
