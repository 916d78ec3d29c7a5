//! The members one after the other, each once: which of them come next at all. Which of these is the
//! next, `mod.rs` says.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Balancer, Candidate};
use crate::upstream::health::Standing;
use crate::upstream::member::Member;

/// Every member once, the best first, each found when it is asked for.
#[derive(Debug)]
pub struct Order<'a> {
    balancer: &'a Balancer,
    members: &'a [Arc<Member>],
    client: Option<u64>,
    now: Instant,
    gone: Indexes,
}

/// What decides before the way of balancing does; the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    down: bool,
    full: bool,
    backup: bool,
}

const BEST: Rank = Rank { down: false, full: false, backup: false };

impl<'a> Order<'a> {
    pub(super) fn new(
        balancer: &'a Balancer,
        members: &'a [Arc<Member>],
        client: Option<u64>,
        now: Instant,
    ) -> Self {
        Self { balancer, members, client, now, gone: Indexes::below(members.len()) }
    }

    /// Who has not come yet, with each one's rank of this moment.
    fn rest(&self) -> impl Iterator<Item = (Rank, Candidate<'a>)> + Clone {
        let waiting = |(index, _): &(usize, _)| !self.gone.contains(*index);
        self.members.iter().enumerate().filter(waiting).map(|(index, member)| {
            let (standing, weight) = member.look(self.now);
            let rank = Rank {
                down: standing == Standing::Down,
                full: member.is_full(),
                backup: member.settings().backup,
            };
            (rank, Candidate { index, member, weight })
        })
    }

    fn best_rank(&self) -> Option<Rank> {
        let mut best = None;
        for (rank, _) in self.rest() {
            if rank == BEST {
                return Some(BEST);
            }
            best = Some(best.map_or(rank, |best: Rank| best.min(rank)));
        }
        best
    }
}

impl<'a> Iterator for Order<'a> {
    type Item = &'a Arc<Member>;

    fn next(&mut self) -> Option<Self::Item> {
        // Once more when another request has changed ranks, or begun the trial, in between.
        loop {
            let best = self.best_rank()?;
            let candidates =
                self.rest().filter(|(rank, _)| *rank == best).map(|(_, candidate)| candidate);
            let Some(index) = self.balancer.choose(candidates, self.client) else { continue };
            let member = &self.members[index];
            if best.down || member.admit(self.now) {
                self.gone.insert(index);
                return Some(member);
            }
        }
    }
}

/// A set of indexes. The first 64 need no allocation.
#[derive(Debug)]
struct Indexes {
    first: u64,
    others: Vec<u64>,
}

impl Indexes {
    fn below(count: usize) -> Self {
        Self { first: 0, others: vec![0; count.saturating_sub(1) / 64] }
    }

    fn contains(&self, index: usize) -> bool {
        let word = if index < 64 { self.first } else { self.others[index / 64 - 1] };
        word >> (index % 64) & 1 == 1
    }

    fn insert(&mut self, index: usize) {
        let word = if index < 64 { &mut self.first } else { &mut self.others[index / 64 - 1] };
        *word |= 1 << (index % 64);
    }
}
