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

/// How long a phase may take to be told, when the queue is full (`net.unix.max_dgram_qlen`, see unix(7)): systemd has
/// one for all services, and is busy at boot.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells of a phase (`Type=notify-reload`). Blocks where systemd does not listen, for five seconds at most.
pub(crate) fn tell(phase: Phase) {
    match phase {
        Phase::Serving => notify("READY=1\nSTATUS=serving", Some(PATIENCE)),
        Phase::Reloading => {
            let now = clock_gettime(ClockId::Monotonic);
            let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
            notify(
                &format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reloading"),
                Some(PATIENCE),
            );
        }
        Phase::Draining => notify("STOPPING=1\nSTATUS=draining", Some(PATIENCE)),
    }
}

/// Says again and again that the runtime is alive, if that is asked for (`WatchdogSec=`): as one of its tasks, which
/// would not come to its turn if it were not.
pub(crate) async fn feed_watchdog() {
    let Some(timeout) = watchdog_timeout() else { return };
    loop {
        // A task may not block; where the queue is full, the next one may find room.
        notify("WATCHDOG=1", None);
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

/// Who does not wait does not say that the queue was full, either.
fn notify(state: &str, patience: Option<Duration>) {
    let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    match send(&name, state, patience) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && patience.is_none() => {}
        Err(error) => tracing::warn!(%error, "systemd cannot be told"),
        Ok(()) => {}
    }
}

/// Sends a datagram; where the queue is full, waits for so long, if at all. An error of kind `WouldBlock` says that
/// it was full all the time.
fn send(name: &OsStr, state: &str, patience: Option<Duration>) -> io::Result<()> {
    let addr = match name.as_encoded_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(patience.is_none())?;
    socket.set_write_timeout(patience)?;
    socket.send_to_addr(state.as_bytes(), &addr).map(|_| ())
}
