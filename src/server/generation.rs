//! What one configuration stands for: sockets, certificates, routes, upstreams. Built as a whole before it
//! serves; what the generation before it has already, and the configuration still wants, goes on.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, ensure};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use super::accept::Door;
use super::pools::Pools;
use crate::addr::Listen;
use crate::config::{self, Config};
use crate::connection::{PerIp, Places, Shared, Site, Speaks, Tunnels};
use crate::metrics::Metrics;
use crate::net::{Keepalive, Listener};
use crate::tls;
use crate::upstream::Routes;

/// What all generations share.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) metrics: Arc<Metrics>,
    pub(super) tunnels: Arc<Tunnels>,
    pub(super) handshakes: Arc<Semaphore>,
    /// Told when a listener that was full has a place again.
    pub(super) freed: Arc<Notify>,
}

/// One configuration, built.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) config: Config,
    pub(super) sockets: Vec<Socket>,
    pub(super) pools: Pools,
    stores: Vec<Arc<WatchedStore>>,
    /// Of each listener: which one of the generation before it goes on with.
    predecessors: Vec<Option<usize>>,
}

/// A listening socket, and what it leads to in this generation.
#[derive(Debug)]
pub(super) struct Socket {
    address: Listen,
    pub(super) door: Door,
    /// Which of the configuration's listeners it is of.
    owner: usize,
    settings: Arc<Shared>,
}

/// The certificates of a listener, looked at for as long as a generation has them.
#[derive(Debug)]
struct WatchedStore {
    store: Arc<tls::Store>,
    watching: OnceLock<JoinSet<()>>,
}

impl Generation {
    /// Builds everything, and takes nothing from the generation before: when anything fails, that serves on.
    /// Needs a tokio runtime, and blocks. Errors name the file or the address and what to do.
    pub(super) fn build(
        config: Config,
        before: Option<&Self>,
        process: &Process,
    ) -> anyhow::Result<Self> {
        let mut built = Self {
            pools: Pools::after(before.map(|before| &before.pools)),
            config,
            sockets: Vec::new(),
            stores: Vec::new(),
            predecessors: Vec::new(),
        };
        for owner in 0..built.config.listeners.len() {
            built.listener(owner, before, process)?;
        }
        Ok(built)
    }

    fn listener(
        &mut self,
        owner: usize,
        before: Option<&Self>,
        process: &Process,
    ) -> anyhow::Result<()> {
        let config = self.config.listeners[owner].clone();
        let last = before.and_then(|before| before.same_listener(&config, &self.predecessors));
        self.predecessors.push(last);
        let store = match (before, last) {
            (Some(before), Some(last)) if before.config.listeners[last].tls == config.tls => {
                before.stores[last].store.rehearse()?;
                Arc::clone(&before.stores[last])
            }
            (before, last) => {
                let last = before.zip(last).map(|(before, last)| &*before.stores[last].store);
                let store = Arc::new(tls::Store::open_after(&config.tls, last)?);
                Arc::new(WatchedStore { store, watching: OnceLock::new() })
            }
        };
        let sockets = self.bind(&config, before)?;
        let tls_port = sockets
            .iter()
            .find_map(|(_, listener, speaks)| listener.port().filter(|_| *speaks == Speaks::Tls));
        let settings = before.zip(last).and_then(|(before, last)| before.settings_of(last));
        let settings = Arc::new(Shared {
            tls: Arc::clone(&store.store),
            routes: self.routes(&config)?,
            tls_port,
            per_ip: PerIp::new(config.limits.max_connections_per_ip)
                .counting_with(settings.map(|settings| &settings.per_ip)),
            places: match settings {
                Some(settings) => Arc::clone(&settings.places),
                None => Arc::new(Places::new(Arc::clone(&process.freed))),
            },
            handshakes: Arc::clone(&process.handshakes),
            metrics: Arc::clone(&process.metrics),
            tunnels: Arc::clone(&process.tunnels),
            max_head_bytes: config.limits.max_head_bytes,
            max_connections: config.limits.max_connections,
            max_requests: requests_for(&config),
            hsts: config.hsts.map(|age| format!("max-age={}", age.as_secs())),
            origins: config.origins,
            timeouts: config.timeouts,
            forwarding: config.forwarding,
            log_query: config.log_query,
            proxy_protocol: config.proxy_protocol,
            acme_webroot: config.acme_webroot,
        });
        self.stores.push(store);
        for (address, listener, speaks) in sockets {
            let site = match before.and_then(|before| before.site_of(&listener, speaks)) {
                Some(site) => site,
                None => {
                    let (name, port) = (Arc::clone(listener.name()), listener.port());
                    Arc::new(Site::new(name, port, speaks, Arc::clone(&settings)))
                }
            };
            let door = Door { listener, site };
            self.sockets.push(Socket { address, door, owner, settings: Arc::clone(&settings) });
        }
        Ok(())
    }

