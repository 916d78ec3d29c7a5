//! The route of a request: by its host, then by the longest beginning of its path.

use std::sync::Arc;

use super::Pool;
use crate::config::route::{Host, Pattern};

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// Not for this host.
    Host,
    /// Not for this path.
    Path,
}

/// All routes, the closest first.
#[derive(Debug)]
pub struct Routes(Vec<(Pattern, Arc<Pool>)>);

impl Routes {
    /// These, in any order.
    pub fn new(mut routes: Vec<(Pattern, Arc<Pool>)>) -> Self {
        // A name before a domain, a longer domain before a shorter, then any host; then longer paths.
        routes.sort_by_key(|(pattern, _)| {
            let host = match &pattern.host {
                Host::Exact(_) => usize::MAX,
                Host::Below(domain) => domain.len(),
                Host::Any => 0,
            };
            std::cmp::Reverse((host, pattern.prefix.len()))
        });
        Self(routes)
    }

    /// Where a request for this path goes, whose host (without a port) is this. Without a host only the
    /// routes of all hosts count.
    pub fn find(&self, host: Option<&str>, path: &str) -> Result<&Arc<Pool>, NoRoute> {
        let of_host = || self.0.iter().filter(|(pattern, _)| has_host(&pattern.host, host));
        match of_host().find(|(pattern, _)| has_prefix(path, &pattern.prefix)) {
            Some((_, pool)) => Ok(pool),
            None if of_host().next().is_some() => Err(NoRoute::Path),
            None => Err(NoRoute::Host),
        }
    }

    /// Every route with its pool, the closest first.
    pub fn iter(&self) -> impl Iterator<Item = (&Pattern, &Arc<Pool>)> {
        self.0.iter().map(|(pattern, pool)| (pattern, pool))
    }
}

fn has_host(pattern: &Host, host: Option<&str>) -> bool {
    let host = host.map(|host| host.strip_suffix('.').unwrap_or(host));
    match (pattern, host) {
        (Host::Any, _) => true,
        (_, None) => false,
        (Host::Exact(name), Some(host)) => name.eq_ignore_ascii_case(host),
        (Host::Below(domain), Some(host)) => {
            let Some(at) = host.len().checked_sub(domain.len()) else { return false };
            let (labels, rest) = host.as_bytes().split_at(at);
            rest.eq_ignore_ascii_case(domain.as_bytes())
                && labels.len() > 1
                && labels.ends_with(b".")
        }
    }
}

/// Whether `path` begins with all segments of `prefix`.
fn has_prefix(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| {
        // `*` is the target of an OPTIONS request about the whole server.
        prefix.is_empty() || rest.is_empty() || rest.starts_with('/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::route::parse_route;
    use crate::config::{Certificates, Config, Listener};
    use crate::upstream::Connector;

    fn routes(texts: &[&str]) -> Routes {
        let listener = Listener::new(vec![], vec![], Certificates::SelfSigned(vec![]));
        let config = Config::new(listener);
        let route = |text: &&str| {
            let route = parse_route(text).unwrap();
            let pool = config.pool(&config.listeners[0], &route.goals).unwrap();
            let pool = Pool::new(&pool, Connector::default(), |_| None);
            (route.pattern, Arc::new(pool))
        };
        Routes::new(texts.iter().map(route).collect())
    }

    #[test]
    fn the_closest_host_wins_then_the_longest_path() {
        let routes = routes(&[
            "=10.0.0.1:1",
            "/chat=10.0.0.1:2",
            "/chat/old=10.0.0.1:3",
            "*.example.com=10.0.0.1:4",
            "*.b.example.com=10.0.0.1:5",
            "a.example.com/x=10.0.0.1:6",
            "a.example.com/x/y=10.0.0.1:7",
        ]);
        for (host, path, port) in [
            (Some("other.org"), "/", 1),
            (Some("other.org"), "/chat", 2),
            (Some("other.org"), "/chat/", 2),
            (Some("other.org"), "/chats", 1),
            (Some("other.org"), "/chat/old/1", 3),
            (Some("other.org"), "/CHAT", 1),
            (Some("other.org"), "*", 1),
            (None, "/chat", 2),
            (Some("example.com"), "/", 1),
            (Some("C.Example.com"), "/chat", 4),
            (Some("c.example.com."), "/", 4),
            (Some("c.b.example.com"), "/", 5),
            (Some("a.example.com"), "/x", 6),
            (Some("a.example.com"), "/x/y/z", 7),
            (Some("a.example.com"), "/other", 4),
            (Some("evilexample.com"), "/", 1),
        ] {
            let pool = routes.find(host, path).unwrap();
            let expected = format!("10.0.0.1:{port}");
            assert!(
                format!("{pool:?}").contains(&format!("10.0.0.1:{port}")),
                "{host:?}{path}: {expected}"
            );
        }
    }

    #[test]
    fn without_a_route_it_is_said_what_is_unknown() {
        let routes = routes(&["a.example.com/x=1", "*.b.example.com/x=1"]);
        assert_eq!(routes.find(Some("a.example.com"), "/y").unwrap_err(), NoRoute::Path);
        assert_eq!(routes.find(Some("c.b.example.com"), "/").unwrap_err(), NoRoute::Path);
        assert_eq!(routes.find(Some("b.example.com"), "/x").unwrap_err(), NoRoute::Host);
        assert_eq!(routes.find(None, "/x").unwrap_err(), NoRoute::Host);
    }
}
