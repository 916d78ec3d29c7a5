//! What systemd is told, sd_notify(3): ready, reloading, stopping, and that the runtime is alive. Nobody is told where
//! nobody has asked (`NOTIFY_SOCKET`).
//!
//! Not by a crate: sd-notify knows no abstract sockets (0.5), and this is all of it.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::sleep;
use wssgate::server::Phase;

/// Tells of a phase (`Type=notify-reload`).
pub(crate) fn tell(phase: Phase) {
    match phase {
        Phase::Serving => notify("READY=1\nSTATUS=serving"),
        Phase::Reloading => {
            let now = clock_gettime(ClockId::Monotonic);
            let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
            notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reloading"));
        }
        Phase::Draining => notify("STOPPING=1\nSTATUS=draining"),
    }
}

/// Says again and again that the runtime is alive, if that is asked for (`WatchdogSec=`): as one of its tasks, which
/// would not come to its turn if it were not.
pub(crate) async fn feed_watchdog() {
    let Some(timeout) = watchdog_timeout() else { return };
    loop {
        notify("WATCHDOG=1");
        sleep(timeout / 2).await;
    }
}

/// Within which systemd wants to hear of this process, sd_watchdog_enabled(3).
fn watchdog_timeout() -> Option<Duration> {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let micros = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_ours)?;
    Some(Duration::from_micros(micros))
}

fn notify(state: &str) {
    if let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())
        && let Err(error) = send(&name, state)
    {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

fn send(name: &OsStr, state: &str) -> io::Result<()> {
    let addr = match name.as_encoded_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &addr).map(|_| ())
}
