//! How requests are spread over an upstream's members, and TLS to them.

use std::fmt;
use std::path::PathBuf;

use super::Files;

/// TLS to those upstreams that speak it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The PEM file of the authorities that alone are believed; none: the system's.
    pub ca: Option<PathBuf>,
    /// What is shown to upstreams that ask for a certificate.
    pub certificate: Option<Files>,
    /// Whether any certificate is believed.
    pub insecure: bool,
}

/// Which member is tried first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn, as often as its weight says.
    #[default]
    RoundRobin,
    /// The one with the fewest tunnels and requests for its weight.
    LeastConnections,
    /// The less busy of two that are drawn by lot.
    RandomTwo,
    /// The one that the client's address stands for, as long as it is up.
    SourceHash,
}

impl Balance {
    /// All there are.
    pub const ALL: [Self; 4] =
        [Self::RoundRobin, Self::LeastConnections, Self::RandomTwo, Self::SourceHash];

    /// As [`parse_balance`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::RandomTwo => "random-two",
            Self::SourceHash => "source-hash",
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads a way of balancing by its name: `round-robin`.
pub fn parse_balance(text: &str) -> anyhow::Result<Balance> {
    let known = Balance::ALL.into_iter().find(|balance| balance.name() == text);
    known.ok_or_else(|| {
        let names = Balance::ALL.map(Balance::name).join(", ");
        anyhow::anyhow!("{text:?} is not a way of balancing; those are {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_balancing_read_as_they_print() {
        for balance in Balance::ALL {
            assert_eq!(parse_balance(&balance.to_string()).unwrap(), balance);
        }
        let error = parse_balance("fastest").unwrap_err().to_string();
        assert!(error.contains("\"fastest\"") && error.contains("random-two"), "{error}");
    }
}
