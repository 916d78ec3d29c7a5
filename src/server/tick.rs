//! A timer that is always pending while there are connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Shorter than what any connection waits for.
const TICK: Duration = Duration::from_millis(40);

/// The same without connections.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// Keeps it pending for as long as this is polled. tokio's driver is woken, by a write to an eventfd and an epoll_wait in
/// vain, for each timer that is due before all others; with this one, none of a connection's is. `permits` are
/// the places for connections.
pub(super) async fn run(permits: Arc<Semaphore>) {
    let all = permits.available_permits();
    loop {
        let is_idle = permits.available_permits() == all;
        sleep(if is_idle { IDLE_TICK } else { TICK }).await;
    }
}
