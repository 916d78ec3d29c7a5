//! The pools of a generation, and what they are made with: resolvers, TLS to upstreams, checks. Pools that are
//! described alike are one, also from one generation to the next.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::task::JoinSet;

use crate::addr::Upstream;
use crate::config::{self, UpstreamTls};
use crate::net::Keepalive;
use crate::tls;
use crate::upstream::member::Member;
use crate::upstream::resolve::Resolver;
use crate::upstream::{Connector, Pool};

/// The pools of a generation.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools {
    pools: Vec<Arc<Watched>>,
    connectors: Vec<Arc<tls::Connector>>,
    resolvers: Vec<(Vec<SocketAddr>, Arc<Resolver>)>,
    /// What the generation before has, until this one serves.
    before: Vec<Arc<Watched>>,
    before_connectors: Vec<Arc<tls::Connector>>,
    before_resolvers: Vec<(Vec<SocketAddr>, Arc<Resolver>)>,
    /// What was read again for connectors that go on.
    reopened: Vec<(Arc<tls::Connector>, tls::Reopened)>,
}

/// A pool that is checked for as long as a generation has it.
#[derive(Debug)]
struct Watched {
    config: config::Pool,
    pool: Arc<Pool>,
    checking: OnceLock<JoinSet<()>>,
}

impl Pools {
    /// None yet; they will be looked for in `before` first.
    pub(super) fn after(before: Option<&Self>) -> Self {
        let Some(before) = before else { return Self::default() };
        Self {
            before: before.pools.clone(),
            before_connectors: before.connectors.clone(),
            before_resolvers: before.resolvers.clone(),
            ..Self::default()
        }
    }

    /// The pool that is described so. Blocks where a file is to be read.
    pub(super) fn find_or_build(&mut self, config: config::Pool) -> anyhow::Result<Arc<Pool>> {
        let is_it = |watched: &&Arc<Watched>| watched.config == config;
        if let Some(watched) = self.pools.iter().find(is_it) {
            return Ok(Arc::clone(&watched.pool));
        }
        let tls = match config.members.iter().any(|member| member.address.is_tls) {
            true => Some(self.tls(&config.tls)?),
            false => None,
        };
        let watched = match self.before.iter().find(is_it) {
            Some(watched) => Arc::clone(watched),
            None => {
                let connector = Connector {
                    timeout: config.connect_timeout,
                    keepalive: Keepalive(config.keepalive),
                    resolver: self.resolver(&config.resolvers),
                    tls,
                };
                let known = |address: &Upstream| self.member(config.name.as_deref(), address);
                let pool = Arc::new(Pool::new(&config, connector, known));
                Arc::new(Watched { config, pool, checking: OnceLock::new() })
            }
        };
        let pool = Arc::clone(&watched.pool);
        self.pools.push(watched);
        Ok(pool)
    }

    /// The member at this address, of a pool with this name if there is one: what is counted of it, and
    /// whether it is up, is the same for all.
    fn member(&self, name: Option<&str>, address: &Upstream) -> Option<Arc<Member>> {
        let all = || self.pools.iter().chain(&self.before).map(|watched| &watched.pool);
        let in_pool = |pool: &Arc<Pool>| {
            pool.members().iter().find(|member| member.address() == address).cloned()
        };
        let namesake = all().filter(|pool| pool.name() == name).find_map(in_pool);
        namesake.or_else(|| all().find_map(in_pool))
    }

    /// Whether any pool checks it.
    fn is_checked(&self, member: &Member) -> bool {
        let mut checked = self.pools.iter().filter(|one| one.config.balancing.check.is_some());
        checked.any(|one| one.pool.members().iter().any(|other| other.counts_with(member)))
    }

    fn tls(&mut self, settings: &UpstreamTls) -> anyhow::Result<Arc<tls::Connector>> {
        let is_it = |connector: &&Arc<tls::Connector>| connector.has_settings(settings);
        if let Some(connector) = self.connectors.iter().find(is_it) {
            return Ok(Arc::clone(connector));
        }
        let connector = match self.before_connectors.iter().find(is_it) {
            Some(connector) => {
                self.reopened.push((Arc::clone(connector), connector.reopen()?));
                Arc::clone(connector)
            }
            None => Arc::new(tls::Connector::open(settings)?),
        };
        self.connectors.push(Arc::clone(&connector));
        Ok(connector)
    }

    fn resolver(&mut self, servers: &[SocketAddr]) -> Arc<Resolver> {
        let is_it = |(of, _): &&(Vec<SocketAddr>, _)| of == servers;
        if let Some((_, resolver)) = self.resolvers.iter().find(is_it) {
            return Arc::clone(resolver);
        }
        let resolver = match self.before_resolvers.iter().find(is_it) {
            Some((_, resolver)) => Arc::clone(resolver),
            None => Arc::new(Resolver::new(servers)),
        };
        self.resolvers.push((servers.to_vec(), Arc::clone(&resolver)));
        resolver
    }

    /// Begins to check members, and lets go of the generation before. Needs a tokio runtime.
    pub(super) fn commit(&mut self) {
        for (connector, reopened) in self.reopened.drain(..) {
            connector.replace(reopened);
        }
        for Watched { config, pool, checking } in self.pools.iter().map(|watched| &**watched) {
            let Some(check) = &config.balancing.check else { continue };
            checking.get_or_init(|| {
                let mut tasks = JoinSet::new();
                tasks.spawn(Arc::clone(pool).check(check.clone()));
                tasks
            });
        }
        let goes_on = |one: &Arc<Watched>| self.pools.iter().any(|other| Arc::ptr_eq(one, other));
        for gone in self.before.iter().filter(|one| !goes_on(one)) {
            gone.pool.call_off_checks();
        }
        // Also in pools that go on: it may have been another one's check, which has gone, that took a member out.
        for watched in &self.pools {
            watched.pool.uncheck(|member| self.is_checked(member));
        }
        self.before.clear();
        self.before_connectors.clear();
        self.before_resolvers.clear();
    }
}