    /// The sockets of a listener: those that are there already, and new ones.
    fn bind(
        &self,
        config: &config::Listener,
        before: Option<&Self>,
    ) -> anyhow::Result<Vec<(Listen, Arc<Listener>, Speaks)>> {
        let keepalive = Keepalive(config.timeouts.keepalive);
        let addresses = config.listen.iter().map(|address| (address, Speaks::Tls));
        let redirecting = config.redirect_http.iter().map(|address| (address, Speaks::Plain));
        let mut bound: Vec<(Listen, Arc<Listener>, Speaks)> = Vec::new();
        for (address, speaks) in addresses.chain(redirecting) {
            let of_us = bound.iter().map(|(_, listener, _)| listener);
            let taken: Vec<_> =
                self.sockets.iter().map(|socket| &socket.door.listener).chain(of_us).collect();
            let is_fd = matches!(address, Listen::Fd(_));
            let twice = is_fd
                && (self.sockets.iter().any(|socket| socket.address == *address)
                    || bound.iter().any(|(other, ..)| other == address));
            ensure!(!twice, "listen on {address}: given twice");
            let kept = before.map(|before| before.sockets_at(address, &taken)).unwrap_or_default();
            let listeners = match kept.is_empty() {
                true => Listener::bind(address, keepalive)?.into_iter().map(Arc::new).collect(),
                false => kept,
            };
            bound.extend(listeners.into_iter().map(|one| (address.clone(), one, speaks)));
        }
        Ok(bound)
    }

    /// The sockets at this address, that are not `taken`. One address stands for one of those that have a
    /// port that the kernel chose.
    fn sockets_at(&self, address: &Listen, taken: &[&Arc<Listener>]) -> Vec<Arc<Listener>> {
        let is_free =
            |socket: &&Socket| !taken.iter().any(|taken| Arc::ptr_eq(taken, &socket.door.listener));
        let at = self.sockets.iter().filter(|socket| socket.address.is_same_place(address));
        let found = at.filter(is_free).map(|socket| Arc::clone(&socket.door.listener));
        match address {
            Listen::Name(..) | Listen::Fd(_) => found.collect(),
            Listen::Port(_) | Listen::Ip(_) | Listen::Unix(..) => found.take(1).collect(),
        }
    }

    /// Which listener of this generation becomes that one: one that has an address in common, and has not
    /// become another.
    fn same_listener(&self, config: &config::Listener, others: &[Option<usize>]) -> Option<usize> {
        let mut addresses = config.listen.iter().chain(&config.redirect_http);
        addresses.find_map(|address| {
            let mut free =
                self.sockets.iter().filter(|socket| !others.contains(&Some(socket.owner)));
            free.find(|socket| socket.address.is_same_place(address)).map(|socket| socket.owner)
        })
    }

    fn settings_of(&self, owner: usize) -> Option<&Shared> {
        let mut sockets = self.sockets.iter();
        sockets.find(|socket| socket.owner == owner).map(|socket| &*socket.settings)
    }

