//! The operations whose instructions are counted.

use clap::ValueEnum;

/// Something that is done for each connection or for each message.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Operation {
    /// A browser's request head: found, parsed, judged, rewritten.
    Head,
    /// The upstream's 101: found, parsed, its accept value compared, rewritten.
    GateOpened,
    /// The same with a wrong accept value.
    GateRefused,
    /// One message of 125 bytes through the program, and its echo.
    Echo,
    /// One message of 64 KiB from the upstream to the client.
    BlockToClient,
    /// One message of 64 KiB from the client to the upstream.
    BlockToUpstream,
    /// One connection from accept to close, full handshake.
    Full,
    /// The same with a resumed session.
    Resumed,
}

impl Operation {
    pub(crate) const ALL: [Self; 8] = [
        Self::Head,
        Self::GateOpened,
        Self::GateRefused,
        Self::Echo,
        Self::BlockToClient,
        Self::BlockToUpstream,
        Self::Full,
        Self::Resumed,
    ];

    /// What it is, in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Head => "a browser's request head: parsed, judged, rewritten",
            Self::GateOpened => "the gate: a 101 accepted and rewritten",
            Self::GateRefused => "the gate: a 101 with a wrong accept value refused",
            Self::Echo => "one echoed message of 125 bytes, through TLS",
            Self::BlockToClient => "one message of 64 KiB to the client, through TLS",
            Self::BlockToUpstream => "one message of 64 KiB to the upstream, through TLS",
            Self::Full => "one connection up to the 101 and its end, full handshake",
            Self::Resumed => "one connection up to the 101 and its end, resumed",
        }
    }

    /// Its name in the JSON file and for the process that is counted.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::GateOpened => "gate-opened",
            Self::GateRefused => "gate-refused",
            Self::Echo => "echo",
            Self::BlockToClient => "block-to-client",
            Self::BlockToUpstream => "block-to-upstream",
            Self::Full => "full",
            Self::Resumed => "resumed",
        }
    }

    /// Whether it is the built program that is counted, as a server; otherwise a loop around the crate's functions.
    pub(crate) fn is_served(self) -> bool {
        !matches!(self, Self::Head | Self::GateOpened | Self::GateRefused)
    }

    /// How often it is done in the two processes that are compared.
    pub(crate) fn repetitions(self) -> (usize, usize) {
        match self {
            Self::Head | Self::GateOpened | Self::GateRefused => (1_000, 3_000),
            Self::Echo => (500, 2_500),
            Self::BlockToClient | Self::BlockToUpstream => (100, 500),
            Self::Full | Self::Resumed => (20, 120),
        }
    }
}
