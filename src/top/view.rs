//! What was seen of a server, and how its user looks at it. Needs no terminal and no clock.

use std::cmp::Reverse;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::time::Instant;

use crate::status::{Status, Tunnel, Tunnels};

/// What one look has shown.
pub(super) struct Seen {
    pub(super) status: Status,
    /// The open tunnels, or why they are not told.
    pub(super) tunnels: Result<Tunnels, String>,
}

/// What to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    Leave,
}

/// The order of tunnels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Newest,
    Oldest,
    Bytes,
    Idle,
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Bytes => "most bytes",
            Self::Idle => "longest idle",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::Bytes,
            Self::Bytes => Self::Idle,
            Self::Idle => Self::Newest,
        }
    }
}

/// That the server does not answer.
pub(super) struct Lost {
    since: Instant,
    /// For how long, when it was asked last.
    pub(super) elapsed: Duration,
    pub(super) why: String,
}

/// Bytes a second between the last two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) to_upstream: f64,
    pub(super) to_client: f64,
}

/// All that is on the screen.
#[derive(Default)]
pub(super) struct View {
    pub(super) seen: Option<Seen>,
    seen_at: Option<Instant>,
    pub(super) rates: Rates,
    pub(super) lost: Option<Lost>,
    pub(super) sort: Sort,
    pub(super) filter: String,
    /// Whether keys go to the filter.
    pub(super) is_typing: bool,
    /// Tunnels above the first one that is shown.
    pub(super) scroll: usize,
    /// Lines that there are for tunnels, as was drawn last.
    pub(super) page: usize,
}

impl View {
    /// Takes in what a look has brought.
    pub(super) fn saw(&mut self, seen: anyhow::Result<Seen>, now: Instant) {
        match seen {
            Ok(seen) => {
                self.rates = self.rates_until(&seen.status, now);
                (self.seen, self.seen_at, self.lost) = (Some(seen), Some(now), None);
            }
            Err(error) => {
                let since = self.lost.as_ref().map_or(now, |lost| lost.since);
                let (elapsed, why) = (now - since, format!("{error:#}"));
                self.lost = Some(Lost { since, elapsed, why });
                self.rates = Rates::default();
            }
        }
    }

    /// None after a restart, which counts from nothing.
    fn rates_until(&self, status: &Status, now: Instant) -> Rates {
        let (Some(before), Some(at)) = (&self.seen, self.seen_at) else { return Rates::default() };
        let elapsed = (now - at).as_secs_f64();
        if before.status.started_at != status.started_at || elapsed == 0.0 {
            return Rates::default();
        }
        let (then, totals) = (&before.status.totals, &status.totals);
        let rate = |then: u64, now: u64| now.saturating_sub(then) as f64 / elapsed;
        Rates {
            to_upstream: rate(then.to_upstream_bytes, totals.to_upstream_bytes),
            to_client: rate(then.to_client_bytes, totals.to_client_bytes),
        }
    }

    /// The tunnels that the filter lets through, in order. Where there is nothing to choose between two, the newer
    /// one is first, so that lines do not change places for no reason.
    pub(super) fn tunnels(&self) -> Vec<&Tunnel> {
        let Some(Seen { tunnels: Ok(tunnels), .. }) = &self.seen else { return Vec::new() };
        let wanted = self.filter.to_lowercase();
        let mut found: Vec<&Tunnel> =
            tunnels.tunnels.iter().filter(|tunnel| is_wanted(tunnel, &wanted)).collect();
        match self.sort {
            Sort::Newest => found.sort_by_key(|tunnel| Reverse(tunnel.id)),
            Sort::Oldest => found.sort_by_key(|tunnel| tunnel.id),
            Sort::Bytes => found.sort_by_key(|tunnel| {
                Reverse((
                    tunnel.to_upstream_bytes.saturating_add(tunnel.to_client_bytes),
                    tunnel.id,
                ))
            }),
            Sort::Idle => found.sort_by(|one, other| {
                other.idle_seconds.total_cmp(&one.idle_seconds).then(other.id.cmp(&one.id))
            }),
        }
        found
    }

    /// Takes what the terminal has to say.
    pub(super) fn take(&mut self, event: &Event) -> Next {
        let Event::Key(key) = event else { return Next::Stay };
        if key.kind == KeyEventKind::Release {
            return Next::Stay;
        }
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Next::Leave;
        }
        if self.is_typing {
            self.type_filter(*key);
            return Next::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Next::Leave,
            KeyCode::Char('s') => (self.sort, self.scroll) = (self.sort.next(), 0),
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Esc => (self.filter, self.scroll) = (String::new(), 0),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => {
                self.scroll = self.scroll.saturating_add(1);
            }
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(self.page),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(self.page),
            KeyCode::Home => self.scroll = 0,
            KeyCode::End => self.scroll = usize::MAX,
            _ => {}
        }
        Next::Stay
    }

    fn type_filter(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => (self.filter, self.is_typing) = (String::new(), false),
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(one) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.filter.push(one)
            }
            _ => {}
        }
        self.scroll = 0;
    }

    /// Keeps the last line of `all` at the bottom, when so many fit at once.
    pub(super) fn fit(&mut self, all: usize, page: usize) {
        self.page = page;
        self.scroll = self.scroll.min(all.saturating_sub(page));
    }
}

/// Whether a tunnel has the wanted text, in lower case, in one of its columns.
fn is_wanted(tunnel: &Tunnel, wanted: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(wanted);
    has(&place(tunnel))
        || has(&tunnel.upstream)
        || tunnel.client.as_deref().is_some_and(has)
        || tunnel.server_name.as_deref().is_some_and(has)
}

/// Host and path, as they came.
pub(super) fn place(tunnel: &Tunnel) -> String {
    [tunnel.host.as_deref(), tunnel.path.as_deref()].into_iter().flatten().collect()
}
