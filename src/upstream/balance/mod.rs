//! In which order the members of an upstream are tried. Nothing is connected to here.
//!
//! Every member comes once, the best first: those that are up, and of these the backups last; then those
//! that carry as many as they may; then those that are down, as nothing is left to lose. Among equals the
//! [`Balance`] decides. An [`Order`] works out the next member only when it is asked for it, in one or two
//! passes over all of them: a request whose first candidate accepts sorts nothing.

mod order;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use tokio::time::Instant;

pub use order::Order;

use super::member::Member;
use crate::config::Balance;

/// Chooses among the members of one list. It remembers by their positions whose turn it is: with another
/// list the turns begin somewhere, and no harm is done.
#[derive(Debug)]
pub struct Balancer {
    balance: Balance,
    /// By how much each member is behind (or, below zero, ahead of) what its weight entitles it to.
    credits: Mutex<Vec<f64>>,
}

/// A member that may be chosen now.
#[derive(Clone, Copy, Debug)]
struct Candidate<'a> {
    index: usize,
    member: &'a Member,
    /// The effective weight of this moment; above zero.
    weight: f64,
}

impl Balancer {
    /// A balancer that has chosen nobody yet.
    pub fn new(balance: Balance) -> Self {
        Self { balance, credits: Mutex::default() }
    }

    /// The members in the order in which a request of `client` tries them. One without an address is
    /// balanced in turn where its address would count.
    ///
    /// A member that comes out of the iterator is to be tried: its turn is over, and so is the trial of
    /// one that was out. To be asked for more only when that member failed or has no
    /// [lease](Member::lease) to give.
    pub fn order<'a>(
        &'a self,
        members: &'a [Arc<Member>],
        client: Option<IpAddr>,
        now: Instant,
    ) -> Order<'a> {
        let client = client.filter(|_| self.balance == Balance::SourceHash).map(hash_ip);
        Order::new(self, members, client, now)
    }

    /// The index of the best of these, all equally fit. None when there is none.
    fn choose<'a, I>(&self, candidates: I, client: Option<u64>) -> Option<usize>
    where
        I: Iterator<Item = Candidate<'a>> + Clone,
    {
        match (self.balance, client) {
            (Balance::RoundRobin, _) | (Balance::SourceHash, None) => self.take_turn(candidates),
            (Balance::LeastConnections, _) => self.choose_least(candidates),
            (Balance::RandomTwo, _) => choose_of_two(candidates),
            (Balance::SourceHash, Some(client)) => {
                let distances = candidates.map(|one| (one.distance(client), one.index));
                distances.min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, index)| index)
            }
        }
    }

    /// Smooth weighted round robin, as in nginx: all gain their weight, who has most pays for all. Exact in
    /// every run of as many turns as the weights' sum, and the turns of the heavy are spread among those
    /// of the light.
    fn take_turn<'a>(&self, candidates: impl Iterator<Item = Candidate<'a>>) -> Option<usize> {
        let mut credits = self.credits.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = 0.0;
        let mut best: Option<(usize, f64)> = None;
        for Candidate { index, weight, .. } in candidates {
            if credits.len() <= index {
                credits.resize(index + 1, 0.0);
            }
            credits[index] += weight;
            total += weight;
            if best.is_none_or(|(_, most)| credits[index] > most) {
                best = Some((index, credits[index]));
            }
        }
        let (index, _) = best?;
        credits[index] -= total;
        Some(index)
    }

    /// Of those with the least load the one whose turn it is.
    fn choose_least<'a, I>(&self, candidates: I) -> Option<usize>
    where
        I: Iterator<Item = Candidate<'a>> + Clone,
    {
        let loads = candidates.clone().map(|one| (one.load(), one.index));
        let (least, index) = loads.min_by(|one, other| one.0.total_cmp(&other.0))?;
        // All may have got more to carry since.
        self.take_turn(candidates.filter(|one| one.load() <= least)).or(Some(index))
    }
}

impl Candidate<'_> {
    /// What it carries for its weight.
    fn load(&self) -> f64 {
        self.member.live() as f64 / self.weight
    }

    /// How far it is from a client, by rendezvous hashing with weights: -ln(u) / weight, where u is drawn
    /// from both their hashes, is least for a member as often as its weight says. One member's coming,
    /// going or changing weight moves clients to it or from it, and no others.
    fn distance(&self, client: u64) -> f64 {
        let bits = mix(client ^ self.member.hash());
        // The upper 53 bits, between the ends of (0, 1).
        let drawn = ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -drawn.ln() / self.weight
    }
}

/// Two drawn by lot and weight; the one with less load, or else the first.
fn choose_of_two<'a, I>(candidates: I) -> Option<usize>
where
    I: Iterator<Item = Candidate<'a>> + Clone,
{
    let first = draw(candidates.clone())?;
    let others = candidates.filter(|one| one.index != first.index);
    match draw(others) {
        Some(second) if second.load() < first.load() => Some(second.index),
        _ => Some(first.index),
    }
}

/// One drawn by lot and weight.
fn draw<'a, I>(candidates: I) -> Option<Candidate<'a>>
where
    I: Iterator<Item = Candidate<'a>> + Clone,
{
    let total: f64 = candidates.clone().map(|one| one.weight).sum();
    let mut left = fastrand::f64() * total;
    let mut last = None;
    for one in candidates {
        if left < one.weight {
            return Some(one);
        }
        left -= one.weight;
        last = Some(one);
    }
    // Rounding, or one came back since the sum was made.
    last
}

fn hash_ip(ip: IpAddr) -> u64 {
    // A listener for both families sees IPv4 as a part of IPv6.
    match ip.to_canonical() {
        IpAddr::V4(ip) => hash(&ip.octets()),
        IpAddr::V6(ip) => hash(&ip.octets()),
    }
}

/// The first eight bytes of SHA-256, big-endian: the same in all versions and on all machines, so that
/// replicas and later versions send a client to the same member. The standard library's hash promises
/// none of this. No key would help: who may choose his address can try whither it leads.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let digest = digest(&SHA256, bytes);
    digest.as_ref()[..8].iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// The finalizer of SplitMix64: every bit of the result depends on every bit of what goes in.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
