//! By the client's address.

use super::*;

#[test]
fn source_hash_spreads_clients_by_weight() {
    let case = Case::weighted(Balance::SourceHash, [1, 1, 1, 1]);
    assert_near(&case.share::<4>(20_000), &[5000; 4], 5);
    let case = Case::weighted(Balance::SourceHash, [5, 2, 1]);
    assert_near(&case.share::<3>(20_000), &[12_500, 5000, 2500], 5);
}

#[test]
fn source_hash_moves_the_clients_of_the_member_that_goes_and_no_others() {
    let all = Case::weighted(Balance::SourceHash, [1, 2, 3, 4, 5]);
    let mut fewer = Case::weighted(Balance::SourceHash, [1, 2, 3, 4, 5]);
    fewer.members.remove(3);
    let down = Case::weighted(Balance::SourceHash, [1, 2, 3, 4, 5]);
    down.fail(3);
    for n in 0..5000 {
        let order = all.order(Some(client(n)));
        let expected = order.iter().copied().find(|index| *index != 3).unwrap();
        assert_eq!(down.first(Some(client(n))), expected, "and by their own second choice");
        assert_eq!(fewer.first(Some(client(n))), expected - usize::from(expected > 3));
    }
}

#[test]
fn source_hash_is_the_same_everywhere_and_always() {
    let case = Case::weighted(Balance::SourceHash, [1, 1, 2]);
    for (address, order) in KNOWN {
        assert_eq!(case.order(Some(address.parse().unwrap())), order, "{address}");
    }
}

#[test]
fn hashes_are_those_of_sha_256() {
    // printf 10.0.0.1:8080 | sha256sum
    assert_eq!(hash(b"10.0.0.1:8080"), 0x120e_9814_c44c_7e73);
    let hash_of = |text: &str| hash_ip(text.parse().unwrap());
    assert_eq!(hash_of("192.0.2.1"), hash(&[192, 0, 2, 1]));
    assert_eq!(hash_of("::ffff:192.0.2.1"), hash_of("192.0.2.1"));
    assert_ne!(hash_of("2001:db8::1"), hash_of("2001:db8::2"));
}

#[test]
fn source_hash_takes_turns_without_an_address() {
    let case = Case::weighted(Balance::SourceHash, [1, 1, 1]);
    let firsts: Vec<usize> = (0..4).map(|_| case.first(None)).collect();
    assert_eq!(firsts, [0, 1, 2, 0]);
}

/// Clients, and in which order they try three members, the last of them with twice the weight. Whoever
/// has to change these moves every client of every user.
const KNOWN: [(&str, [usize; 3]); 6] = [
    ("192.0.2.1", [1, 2, 0]),
    ("192.0.2.2", [1, 2, 0]),
    ("198.51.100.77", [2, 0, 1]),
    ("::ffff:198.51.100.77", [2, 0, 1]),
    ("2001:db8::1", [0, 1, 2]),
    ("2001:db8::2", [2, 0, 1]),
];
