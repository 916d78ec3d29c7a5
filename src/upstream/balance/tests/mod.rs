//! How requests and tunnels spread, by each way of balancing, and in which order members are tried.

mod hash;
mod standing;

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::{Balance, Balancer, Instant, IpAddr, Member, hash, hash_ip};
use crate::upstream::health::{self, Outcome, Standing};
use crate::upstream::member::{Lease, Settings};

/// Members, and what chooses among them.
struct Case {
    balancer: Balancer,
    members: Vec<Arc<Member>>,
    now: Instant,
}

impl Case {
    fn new(balance: Balance, settings: impl IntoIterator<Item = Settings>) -> Self {
        // What is drawn is drawn in this thread, which is this test's.
        fastrand::seed(7);
        let members = (0_u8..).zip(settings).map(|(n, settings)| member(n, settings)).collect();
        Self { balancer: Balancer::new(balance), members, now: Instant::now() }
    }

    fn weighted<const N: usize>(balance: Balance, weights: [u16; N]) -> Self {
        Self::new(balance, weights.map(weight))
    }

    /// The members in the order in which they are tried, by their indexes.
    fn order(&self, client: Option<IpAddr>) -> Vec<usize> {
        let order = self.balancer.order(&self.members, client, self.now);
        order.map(|member| self.index(member)).collect()
    }

    fn first(&self, client: Option<IpAddr>) -> usize {
        self.index(self.balancer.order(&self.members, client, self.now).next().unwrap())
    }

    fn index(&self, member: &Arc<Member>) -> usize {
        self.members.iter().position(|one| Arc::ptr_eq(one, member)).unwrap()
    }

    fn open(&self) -> Lease {
        self.balancer.order(&self.members, None, self.now).find_map(Member::lease).unwrap()
    }

    fn fail(&self, index: usize) {
        self.members[index].report(Outcome::Failure, self.now);
    }

    /// How many of so many requests, each of another client, each member is the first to get.
    fn share<const N: usize>(&self, requests: u32) -> [u32; N] {
        let mut share = [0; N];
        for n in 0..requests {
            share[self.first(Some(client(n)))] += 1;
        }
        share
    }

    fn live(&self) -> Vec<usize> {
        self.members.iter().map(|member| member.live()).collect()
    }
}

fn member(n: u8, settings: Settings) -> Arc<Member> {
    Arc::new(Member::new(format!("10.0.0.{n}:8080").parse().unwrap(), settings))
}

fn weight(weight: u16) -> Settings {
    Settings { weight: NonZeroU16::new(weight).unwrap(), ..Settings::default() }
}

fn backup() -> Settings {
    Settings { backup: true, ..Settings::default() }
}

fn slow() -> Settings {
    let slow_start = Duration::from_secs(100);
    let health = health::Settings { slow_start, ..health::Settings::default() };
    Settings { health, ..Settings::default() }
}

fn client(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a01_0000 + n).into()
}

/// Whether each count is within this many percent of what was expected.
fn assert_near(counts: &[u32], expected: &[u32], percent: u32) {
    let is_near =
        |(count, expected): (&u32, &u32)| count.abs_diff(*expected) * 100 <= expected * percent;
    assert!(counts.iter().zip(expected).all(is_near), "{counts:?}, expected {expected:?}");
}

