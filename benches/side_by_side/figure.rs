//! The rows of the report: what each figure is called, in which unit, and of which programs it is taken. Measures
//! nothing.

use crate::peers::Program;
use crate::plan::Plan;

/// One row of the report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Figure {
    /// CPU of one small message there and back.
    Echo,
    /// How long the slowest of a hundred small messages takes.
    EchoP99,
    /// The same with the program on a core of its own, and the load generator on another.
    ApartP99,
    /// CPU of one small message at a given rate.
    Paced,
    /// How long the slowest of a hundred small messages takes at that rate.
    PacedP99,
    /// CPU of one small message while few tunnels are open.
    FewTunnels,
    /// The same while many are.
    ManyTunnels,
    /// The same while many are, of which only few are used.
    FewOfMany,
    /// CPU of bulk data from the upstream.
    ToClient,
    /// CPU of bulk data from the client.
    ToUpstream,
    /// CPU of a connection with a full handshake, X25519.
    Full,
    /// The same with P-256.
    FullP256,
    /// The same with X25519MLKEM768.
    FullHybrid,
    /// CPU of a connection that resumes a session.
    Resumed,
    /// Memory of an idle tunnel that has echoed one small message.
    IdleSmall,
    /// Memory of an idle tunnel that has echoed one large message.
    IdleLarge,
    /// Memory before the first tunnel.
    Start,
    /// Memory after the tunnels of `IdleSmall` have closed, as ratio to that before the first.
    KeptSmall,
    /// Memory after the tunnels of `IdleLarge` have closed.
    KeptLarge,
    /// How long `--version` takes.
    Version,
    /// From the program's start until it can be connected to.
    Listening,
    /// The program's file, without symbols.
    Size,
}

impl Figure {
    pub(crate) const ALL: [Self; 22] = [
        Self::Echo,
        Self::EchoP99,
        Self::ApartP99,
        Self::Paced,
        Self::PacedP99,
        Self::FewTunnels,
        Self::ManyTunnels,
        Self::FewOfMany,
        Self::ToClient,
        Self::ToUpstream,
        Self::Full,
        Self::FullP256,
        Self::FullHybrid,
        Self::Resumed,
        Self::IdleSmall,
        Self::IdleLarge,
        Self::Start,
        Self::KeptSmall,
        Self::KeptLarge,
        Self::Version,
        Self::Listening,
        Self::Size,
    ];

    /// Its place in `ALL`.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Its name in the JSON file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Echo => "echo_cpu",
            Self::EchoP99 => "echo_p99",
            Self::ApartP99 => "echo_p99_core_of_its_own",
            Self::Paced => "paced_echo_cpu",
            Self::PacedP99 => "paced_echo_p99",
            Self::FewTunnels => "echo_cpu_few_tunnels",
            Self::ManyTunnels => "echo_cpu_many_tunnels",
            Self::FewOfMany => "echo_cpu_few_of_many_tunnels",
            Self::ToClient => "to_client_cpu",
            Self::ToUpstream => "to_upstream_cpu",
            Self::Full => "connection_cpu",
            Self::FullP256 => "connection_cpu_p256",
            Self::FullHybrid => "connection_cpu_x25519mlkem768",
            Self::Resumed => "connection_cpu_resumed",
            Self::IdleSmall => "idle_tunnel_memory_small",
            Self::IdleLarge => "idle_tunnel_memory_large",
            Self::Start => "memory_at_start",
            Self::KeptSmall => "memory_kept_small",
            Self::KeptLarge => "memory_kept_large",
            Self::Version => "version_time",
            Self::Listening => "start_time",
            Self::Size => "file_size",
        }
    }

    /// The unit of its values.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Echo | Self::Paced | Self::FewTunnels | Self::ManyTunnels | Self::FewOfMany => {
                "CPU µs"
            }
            Self::EchoP99 | Self::ApartP99 | Self::PacedP99 => "µs",
            Self::ToClient | Self::ToUpstream => "CPU s",
            Self::Full | Self::FullP256 | Self::FullHybrid | Self::Resumed => "CPU ms",
            Self::IdleSmall | Self::IdleLarge => "bytes",
            Self::Start => "MiB",
            Self::KeptSmall | Self::KeptLarge => "x",
            Self::Version | Self::Listening => "ms",
            Self::Size => "MB",
        }
    }

    /// What it is, with its unit.
    pub(crate) fn title(self, plan: &Plan) -> String {
        let Plan { tunnels, few, many, .. } = plan;
        match self {
            Self::Echo => "CPU µs per echo of 125 bytes, 64 tunnels".into(),
            Self::EchoP99 => "wall-clock µs of an echo of 125 bytes, 64 tunnels, p99".into(),
            Self::ApartP99 => {
                "wall-clock µs of an echo of 125 bytes, 64 tunnels, on a core of its own, p99"
                    .into()
            }
            Self::Paced => "CPU µs per echo of 125 bytes, 16,000 a second in 64 tunnels".into(),
            Self::PacedP99 => {
                "wall-clock µs of an echo of 125 bytes, 16,000 a second in 64 tunnels, p99".into()
            }
            Self::FewTunnels => {
                format!("CPU µs per echo of 125 bytes, 64 under way in {few} tunnels")
            }
            Self::ManyTunnels => {
                format!("CPU µs per echo of 125 bytes, 64 under way in {many} tunnels")
            }
            Self::FewOfMany => {
                format!("CPU µs per echo of 125 bytes, 64 under way in {few} of {many} tunnels")
            }
            Self::ToClient => "CPU s per GB to the client".into(),
            Self::ToUpstream => "CPU s per GB to the upstream".into(),
            Self::Full => "CPU ms per new connection, full handshake".into(),
            Self::FullP256 => "CPU ms per new connection, full handshake, P-256".into(),
            Self::FullHybrid => "CPU ms per new connection, full handshake, X25519MLKEM768".into(),
            Self::Resumed => "CPU ms per new connection, resumed".into(),
            Self::IdleSmall => "memory (Pss) bytes per idle tunnel, after 125 bytes".into(),
            Self::IdleLarge => "memory (Pss) bytes per idle tunnel, after 64 KiB".into(),
            Self::Start => "memory (Pss) MiB at the start".into(),
            Self::KeptSmall => {
                format!("memory after {tunnels} tunnels of 125 bytes have closed, to the start")
            }
            Self::KeptLarge => {
                format!("memory after {tunnels} tunnels of 64 KiB have closed, to the start")
            }
            Self::Version => "wall-clock ms of asking for the version".into(),
            Self::Listening => "wall-clock ms from start to listening".into(),
            Self::Size => "MB of the program's file, stripped".into(),
        }
    }

    /// Whether it is taken of this program. The other groups only of ours, as Debian's peers lack X25519MLKEM768; the
    /// size too, as theirs lies in shared libraries.
    pub(crate) fn is_of(self, program: Program) -> bool {
        match self {
            Self::FullP256 | Self::FullHybrid | Self::Size => program == Program::Wssgate,
            Self::Version => program != Program::Floor,
            _ => true,
        }
    }

    /// Whether the chart shows it: what all programs have, and what compares like with like.
    pub(crate) fn is_charted(self) -> bool {
        matches!(
            self,
            Self::Echo
                | Self::EchoP99
                | Self::ManyTunnels
                | Self::ToClient
                | Self::ToUpstream
                | Self::Full
                | Self::Resumed
                | Self::IdleSmall
                | Self::IdleLarge
        )
    }
}
