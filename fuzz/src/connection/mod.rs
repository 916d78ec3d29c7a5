//! One connection, from its first byte to its end, through any story: pieces, stalls, ends and resets on either
//! side, time, a drain. What comes out of it is compared with `model.rs`, which says slowly and from the end
//! what may have come.
//!
//! The client is a stream in memory, the upstream a unix socket, and time stands still unless the story
//! moves it: one story has one outcome.

mod lines;
mod model;
mod reasons;
mod story;
mod upstream;
mod wire;

use std::cell::RefCell;
use std::future::Future;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::advance;
use tracing::Dispatch;
use wssgate::config::{Certificates, Config, Listener};
use wssgate::connection::{Accepted, Site, run_decrypted};
use wssgate::drain;
use wssgate::server::Server;

use lines::{Line, Lines};
use story::Event;
pub use story::Story;
use upstream::Conversation;
use wire::{Peer, wire};

/// The longest time that passes at once: that after which wssgate looks at its clocks.
const STEP: Duration = Duration::from_millis(250);

/// Steps after which a connection whose ends have both ended must be over.
const PATIENCE: usize = 1200;

/// Rounds without news after which nothing will happen any more without time passing.
const QUIET_ROUNDS: usize = 3;

/// Rounds after which whatever still moves moves for ever.
const MANY_ROUNDS: usize = 20_000;

/// Plays a story and panics when it ends in a way that the model does not allow.
pub fn judge(story: &Story) {
    WORLD.with_borrow_mut(|world| {
        let (ran, lines) = world.play(story);
        let port = world.site.port.unwrap();
        let told = model::judge(story, &ran, port);
        reasons::judge(story, &told, &lines);
    });
}

/// What was seen of a connection.
struct Ran {
    /// What the client has sent.
    sent: Vec<u8>,
    /// What it got.
    got: Vec<u8>,
    /// Whether it was told that no more will come.
    is_shut: bool,
    upstreams: Vec<Conversation>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

struct World {
    runtime: tokio::runtime::Runtime,
    site: Arc<Site>,
    listener: UnixListener,
    lines: Lines,
    dispatch: Dispatch,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("upstream.sock");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let site = runtime.block_on(async { site(&format!("unix:{}", path.display())) });
        let lines = Lines::default();
        let dispatch = Dispatch::new(lines.clone());
        Self { runtime, site, listener, lines, dispatch, _folder: folder }
    }

    fn play(&mut self, story: &Story) -> (Ran, Vec<Line>) {
        let (stream, peer) = wire();
        let (drain, watch) = drain::channel();
        let accepted = Accepted {
            id: 1,
            stream,
            client: Some("192.0.2.7:4711".parse().unwrap()),
            site: Arc::clone(&self.site),
            proxied: false,
        };
        let stage = Stage {
            story,
            serving: Some(Box::pin(run_decrypted(accepted, watch))),
            woken: Arc::new(Woken(AtomicBool::new(true))),
            dispatch: &self.dispatch,
            listener: &self.listener,
            peer,
            to_send: story.client_bytes(),
            sent: 0,
            has_ended: false,
            upstream_stalls: false,
            conversations: Vec::new(),
            drain,
        };
        let ran = self.runtime.block_on(stage.play());
        (ran, self.lines.take())
    }
}

fn site(upstream: &str) -> Arc<Site> {
    let certificate = Certificates::SelfSigned(vec!["localhost".to_owned()]);
    // Nobody comes that way.
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let upstream: wssgate::addr::Upstream = upstream.parse().unwrap();
    let mut listener = Listener::new(listen, vec![upstream.into()], certificate);
    listener.timeouts.setup = Duration::from_secs(2);
    listener.timeouts.upgrade = Duration::from_secs(3);
    listener.timeouts.response = Duration::from_secs(4);
    listener.timeouts.idle = Some(Duration::from_secs(5));
    listener.timeouts.half_close = Some(Duration::from_secs(3));
    listener.timeouts.keepalive_timeout = Duration::from_secs(2);
    // What one story has done to the upstream is nothing to the next.
    listener.balancing.max_fails = 0;
    Server::bind(Config::new(listener), 1024).unwrap().sites().remove(0)
}

/// Whether the connection has something to do.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A connection under way.
struct Stage<'a> {
    story: &'a Story,
    serving: Option<Pin<Box<dyn Future<Output = ()> + 'a>>>,
    woken: Arc<Woken>,
    dispatch: &'a Dispatch,
    listener: &'a UnixListener,
    peer: Peer,
    to_send: Vec<u8>,
    sent: usize,
    has_ended: bool,
    upstream_stalls: bool,
    conversations: Vec<Conversation>,
    drain: drain::Drain,
}

