//! SIGTERM and SIGINT stop the server, the second one at once; SIGHUP makes it read its files again.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use wssgate::server::Order;

/// Catches the signals from now on and returns what they say. The task ends with the runtime.
pub(crate) fn listen() -> anyhow::Result<mpsc::Receiver<Order>> {
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
    sender: mpsc::Sender<Order>,
) {
    let mut end = Order::Drain;
    loop {
        let order = tokio::select! {
            Some(()) = terminate.recv() => end,
            Some(()) = interrupt.recv() => end,
            Some(()) = hangup.recv() => Order::Reload,
        };
        if sender.send(order).await.is_err() {
            return;
        }
        if order == Order::Drain {
            end = Order::Stop;
        }
    }
}
