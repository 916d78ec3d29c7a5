//! How this machine resolves names: by its hosts file, then by name servers, with the search domains of
//! its resolv.conf. Answers are cached for as long as they say.
//!
//! The order of resolver(3) and RFC 6761, none of its state: settings are read as a whole, and anew when
//! their files have changed.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};

use super::{Addresses, Error};

/// To one name server, twice: with the default `--connect-timeout` there is time left to say so. Two
/// name servers are asked at once, so that one which is dead costs nothing.
const TIMEOUT: Duration = Duration::from_secs(2);
const RETRIES: usize = 1;

/// A name that is not there is asked for again soon: it may be that of a container about to start.
const NEGATIVE_TTL: Duration = Duration::from_secs(5);

/// Names are those of the settings, with each search domain, of either family.
const CACHE_SIZE: u64 = 1024;

/// Where the settings are.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) hosts: PathBuf,
    pub(super) resolv_conf: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self { hosts: "/etc/hosts".into(), resolv_conf: "/etc/resolv.conf".into() }
    }
}

/// The settings of one moment.
#[derive(Debug)]
pub(super) struct System {
    hosts: Hosts,
    /// Or why there are no name servers.
    servers: Result<Servers, String>,
    changed: [Option<SystemTime>; 2],
}

#[derive(Debug)]
pub(super) struct Servers {
    resolver: TokioResolver,
    search: Vec<Name>,
}

impl System {
    /// Reads what there is; `servers` stand in for those of the file.
    pub(super) fn read(paths: &Paths, servers: &[SocketAddr]) -> Self {
        let changed = paths.changed();
        let mut hosts = Hosts::default();
        if let Ok(bytes) = fs::read(&paths.hosts)
            && let Err(error) = hosts.read_hosts_conf(&bytes[..])
        {
            tracing::warn!(path = %paths.hosts.display(), %error, "hosts file not understood");
        }
        Self { hosts, servers: Servers::read(&paths.resolv_conf, servers), changed }
    }

    /// Whether the files are those that were read.
    pub(super) fn is_current(&self, paths: &Paths) -> bool {
        self.changed == paths.changed()
    }

    /// The addresses of a name; there is at least one.
    pub(super) async fn lookup(&self, name: &str) -> Result<Addresses, Error> {
        let parsed = Name::from_ascii(name)
            .map_err(|error| Error::NoAnswer(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let addresses = self.hosts_entry(&parsed);
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        if is_localhost(name) {
            return Ok(Addresses::loopback());
        }
        match &self.servers {
            Ok(servers) => servers.lookup(&parsed).await,
            Err(error) => Err(Error::NoAnswer(io::Error::other(error.clone()))),
        }
    }

    fn hosts_entry(&self, name: &Name) -> Addresses {
        let addresses = |kind| {
            let entry = self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
            entry
                .iter()
                .flat_map(|lookup| lookup.answers())
                .filter_map(|a| a.data.ip_addr())
                .collect()
        };
        Addresses { v4: addresses(RecordType::A), v6: addresses(RecordType::AAAA) }
    }
}

impl Paths {
    fn changed(&self) -> [Option<SystemTime>; 2] {
        // Two calls of a microsecond: no reason to leave the thread.
        [&self.hosts, &self.resolv_conf]
            .map(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok())
    }
}

impl Servers {
    pub(super) fn read(path: &Path, servers: &[SocketAddr]) -> Result<Self, String> {
        let read = fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| parse_resolv_conf(bytes).map_err(|error| error.to_string()))
            .map_err(|error| format!("{}: {error}", path.display()));
        let (config, options) = match read {
            Ok(read) => read,
            Err(_) if !servers.is_empty() => (ResolverConfig::default(), ResolverOpts::default()),
            Err(error) => return Err(error),
        };
        let (domain, mut search, mut name_servers) = config.into_parts();
        if search.is_empty() {
            search.extend(domain);
        }
        if !servers.is_empty() {
            name_servers = servers.iter().map(name_server).collect();
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), name_servers);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = within_limits(options);
        let resolver = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { resolver, search })
    }

    /// As resolver(3) does it: on to the next name when there is none such, and when a name server cannot
    /// say; but nobody is asked again when nobody answers.
    async fn lookup(&self, name: &Name) -> Result<Addresses, Error> {
        let mut last = Error::NoSuchName;
        for candidate in self.candidates(name) {
            match self.lookup_both(candidate).await {
                Ok(addresses) => return Ok(addresses),
                Err(Error::NoSuchName) => {}
                Err(Error::NoAnswer(error)) => {
                    let silent = error.kind() == io::ErrorKind::TimedOut;
                    last = Error::NoAnswer(error);
                    if silent {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    /// The name in every domain to search, and by itself: before them when it has dots enough.
    pub(super) fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut whole = name.clone();
        whole.set_fqdn(true);
        if name.is_fqdn() {
            return vec![whole];
        }
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        let searched = self.search.iter().filter_map(|domain| {
            let mut joined = name.clone().append_domain(domain).ok()?;
            joined.set_fqdn(true);
            Some(joined)
        });
        let mut candidates: Vec<Name> = searched.collect();
        let at = if dots >= self.resolver.options().ndots { 0 } else { candidates.len() };
        candidates.insert(at, whole);
        candidates
    }

    async fn lookup_both(&self, name: Name) -> Result<Addresses, Error> {
        let (v4, v6) = tokio::join!(
            self.lookup_kind(name.clone(), RecordType::A),
            self.lookup_kind(name, RecordType::AAAA)
        );
        match (v4, v6) {
            (Ok(v4), Ok(v6)) if v4.is_empty() && v6.is_empty() => Err(Error::NoSuchName),
            (Ok(v4), Ok(v6)) => Ok(Addresses { v4, v6 }),
            (Ok(v4), Err(_)) if !v4.is_empty() => Ok(Addresses { v4, v6: Vec::new() }),
            (Err(_), Ok(v6)) if !v6.is_empty() => Ok(Addresses { v4: Vec::new(), v6 }),
            (Err(error), _) | (_, Err(error)) => Err(Error::NoAnswer(error)),
        }
    }

    /// None is an answer too.
    async fn lookup_kind(&self, name: Name, kind: RecordType) -> io::Result<Vec<IpAddr>> {
        match self.resolver.lookup(name, kind).await {
            Ok(lookup) => Ok(lookup.answers().iter().filter_map(|a| a.data.ip_addr()).collect()),
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Ok(Vec::new()),
            Err(NetError::Timeout) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "name servers do not answer"))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn within_limits(mut options: ResolverOpts) -> ResolverOpts {
    options.timeout = options.timeout.min(TIMEOUT);
    options.attempts = RETRIES;
    options.cache_size = CACHE_SIZE;
    options.negative_min_ttl = Some(Duration::from_secs(1));
    options.negative_max_ttl = Some(NEGATIVE_TTL);
    // Asked before, and alone: an entry of one family does not leave the other to name servers.
    options.use_hosts_file = ResolveHosts::Never;
    options
}

/// `localhost` and what is below it (RFC 6761, 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}