impl Stage<'_> {
    /// The story, and then its end: everything that was kept back, the client's end, the upstream's.
    async fn play(mut self) -> Ran {
        self.settle().await;
        for (number, event) in self.story.events().iter().enumerate() {
            if self.story.is_silent(number) {
                let asked = self.sent;
                self.conversations.last_mut().into_iter().for_each(|one| one.fall_silent(asked));
            }
            self.act(*event).await;
            self.settle().await;
        }
        self.peer.take(usize::MAX);
        self.upstream_stalls = false;
        self.send(usize::MAX);
        self.say_all().await;
        self.end();
        self.say_all().await;
        for _ in 0..PATIENCE {
            self.conversations.iter_mut().for_each(Conversation::end);
            self.say_all().await;
            if self.serving.is_none() {
                self.to_send.truncate(self.sent);
                return Ran {
                    sent: self.to_send,
                    got: self.peer.got(),
                    is_shut: self.peer.is_shut(),
                    upstreams: self.conversations,
                };
            }
            advance(STEP).await;
        }
        panic!("a hang; unread are {} bytes of the client", self.peer.unread());
    }

    async fn act(&mut self, event: Event) {
        match event {
            Event::Send(bytes) => self.send(bytes.into()),
            Event::SendAll => self.send(usize::MAX),
            Event::ClientEnds => self.end(),
            Event::ClientResets => {
                self.has_ended = true;
                self.peer.reset();
            }
            Event::Take(bytes) => self.peer.take(bytes.into()),
            Event::TakeAll => self.peer.take(usize::MAX),
            Event::UpstreamStalls => self.upstream_stalls = true,
            Event::UpstreamReads => self.upstream_stalls = false,
            Event::Wait(steps) => self.wait(Duration::from_millis(10) * steps.into()).await,
            Event::WaitLong(seconds) => self.wait(Duration::from_secs((seconds % 16).into())).await,
            Event::Drain => self.drain.start(Duration::from_secs(4)),
            Event::Cut => self.drain.cut(),
            of_upstream => {
                let Some(newest) = self.conversations.last_mut() else { return };
                match of_upstream {
                    Event::Answer(bytes) => drop(newest.send(bytes.into())),
                    Event::AnswerAll => drop(newest.send(usize::MAX)),
                    Event::UpstreamDrops => newest.leave(),
                    _ => newest.end(),
                }
            }
        }
    }

    fn send(&mut self, most: usize) {
        if !self.has_ended {
            let end = self.to_send.len().min(self.sent.saturating_add(most));
            self.peer.send(&self.to_send[self.sent..end]);
            self.sent = end;
        }
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.peer.end();
    }

    async fn wait(&mut self, mut time: Duration) {
        while !time.is_zero() {
            let step = time.min(STEP);
            time -= step;
            advance(step).await;
            self.settle().await;
        }
    }

    /// Has every connection to the upstream say what it has to say, until nothing moves.
    async fn say_all(&mut self) {
        loop {
            self.settle().await;
            let sent = self.conversations.iter_mut().map(|one| one.send(usize::MAX));
            if !sent.fold(false, |any, sent| any | sent) {
                return;
            }
        }
    }

    /// Until nothing more happens at this moment.
    async fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..MANY_ROUNDS {
            let has_moved = self.poll() | self.serve();
            quiet = if has_moved { 0 } else { quiet + 1 };
            if quiet == QUIET_ROUNDS {
                return;
            }
            // Sockets and timers are looked at now.
            yield_now().await;
        }
        panic!("busy for ever");
    }

    /// Runs the connection, when it has something to do.
    fn poll(&mut self) -> bool {
        let Some(serving) = &mut self.serving else { return false };
        if !self.woken.0.swap(false, SeqCst) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        let poll = || serving.as_mut().poll(&mut Context::from_waker(&waker));
        if tracing::dispatcher::with_default(self.dispatch, poll).is_ready() {
            self.serving = None;
        }
        true
    }

    /// Takes what has come to the upstream.
    fn serve(&mut self) -> bool {
        let mut has_moved = upstream::accept(self.listener, self.story, &mut self.conversations);
        if !self.upstream_stalls {
            for conversation in &mut self.conversations {
                has_moved |= conversation.read();
            }
        }
        has_moved
    }
}

#[cfg(test)]
mod tests;
