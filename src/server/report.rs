//! How a server is: put together from what it counts and what it holds, at the moment somebody asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::generation::{Generation, Process};
use crate::admin::Source;
use crate::connection::{Shared, Site, Speaks, Tunnels};
use crate::metrics::Metrics;
use crate::status;
use crate::status::{Certificate, Listener, OpenTunnels, State, Status, Upstream};
use crate::tls::Pair;
use crate::upstream::Pool;
use crate::upstream::member::Member;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Says how a server is; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reporter {
    metrics: Arc<Metrics>,
    tunnels: Arc<Tunnels>,
    /// What is listened on, from one reload to the next.
    sites: Arc<RwLock<Vec<Arc<Site>>>>,
    needs_upstream: bool,
    is_draining: Arc<AtomicBool>,
}

impl Reporter {
    pub(super) fn new(process: &Process, generation: &Generation) -> Self {
        Self {
            metrics: Arc::clone(&process.metrics),
            tunnels: Arc::clone(&process.tunnels),
            sites: Arc::new(RwLock::new(generation.sites())),
            needs_upstream: generation.config.admin.ready_needs_upstream,
            is_draining: Arc::default(),
        }
    }

    /// From now on these are listened on.
    pub(super) fn follow(&self, sites: Vec<Arc<Site>>) {
        *self.sites.write().unwrap_or_else(PoisonError::into_inner) = sites;
    }

    /// From now on the server is one that ends.
    pub(super) fn draining(&self) {
        self.is_draining.store(true, Relaxed);
    }

    /// How it is now. Counts the bytes of open tunnels up to this moment.
    pub fn status(&self) -> Status {
        let sites = self.sites();
        let settings: Vec<_> = sites.iter().map(|site| (&**site, site.current())).collect();
        let tunnels = with_none(self.tunnels.survey(&self.metrics), &settings);
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: match self.is_draining.load(Relaxed) {
                true => State::Draining,
                false => State::Serving,
            },
            listeners: sites.iter().map(|site| listener(site, &tunnels)).collect(),
            upstreams: upstreams(&settings),
            certificates: certificates(&settings),
            tunnels,
            ..Status::default()
        };
        self.metrics.fill(&mut status);
        status
    }

    /// The same for those who look after the server.
    pub(super) fn source(&self) -> Source {
        let (of_status, of_ready) = (self.clone(), self.clone());
        Source {
            metrics: Arc::clone(&self.metrics),
            tunnels: Arc::clone(&self.tunnels),
            status: Box::new(move || of_status.status()),
            ready: Box::new(move || of_ready.ready()),
        }
    }

    /// Whether clients should be sent here, or why not.
    fn ready(&self) -> Result<(), &'static str> {
        if self.is_draining.load(Relaxed) {
            return Err("draining");
        }
        let now = Instant::now();
        let is_up = |site: &Arc<Site>| {
            let shared = site.current();
            let mut members = shared.routes.iter().flat_map(|(_, pool)| pool.members());
            members.any(|member| member.is_up(now))
        };
        if self.needs_upstream && !self.sites().iter().any(is_up) {
            return Err("no upstream is up");
        }
        Ok(())
    }

    fn sites(&self) -> Vec<Arc<Site>> {
        self.sites.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// None is a number too: it is told for every upstream that a listener leads to.
fn with_none(open: Vec<OpenTunnels>, settings: &[(&Site, Arc<Shared>)]) -> Vec<OpenTunnels> {
    let mut counts = BTreeMap::new();
    for (site, shared) in settings.iter().filter(|(site, _)| site.speaks == Speaks::Tls) {
        for member in shared.routes.iter().flat_map(|(_, pool)| pool.members()) {
            counts.insert((site.listener.to_string(), member.address().to_string()), 0);
        }
    }
    for OpenTunnels { listener, upstream, open } in open {
        counts.insert((listener, upstream), open);
    }
    let counts = counts.into_iter();
    counts.map(|((listener, upstream), open)| OpenTunnels { listener, upstream, open }).collect()
}

fn listener(site: &Site, tunnels: &[OpenTunnels]) -> Listener {
    let of_listener = tunnels.iter().filter(|tunnels| *tunnels.listener == *site.listener);
    let speaks = match site.speaks {
        Speaks::Tls => "tls",
        Speaks::Plain => "http",
    };
    Listener {
        name: site.listener.to_string(),
        speaks: speaks.to_owned(),
        tunnels: of_listener.map(|tunnels| tunnels.open).sum(),
    }
}

/// Every pool once, with all that leads to it.
fn upstreams(settings: &[(&Site, Arc<Shared>)]) -> Vec<Upstream> {
    let mut pools: Vec<(&Arc<Pool>, Vec<String>)> = Vec::new();
    for (pattern, pool) in settings.iter().flat_map(|(_, shared)| shared.routes.iter()) {
        let pattern = pattern.to_string();
        match pools.iter_mut().find(|(other, _)| Arc::ptr_eq(other, pool)) {
            Some((_, patterns)) if patterns.contains(&pattern) => {}
            Some((_, patterns)) => patterns.push(pattern),
            None => pools.push((pool, vec![pattern])),
        }
    }
    let mut seen: Vec<&Member> = Vec::new();
    let mut upstreams = Vec::new();
    for (pool, routes) in pools {
        let mut members = Vec::new();
        for member in pool.members() {
            let mut now = member_now(member);
            if seen.iter().any(|other| other.counts_with(member)) {
                // Told of the other one.
                now.connect_failures = 0;
            }
            seen.push(member);
            members.push(now);
        }
        let name = pool.name().unwrap_or(&routes[0]).to_owned();
        upstreams.push(Upstream { name, routes, members });
    }
    upstreams
}

fn member_now(member: &Member) -> status::Member {
    status::Member {
        address: member.address().to_string(),
        up: member.is_up(Instant::now()),
        live: member.live() as u64,
        connect_failures: member.connect_failures(),
        weight: member.settings().weight.get(),
        backup: member.settings().backup,
    }
}

/// Those of every store, once.
fn certificates(settings: &[(&Site, Arc<Shared>)]) -> Vec<Certificate> {
    let mut certificates: Vec<Certificate> = Vec::new();
    for pair in settings.iter().flat_map(|(_, shared)| shared.tls.pairs()) {
        let certificate = certificate(&pair);
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    certificates
}

fn certificate(pair: &Pair) -> Certificate {
    let now = SystemTime::now();
    let expiry = pair.leaf.not_after;
    let days = |duration: Duration| i64::try_from(duration.as_secs() / DAY.as_secs());
    let days_left = match expiry.duration_since(now) {
        Ok(left) => days(left).unwrap_or(i64::MAX),
        // One that expired a minute ago has not a day left, nor none.
        Err(past) => -1 - days(past.duration()).unwrap_or(i64::MAX - 1),
    };
    let problems = pair.problems(now);
    let worst = problems.iter().find(|problem| problem.is_error).or(problems.first());
    Certificate {
        name: pair.name.clone(),
        names: pair.leaf.names.iter().map(ToString::to_string).collect(),
        not_after: expiry.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
        days_left,
        problem: worst.map(ToString::to_string),
    }
}
