//! One case of the table, and how its expectation is written.
//!
//! What the upstream gets is written out, with these words for what wssgate adds:
//!
//! - `{own}`: the X-Forwarded headers with Host `example.com`; `{own NAME}` with another, `{own}` of a
//!   request without Host is `{own -}`;
//! - `{ip}`, `{port}`: the client's address, the listener's port;
//! - `{close}`, `{upgrade}`: what ends a plain and a WebSocket head.

use wssgate::http::forwarded::Facts;

use crate::support::own_headers;

/// What the proxy is told before it gets the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// Nothing.
    Ordinary,
    /// `--forwarded`.
    Forwarded,
    /// The client is a trusted proxy.
    Trusted,
    /// Both.
    TrustedForwarded,
    /// Another network is trusted.
    OthersTrusted,
    /// The client comes over IPv6, and `--forwarded`.
    Ipv6,
    /// The client comes over IPv6, is trusted, and `--forwarded`.
    Ipv6Trusted,
    /// `--max-head-size` of [`SMALL`].
    Small,
}

/// The limit of [`Setting::Small`].
pub(super) const SMALL: usize = 256;

impl Setting {
    pub(super) fn limit(self) -> usize {
        if self == Self::Small { SMALL } else { 64 * 1024 }
    }

    pub(super) fn is_ipv6(self) -> bool {
        matches!(self, Self::Ipv6 | Self::Ipv6Trusted)
    }

    /// What is known of a client of a listener at this port.
    pub(super) fn facts(self, port: u16) -> Facts<'static> {
        let ip = if self.is_ipv6() { "::1" } else { "127.0.0.1" };
        Facts {
            ip: Some(ip.parse().unwrap()),
            port: Some(port),
            trusted: matches!(self, Self::Trusted | Self::TrustedForwarded | Self::Ipv6Trusted),
            forwarded: self.is_ipv6() || matches!(self, Self::Forwarded | Self::TrustedForwarded),
            client_cert: None,
        }
    }
}

/// What becomes of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is answered with this status and goes nowhere.
    Refused(u16),
    /// The upstream gets this.
    Sent(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) setting: Setting,
    pub(super) input: Vec<u8>,
    verdict: Verdict,
}

/// A head that is answered with `status`.
pub(super) fn refused(name: &'static str, status: u16, input: impl Into<Vec<u8>>) -> Case {
    Case {
        name,
        setting: Setting::Ordinary,
        input: input.into(),
        verdict: Verdict::Refused(status),
    }
}

/// A head of which the upstream gets `expected`.
pub(super) fn sent(
    name: &'static str,
    input: impl Into<Vec<u8>>,
    expected: impl Into<Vec<u8>>,
) -> Case {
    let verdict = Verdict::Sent(expected.into());
    Case { name, setting: Setting::Ordinary, input: input.into(), verdict }
}

impl Case {
    pub(super) fn with(mut self, setting: Setting) -> Self {
        self.setting = setting;
        self
    }

    /// The verdict, its words replaced for a listener at this port.
    pub(super) fn verdict(&self, port: u16) -> Verdict {
        match &self.verdict {
            Verdict::Refused(status) => Verdict::Refused(*status),
            Verdict::Sent(template) => Verdict::Sent(self.expand(template, port)),
        }
    }

    fn expand(&self, template: &[u8], port: u16) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = template;
        while let Some(start) = memchr::memchr(b'{', rest) {
            let end = start + memchr::memchr(b'}', &rest[start..]).unwrap();
            out.extend_from_slice(&rest[..start]);
            let word = std::str::from_utf8(&rest[start + 1..end]).unwrap();
            out.extend_from_slice(self.word(word, port).as_bytes());
            rest = &rest[end + 1..];
        }
        out.extend_from_slice(rest);
        out
    }

    fn word(&self, word: &str, port: u16) -> String {
        let ip = self.setting.facts(port).ip.unwrap();
        match word {
            "ip" => ip.to_string(),
            "port" => port.to_string(),
            "close" => "Connection: close\r\n\r\n".to_owned(),
            "upgrade" => "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_owned(),
            "own" => own_headers(&ip.to_string(), Some("example.com"), port),
            "own -" => own_headers(&ip.to_string(), None, port),
            word => match word.strip_prefix("own ") {
                Some(host) => own_headers(&ip.to_string(), Some(host), port),
                None => panic!("{}: what is {{{word}}}?", self.name),
            },
        }
    }
}
