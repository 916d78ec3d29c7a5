//! The choice of a certificate by the name that a client asks for (SNI, RFC 6066, 3) and by what it can
//! verify.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{SignatureAlgorithm, SignatureScheme};

use super::pair::Pair;
use super::x509::Name;

/// The pairs that are served, found by their names.
#[derive(Debug)]
pub(super) struct Choice {
    exact: HashMap<String, Group>,
    /// By what stands behind the wildcard and its dot.
    wildcard: HashMap<String, Group>,
    /// The first pair, and those of the same names with other kinds of key.
    first: Group,
    strict: bool,
}

/// Pairs for one name, those with the cheapest keys first.
type Group = Vec<Arc<Pair>>;

impl Choice {
    /// Of these pairs, the first of which stands in for names that none covers, unless `strict`.
    pub(super) fn new(pairs: &[Arc<Pair>], strict: bool) -> Self {
        let mut exact: HashMap<String, Group> = HashMap::new();
        let mut wildcard: HashMap<String, Group> = HashMap::new();
        let mut first = Group::new();
        for pair in pairs {
            for name in &pair.leaf.names {
                match name {
                    Name::Dns(name) => exact.entry(name.clone()).or_default().push(pair.clone()),
                    Name::Wildcard(rest) => {
                        wildcard.entry(rest.clone()).or_default().push(pair.clone());
                    }
                    // A name that is asked for is never an address (RFC 6066, 3).
                    Name::Ip(_) => {}
                }
            }
            let is_first = first.is_empty();
            let of_first = pairs[0].leaf.names.iter().any(|name| pair.leaf.names.contains(name));
            if is_first || of_first {
                first.push(pair.clone());
            }
        }
        for group in exact.values_mut().chain(wildcard.values_mut()).chain([&mut first]) {
            // Stable: of one kind, the pair that was given first.
            group.sort_by_key(|pair| rank(pair));
        }
        Self { exact, wildcard, first, strict }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    /// Whether a client that asks for this name is served.
    pub(super) fn serves(&self, server_name: Option<&str>) -> bool {
        !self.groups(server_name).is_empty()
    }

    /// Whether what is served to those who ask for `server_name` covers `host` too. Of a wildcard that
    /// helps out behind an exact name, only that name counts.
    pub(super) fn covers(&self, server_name: Option<&str>, host: &str) -> bool {
        let best = self.groups(server_name).into_iter().next();
        best.into_iter().flatten().any(|pair| pair.leaf.covers(host))
    }

    fn pick(
        &self,
        server_name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let groups = self.groups(server_name);
        let usable = |pair: &&Arc<Pair>| pair.certified.key.choose_scheme(schemes).is_some();
        let mut pairs = groups.iter().copied().flatten();
        // One that the client cannot verify makes rustls say so.
        let pair = pairs.find(usable).or_else(|| groups.iter().copied().flatten().next())?;
        Some(Arc::clone(&pair.certified))
    }

    /// The groups for a name, the best first.
    fn groups(&self, server_name: Option<&str>) -> Vec<&Group> {
        let mut groups = Vec::with_capacity(2);
        if let Some(name) = server_name.map(str::to_ascii_lowercase) {
            groups.extend(self.exact.get(&name));
            let rest = name.split_once('.').map(|(_, rest)| rest);
            groups.extend(rest.and_then(|rest| self.wildcard.get(rest)));
        }
        if groups.is_empty() && !self.strict {
            groups.push(&self.first);
        }
        groups
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pick(hello.server_name(), hello.signature_schemes())
    }
}

/// What a signature costs the server: with RSA some ten times as much as with ECDSA.
fn rank(pair: &Pair) -> u8 {
    match pair.certified.key.algorithm() {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::ED25519 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::self_signed;
    use super::*;

    fn pairs(names: &[&[&str]]) -> Vec<Arc<Pair>> {
        let pair = |names: &&[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            Arc::new(self_signed(&names).unwrap())
        };
        names.iter().map(pair).collect()
    }

    /// The indices of the pairs for a name, group by group.
    fn indices(names: &[&[&str]], strict: bool, server_name: Option<&str>) -> Vec<Vec<usize>> {
        let pairs = pairs(names);
        let choice = Choice::new(&pairs, strict);
        let index = |one| pairs.iter().position(|pair| Arc::ptr_eq(pair, one)).unwrap();
        let groups = choice.groups(server_name).into_iter();
        groups.map(|group| group.iter().map(index).collect()).collect()
    }

    #[test]
    fn groups_are_found_by_name_the_best_first() {
        let pairs: [&[&str]; 5] = [
            &["first.example"],
            &["*.a.example"],
            &["b.a.example", "FIRST.example"],
            &["b.a.example", "*.a.example"],
            &["192.0.2.1"],
        ];
        let first = vec![vec![0, 2]];
        for (name, expected) in [
            ("first.example", first.clone()),
            ("b.a.example", vec![vec![2, 3], vec![1, 3]]),
            // rustls' own client sends names in lower case; others need not.
            ("B.A.Example", vec![vec![2, 3], vec![1, 3]]),
            ("c.a.example", vec![vec![1, 3]]),
            ("a.example", first.clone()),
            ("d.c.a.example", first.clone()),
            ("*.a.example", vec![vec![1, 3]]),
            ("192.0.2.1", first.clone()),
            ("", first.clone()),
        ] {
            assert_eq!(indices(&pairs, false, Some(name)), expected, "{name}");
        }
        assert_eq!(indices(&pairs, false, None), first);
        assert_eq!(indices(&pairs, true, Some("c.a.example")), [vec![1, 3]]);
        for name in [None, Some(""), Some("a.example"), Some("192.0.2.1")] {
            assert!(indices(&pairs, true, name).is_empty(), "{name:?}");
        }
    }

    #[test]
    fn a_wildcard_behind_an_exact_name_covers_nothing_more() {
        let pairs = pairs(&[&["a.example"], &["*.example", "b.test"]]);
        let choice = Choice::new(&pairs, true);
        assert!(choice.covers(Some("a.example"), "a.example"));
        for host in ["c.example", "b.test"] {
            assert!(!choice.covers(Some("a.example"), host), "{host}");
            assert!(choice.covers(Some("c.example"), host), "{host}");
        }
    }
}