#[test]
fn round_robin_takes_turns() {
    let case = Case::weighted(Balance::RoundRobin, [1, 1, 1]);
    let firsts: Vec<usize> = (0..6).map(|_| case.first(None)).collect();
    assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn round_robin_is_exact_and_spreads_the_turns_of_the_heavy() {
    let case = Case::weighted(Balance::RoundRobin, [5, 1, 1]);
    let firsts: Vec<usize> = (0..14).map(|_| case.first(None)).collect();
    // The example of nginx's own commit.
    assert_eq!(firsts, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(case.share(7 * 1000), [5000, 1000, 1000]);
}

#[test]
fn the_turns_of_a_member_that_fails_are_shared_by_all_others() {
    let case = Case::weighted(Balance::RoundRobin, [1, 1, 1]);
    let mut served = [0; 3];
    for _ in 0..300 {
        let mut order = case.balancer.order(&case.members, None, case.now);
        served[order.by_ref().map(|one| case.index(one)).find(|index| *index != 1).unwrap()] += 1;
    }
    assert_eq!(served, [150, 0, 150]);
}

#[test]
fn threads_get_exact_shares_too() {
    let case = Case::weighted(Balance::RoundRobin, [3, 2, 1]);
    let shares: Vec<[u32; 3]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| case.share(200))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |index: usize| -> u32 { shares.iter().map(|share| share[index]).sum() };
    assert_eq!([sum(0), sum(1), sum(2)], [300, 200, 100]);
}

#[test]
fn least_connections_levels_what_is_held() {
    let case = Case::weighted(Balance::LeastConnections, [1, 1, 1, 1]);
    // One has got ahead.
    let ahead: Vec<Lease> = (0..10).map(|_| case.members[2].lease().unwrap()).collect();
    let mut leases: Vec<Lease> = (0..30).map(|_| case.open()).collect();
    assert_eq!(case.live(), [10, 10, 10, 10]);
    drop(ahead);
    assert_eq!(case.live(), [10, 10, 0, 10]);
    leases.extend((0..14).map(|_| case.open()));
    assert_eq!(case.live(), [11, 11, 11, 11]);
}

#[test]
fn least_connections_holds_to_weights() {
    let case = Case::weighted(Balance::LeastConnections, [5, 2, 1]);
    let _leases: Vec<Lease> = (0..800).map(|_| case.open()).collect();
    assert_eq!(case.live(), [500, 200, 100]);
}

#[test]
fn least_connections_takes_turns_where_all_carry_the_same() {
    let case = Case::weighted(Balance::LeastConnections, [1, 1, 1, 1]);
    assert_eq!(case.share(400), [100, 100, 100, 100]);
    // And where only some do, who do not stand side by side.
    let _busy = case.members[1].lease().unwrap();
    assert_eq!(case.share(300), [100, 0, 100, 100]);
    let case = Case::weighted(Balance::LeastConnections, [3, 1]);
    assert_eq!(case.share(400), [300, 100]);
}

#[test]
fn random_two_draws_by_weight() {
    let case = Case::weighted(Balance::RandomTwo, [1, 1, 1, 1]);
    assert_near(&case.share::<4>(8000), &[2000; 4], 10);
    let case = Case::weighted(Balance::RandomTwo, [4, 2, 1, 1]);
    assert_near(&case.share::<4>(8000), &[4000, 2000, 1000, 1000], 15);
}

#[test]
fn random_two_takes_the_less_busy() {
    let case = Case::weighted(Balance::RandomTwo, [1, 1, 1]);
    let _leases = [case.members[0].lease(), case.members[0].lease(), case.members[1].lease()];
    // The busiest of all is the less busy of no pair.
    assert_near(&case.share::<3>(6000), &[0, 2000, 4000], 10);
    let case = Case::weighted(Balance::RandomTwo, [1, 1, 1, 1, 2, 2, 2]);
    let _leases: Vec<Lease> = (0..1000).map(|_| case.open()).collect();
    let live: Vec<u32> = case.live().iter().map(|live| u32::try_from(*live).unwrap()).collect();
    assert_near(&live, &[100, 100, 100, 100, 200, 200, 200], 5);
}

#[test]
fn orders_stay_whole_while_members_come_and_go() {
    for balance in Balance::ALL {
        let case = Case::weighted(balance, [1, 2, 3, 1, 2, 3]);
        std::thread::scope(|scope| {
            let walkers = [(); 2].map(|()| {
                scope.spawn(|| {
                    for n in 0..300 {
                        let order = case.order(Some(client(n)));
                        assert_eq!(HashSet::<usize>::from_iter(order.iter().copied()).len(), 6);
                        assert_eq!(order.len(), 6);
                    }
                })
            });
            while !walkers.iter().all(|walker| walker.is_finished()) {
                for member in &case.members {
                    let _lease = member.lease();
                    member.report(Outcome::Failure, case.now);
                    member.report(Outcome::Success, case.now);
                }
            }
        });
        let out: Vec<_> = case.members.iter().filter(|one| !one.is_up(case.now)).collect();
        assert!(out.is_empty(), "{out:?}");
    }
}

#[test]
fn an_empty_list_has_no_order() {
    for balance in Balance::ALL {
        assert!(Case::new(balance, []).order(Some(client(1))).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_member_comes_once_and_the_better_ones_first(
        members in vec((1..5_u16, any::<bool>(), 0..4_u8, any::<bool>()), 0..150),
        balance in select(&Balance::ALL),
        has_address in any::<bool>(),
    ) {
        let settings = members.iter().map(|(weight, backup, _, full)| Settings {
            weight: NonZeroU16::new(*weight).unwrap(),
            backup: *backup,
            max_connections: full.then_some(0),
            ..slow()
        });
        let mut case = Case::new(balance, settings);
        let start = case.now;
        case.now += Duration::from_secs(20);
        for (member, (_, _, state, _)) in case.members.iter().zip(&members) {
            match state {
                0 => {}
                // Down, waiting for a trial, starting slowly.
                1 => drop(member.set_checked(false, start)),
                2 => drop(member.report(Outcome::Failure, start)),
                _ => {
                    member.set_checked(false, start);
                    member.set_checked(true, start);
                }
            }
        }
        let order = case.order(has_address.then(|| client(1)));
        let ranks: Vec<_> = order
            .iter()
            .map(|index| (members[*index].2 == 1, members[*index].3, members[*index].1))
            .collect();
        prop_assert!(ranks.is_sorted(), "{:?}", ranks);
        prop_assert_eq!(order.iter().collect::<HashSet<_>>().len(), members.len());
        prop_assert_eq!(order.len(), members.len());
    }
}
