//! What happens to one connection, drawn by lot from a seed: with the same seed the same is drawn.

use std::time::Duration;

use fastrand::Rng;

/// What ends a direction, or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The connection to the gate is reset.
    Reset,
    /// It is closed, both ways at once.
    Close,
    /// This direction ends, the other one goes on.
    HalfClose,
    /// Nothing more is taken or passed on, and nobody says so.
    Stall,
    /// One bit is another; only where TLS must see it.
    Corrupt,
}

/// One direction through a relay.
#[derive(Clone, Debug, Default)]
pub(super) struct Direction {
    /// The most that is passed on at once, at the begin; none: as it comes.
    pub(super) piece: Option<usize>,
    /// Before which byte it waits, and for how long.
    pub(super) delay: Option<(u64, Duration)>,
    /// Before which byte it goes wrong, and how.
    pub(super) fault: Option<(u64, Fault)>,
}

/// One relay: between client and gate, or between gate and upstream.
#[derive(Clone, Debug, Default)]
pub(super) struct Leg {
    pub(super) to_upstream: Direction,
    pub(super) to_client: Direction,
    /// For how long a stalled direction stalls.
    pub(super) stall: Duration,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A tunnel, with bytes both ways at once.
    Tunnel,
    /// A plain request with a body, and its answer.
    Post,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) is_tls_1_2: bool,
    /// Whether a session that was remembered may be resumed.
    pub(super) resumes: bool,
    /// How much the client sends, and the upstream.
    pub(super) to_upstream_bytes: u64,
    pub(super) to_client_bytes: u64,
    /// After how many bytes the client goes away without a word.
    pub(super) client_leaves_after: Option<u64>,
    pub(super) client_leg: Leg,
    pub(super) upstream_leg: Leg,
}

impl Plan {
    pub(super) fn draw(seed: u64, number: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let kind = if rng.u8(..5) == 0 { Kind::Post } else { Kind::Tunnel };
        // More than the kernel's buffers hold, now and then: only then somebody has to wait.
        let most = if rng.u8(..200) == 0 { 6_000_000.0 } else { 60_000.0 };
        let mut plan = Self {
            number,
            kind,
            is_tls_1_2: rng.u8(..4) == 0,
            resumes: rng.bool(),
            to_upstream_bytes: up_to(&mut rng, most),
            to_client_bytes: up_to(&mut rng, most),
            client_leaves_after: None,
            client_leg: Leg::draw(&mut rng),
            upstream_leg: Leg::draw(&mut rng),
        };
        match rng.u8(..10) {
            0..=3 => {}
            4 => plan.client_leaves_after = Some(rng.u64(..=plan.to_upstream_bytes)),
            _ => plan.go_wrong(&mut rng),
        }
        plan
    }

    fn go_wrong(&mut self, rng: &mut Rng) {
        let is_clients = rng.bool();
        let leg = if is_clients { &mut self.client_leg } else { &mut self.upstream_leg };
        let direction = if rng.bool() { &mut leg.to_upstream } else { &mut leg.to_client };
        let fault = match rng.u8(..if is_clients { 10 } else { 8 }) {
            0..=2 => Fault::Reset,
            3 | 4 => Fault::Close,
            5 | 6 => Fault::HalfClose,
            7 => Fault::Stall,
            _ => Fault::Corrupt,
        };
        direction.fault = Some((somewhere(rng), fault));
    }

    /// The same with stalls of this length.
    pub(super) fn stalling(mut self, stall: Duration) -> Self {
        self.client_leg.stall = stall;
        self.upstream_leg.stall = stall;
        self
    }

    /// Whether all that is sent has to arrive.
    pub(super) fn is_calm(&self) -> bool {
        let legs = [&self.client_leg, &self.upstream_leg];
        let directions = legs.into_iter().flat_map(|leg| [&leg.to_upstream, &leg.to_client]);
        self.client_leaves_after.is_none() && directions.into_iter().all(|one| one.fault.is_none())
    }
}

impl Leg {
    fn draw(rng: &mut Rng) -> Self {
        let (to_upstream, to_client) = (Direction::draw(rng), Direction::draw(rng));
        Self { to_upstream, to_client, stall: Duration::ZERO }
    }
}

impl Direction {
    fn draw(rng: &mut Rng) -> Self {
        let piece = match rng.u8(..8) {
            0 => Some(rng.usize(1..8)),
            1 | 2 => Some(rng.usize(8..600)),
            _ => None,
        };
        let delay = (rng.u8(..4) == 0).then(|| {
            let milliseconds = rng.u64(1..150);
            (somewhere(rng), Duration::from_millis(milliseconds))
        });
        Self { piece, delay, fault: None }
    }
}

/// At any stage: before the first byte, in the handshake or the head, in what follows.
fn somewhere(rng: &mut Rng) -> u64 {
    match rng.u8(..8) {
        0 => 0,
        1..=4 => rng.u64(1..3_000),
        _ => up_to(rng, 60_000.0),
    }
}

/// As often small as large.
fn up_to(rng: &mut Rng, most: f64) -> u64 {
    most.powf(rng.f64()) as u64
}
