//! What choosing an upstream costs, in time for one request: which member is tried first, among 1, 10
//! and 1,000 that are up, for each way of balancing.

#![allow(clippy::unwrap_used, reason = "a benchmark of addresses that are in order")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::time::Instant;
use wssgate::config::Balance;
use wssgate::upstream::balance::Balancer;
use wssgate::upstream::member::{Member, Settings};

/// Weights from 1 to 3.
fn members(count: u16) -> Vec<Arc<Member>> {
    let member = |n: u16| {
        let weight = NonZeroU16::new(1 + n % 3).unwrap();
        let address = format!("10.0.{}.{}:8080", n / 256, n % 256).parse().unwrap();
        Arc::new(Member::new(address, Settings { weight, ..Settings::default() }))
    };
    (0..count).map(member).collect()
}

fn first(balancer: &Balancer, members: &[Arc<Member>], client: u32, now: Instant) -> Arc<Member> {
    let client = IpAddr::V4(Ipv4Addr::from_bits(client));
    let first = balancer.order(black_box(members), Some(black_box(client)), now).next();
    Arc::clone(first.unwrap())
}

fn upstreams(criterion: &mut Criterion) {
    let now = Instant::now();
    for balance in Balance::ALL {
        let mut group = criterion.benchmark_group(format!("upstream/{balance}"));
        for count in [1, 10, 1000] {
            let members = members(count);
            // As many tunnels as there are members.
            let choose = Balancer::new(Balance::RandomTwo);
            let open = |n| first(&choose, &members, n, now).lease().unwrap();
            let leases: Vec<_> = (0..u32::from(count)).map(open).collect();
            let balancer = Balancer::new(balance);
            let mut client = 0_u32;
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| {
                    client = client.wrapping_add(1);
                    first(&balancer, &members, client, now)
                });
            });
            drop(leases);
        }
        group.finish();
    }
}

criterion_group!(benches, upstreams);
criterion_main!(benches);