    fn site_of(&self, listener: &Arc<Listener>, speaks: Speaks) -> Option<Arc<Site>> {
        let is_it =
            |door: &&Door| Arc::ptr_eq(&door.listener, listener) && door.site.speaks == speaks;
        let mut doors = self.sockets.iter().map(|socket| &socket.door);
        doors.find(is_it).map(|door| Arc::clone(&door.site))
    }

    fn has_site(&self, site: &Arc<Site>) -> bool {
        self.sockets.iter().any(|socket| Arc::ptr_eq(&socket.door.site, site))
    }

    /// A pool for each route, shared by those that lead to the same one.
    fn routes(&mut self, listener: &config::Listener) -> anyhow::Result<Routes> {
        let mut routes = Vec::new();
        for route in listener.all_routes() {
            let pool = self.config.pool(listener, &route.goals);
            let pool = pool.with_context(|| format!("route {} leads nowhere", route.pattern))?;
            routes.push((route.pattern, self.pools.find_or_build(pool)?));
        }
        Ok(Routes::new(routes))
    }

    /// Begins to serve, and says so to the sockets; those of `before` that are not wanted any more close when
    /// it is dropped. Nothing here fails. Needs a tokio runtime.
    pub(super) fn commit(&mut self, before: Option<&Self>) {
        for watched in &self.stores {
            watched.watching.get_or_init(|| {
                watched.store.take_over();
                watched.store.report();
                let mut watching = JoinSet::new();
                watching.spawn(tls::watch(Arc::clone(&watched.store)));
                watching
            });
        }
        for socket in &self.sockets {
            let Door { listener, site } = &socket.door;
            let keepalive = Keepalive(socket.settings.timeouts.keepalive);
            if let Err(error) = listener.adjust(&socket.address, keepalive) {
                tracing::warn!(listener = %site.listener, %error, "socket options not changed");
            }
            site.replace(Arc::clone(&socket.settings));
            let is_new = !before.is_some_and(|before| before.has_site(site));
            match site.speaks {
                Speaks::Tls if is_new => {
                    let upstream = self.config.listeners[socket.owner].describe();
                    tracing::info!(listener = &*site.listener, upstream, "listening");
                }
                Speaks::Plain if is_new => {
                    tracing::info!(listener = &*site.listener, "redirecting to https");
                }
                Speaks::Tls | Speaks::Plain => {}
            }
        }
        for socket in before.iter().flat_map(|before| &before.sockets) {
            let site = &socket.door.site;
            if !self.has_site(site) {
                tracing::info!(listener = &*site.listener, "not listening any more");
                site.close();
            }
        }
        self.pools.commit();
    }

    /// Takes in what has changed in the files of those certificates that the generation before had already.
    /// Blocks.
    pub(super) fn reload_files(&self) -> tls::Looked {
        let mut all = tls::Looked::default();
        for watched in &self.stores {
            let looked = watched.store.reload();
            all.swapped += looked.swapped;
            all.refused += looked.refused;
        }
        all
    }

    /// The same without its sockets, which close when this generation is dropped.
    pub(super) fn without_sockets(&self) -> Self {
        Self {
            config: self.config.clone(),
            sockets: Vec::new(),
            pools: self.pools.clone(),
            stores: self.stores.clone(),
            predecessors: Vec::new(),
        }
    }

    /// What its sockets lead to.
    pub(super) fn sites(&self) -> Vec<Arc<Site>> {
        self.sockets.iter().map(|socket| Arc::clone(&socket.door.site)).collect()
    }

    /// Every socket and what it leads to.
    pub(super) fn doors(&self) -> Vec<Door> {
        self.sockets.iter().map(|socket| socket.door.clone()).collect()
    }
}

fn requests_for(config: &config::Listener) -> Option<usize> {
    let one_each = config.timeouts.keepalive_timeout.is_zero();
    if one_each { Some(1) } else { config.limits.max_requests }
}
