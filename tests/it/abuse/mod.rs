//! Thousands who mean no good, and a good client beside them: it is served throughout, in a time that is bounded,
//! and so is the memory that they cost. Each prints what was measured, and names the limit that protects.
//!
//! `ABUSE_SOCKETS` sets how many there are.

mod floods;
mod good;
mod oddities;
mod sockets;

use std::future::Future;
use std::time::Instant;

use wssgate::server::raise_open_files;

use crate::support::{Conversation, Upstream, Watched, build_name};
use good::{Fared, Good};

/// What the good client may have to wait: generous, as machines are busy.
const P99_MS: f64 = 3_000.0;

/// Visits of the good client with nobody beside it.
const QUIET_VISITS: usize = 50;

fn sockets() -> usize {
    std::env::var("ABUSE_SOCKETS").map_or(5_000, |sockets| sockets.parse().unwrap())
}

/// A gate under attack, with a good client.
struct Assault {
    watched: Watched,
    good: Good,
    quiet: Fared,
    before_kib: u64,
    began: Instant,
}

impl Assault {
    async fn start(args: &[&str]) -> Self {
        raise_open_files();
        let upstream = upstream().await;
        let args = [&["--max-fails=0", "--log-level=info"], args].concat();
        let watched = Watched::start(&upstream, &args).await;
        let start = Instant::now();
        let good = Good::start(watched.addr);
        good.visits(QUIET_VISITS, start).await;
        let (quiet, before_kib) = (good.since(start), watched.rss_kib());
        Self { watched, good, quiet, before_kib, began: Instant::now() }
    }

    /// Says what it came to, and fails when it was too much: for the good client, or for each of so many
    /// attackers in KiB. Then nothing may be left of them.
    async fn bounded(self, what: &str, attackers: usize, (limits, most_kib): (&str, f64)) {
        // Those who were there last count, too.
        self.good.visits(5, Instant::now()).await;
        let (fared, peak) = (self.good.since(self.began), self.watched.peak_kib());
        let each = (peak - self.before_kib) as f64 / attackers as f64;
        eprintln!(
            "{what}: {attackers} in {:.1?} ({}); set-up p50 {:.1} ms, p99 {:.1} ms (quiet {:.1} and \
             {:.1}), echo p99 {:.1} ms (quiet {:.1}), {} visits; memory {} to {peak} KiB, {each:.1} \
             KiB each; limited by {limits}",
            self.began.elapsed(),
            build_name(),
            fared.setup_p50,
            fared.setup_p99,
            self.quiet.setup_p50,
            self.quiet.setup_p99,
            fared.echo_p99,
            self.quiet.echo_p99,
            fared.visits,
            self.before_kib,
        );
        assert!(fared.setup_p99 < P99_MS && fared.echo_p99 < P99_MS, "{fared:?}");
        assert!(each < most_kib, "{each} KiB each");
        self.good.end();
        self.watched.until("wssgate_connections_open", 0.0).await;
    }
}

/// Agrees and echoes; who asks for `/never` waits in vain.
async fn upstream() -> String {
    let mut upstream = Upstream::manual().await;
    let addr = upstream.addr();
    tokio::spawn(async move {
        while let Some(conversation) = upstream.next().await {
            tokio::spawn(serve(conversation));
        }
    });
    addr
}

async fn serve(mut conversation: Conversation) {
    match conversation.read_head().await.starts_with("GET /never ") {
        true => conversation.read_to_end().await,
        false => conversation.echo().await,
    }
}

/// Runs so many at once, each by its number, and waits for all.
async fn all<F>(count: usize, act: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut attackers = tokio::task::JoinSet::new();
    for number in 0..count {
        attackers.spawn(act(number));
    }
    while let Some(ended) = attackers.join_next().await {
        ended.unwrap();
    }
}
