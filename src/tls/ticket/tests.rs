//! Time is a number here: `at(period, seconds)` is so many seconds after a period's begin.

use std::time::Duration;

use proptest::prelude::{any, proptest};

use super::*;

const PLAIN: &[u8] = b"a session";
const NONE: &[u8] = b"";

fn at(period: u64, seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(period * PERIOD + seconds)
}

fn of(byte: u8) -> Vec<u8> {
    vec![byte; MIN_SECRET_BYTES]
}

fn tickets_of(byte: u8) -> Tickets {
    Tickets::shared(&of(byte)).unwrap()
}

fn seal(tickets: &Tickets, now: SystemTime) -> Vec<u8> {
    tickets.seal_at(PLAIN, NONE, now).unwrap()
}

/// Whether it opens; what opens must be what was sealed.
fn opens(tickets: &Tickets, ticket: &[u8], now: SystemTime) -> bool {
    let plain = tickets.open_at(ticket, NONE, now);
    plain.inspect(|plain| assert_eq!(plain, PLAIN)).is_some()
}

#[test]
fn ticket_opens_as_what_was_sealed() {
    let tickets = tickets_of(1);
    for plain in [b"".as_slice(), PLAIN, &[7; 2000]] {
        let ticket = tickets.seal_at(plain, NONE, at(9, 0)).unwrap();
        assert_eq!(ticket.len(), plain.len() + OVERHEAD_BYTES);
        assert_eq!(tickets.open_at(&ticket, NONE, at(9, 1)).unwrap(), plain);
    }
    assert_ne!(seal(&tickets, at(9, 0)), seal(&tickets, at(9, 0)), "each has its own nonce");
}

#[test]
fn replicas_share_tickets_exactly_if_they_share_the_secret() {
    let ticket = seal(&tickets_of(1), at(9, 0));
    assert!(opens(&tickets_of(1), &ticket, at(9, 0)));
    assert!(!opens(&tickets_of(2), &ticket, at(9, 0)));
    let (one, other) = (Tickets::random().unwrap(), Tickets::random().unwrap());
    let ticket = seal(&one, at(9, 0));
    assert!(opens(&one, &ticket, at(9, 0)));
    assert!(!opens(&other, &ticket, at(9, 0)));
}

/// Made apart from this code, by Python's hmac, hashlib and `cryptography`:
///
/// ```python
/// prk = hmac.new(bytes(32), bytes(range(48)), "sha256").digest()
/// info = b"wssgate session ticket\x01" + struct.pack(">Q", 82000)
/// t1 = hmac.new(prk, info + b"\1", "sha256").digest()
/// t2 = hmac.new(prk, t1 + info + b"\2", "sha256").digest()
/// name, key, nonce = t1[:16], t1[16:] + t2[:16], bytes([7] * 12)
/// (name + nonce + AESGCMSIV(key).encrypt(nonce, b"a session", b"context")).hex()
/// ```
#[test]
fn known_answer() {
    let secret: Vec<u8> = (0..48).collect();
    let tickets = Tickets::shared(&secret).unwrap();
    let name = "69c7c94e09a95f05807e29bfe0cec324";
    let sealed = "0707070707070707070707074c3185dc577be0e5c1c3d5e7f4ce6ef0509455ec7c7b42c13a";
    assert_eq!(seal(&tickets, at(82_000, 0))[..16], from_hex(name));
    let ticket = from_hex(&[name, sealed].concat());
    assert_eq!(tickets.open_at(&ticket, b"context", at(82_000, 0)).unwrap(), PLAIN);
}

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |start| u8::from_str_radix(&hex[start..start + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn ticket_opens_until_the_end_of_the_next_period() {
    for sealed in [at(9, 0), at(9, PERIOD - 1)] {
        for tickets in [tickets_of(1), Tickets::random_at(sealed).unwrap()] {
            let ticket = seal(&tickets, sealed);
            assert!(opens(&tickets, &ticket, at(9, PERIOD - 1)));
            assert!(opens(&tickets, &ticket, at(10, 0)));
            assert!(opens(&tickets, &ticket, at(10, PERIOD - 1)));
            assert!(!opens(&tickets, &ticket, at(11, 0)));
        }
    }
}

#[test]
fn replica_whose_clock_is_behind_opens_tickets_of_the_next_period() {
    let ticket = seal(&tickets_of(1), at(10, 5));
    assert!(opens(&tickets_of(1), &ticket, at(9, PERIOD - 5)));
    assert!(!opens(&tickets_of(1), &ticket, at(8, PERIOD - 1)));
}

#[test]
fn names_of_periods_differ() {
    let tickets = tickets_of(1);
    let names: std::collections::HashSet<_> =
        (0..100).map(|period| seal(&tickets, at(period, 0))[..16].to_vec()).collect();
    assert_eq!(names.len(), 100);
}

#[test]
fn secret_drawn_by_lot_is_forgotten_after_its_tickets() {
    let tickets = Tickets::random_at(at(9, 0)).unwrap();
    let ticket = seal(&tickets, at(9, 0));
    for period in 10..30 {
        seal(&tickets, at(period, 0));
        assert!(tickets.write().secrets.retired.len() <= 1, "two serve a period and no more");
    }
    // The clock is put back: a secret kept would open the ticket once more.
    assert!(!opens(&tickets, &ticket, at(9, 0)));
}

#[test]
fn replaced_secret_opens_until_its_time_is_up() {
    let tickets = tickets_of(1);
    let ticket = seal(&tickets, at(9, 100));
    tickets.replace_at(&of(2), at(9, 200)).unwrap();
    assert!(opens(&tickets, &ticket, at(9, 201)));
    assert!(opens(&tickets, &ticket, at(10, PERIOD - 1)));
    assert!(!opens(&tickets, &ticket, at(11, 0)));
    let ticket = seal(&tickets, at(9, 300));
    assert!(opens(&tickets_of(2), &ticket, at(9, 300)), "the new one seals");
    // A replica that learns of it later seals under the old one: for twelve hours.
    let ticket = seal(&tickets_of(1), at(11, 199));
    assert!(opens(&tickets, &ticket, at(11, 199)));
    assert!(!opens(&tickets, &ticket, at(11, 200)));
    let ticket = seal(&tickets_of(1), at(12, 0));
    assert!(!opens(&tickets, &ticket, at(12, 0)));
}

#[test]
fn each_replaced_secret_has_its_own_time() {
    let tickets = tickets_of(1);
    let first = seal(&tickets, at(9, 0));
    tickets.replace_at(&of(2), at(9, 0)).unwrap();
    let second = seal(&tickets, at(10, 0));
    tickets.replace_at(&of(3), at(10, 0)).unwrap();
    assert!(opens(&tickets, &first, at(10, 1)) && opens(&tickets, &second, at(10, 1)));
    assert!(!opens(&tickets, &first, at(11, 0)) && opens(&tickets, &second, at(11, 0)));
    assert!(!opens(&tickets, &second, at(12, 0)));
    assert_eq!(tickets.write().secrets.retired.len(), 0);
}

#[test]
fn oldest_of_many_replaced_secrets_is_dropped() {
    let tickets = tickets_of(0);
    let sealed: Vec<_> = (1..=6)
        .map(|byte| {
            let ticket = seal(&tickets, at(9, 0));
            tickets.replace_at(&of(byte), at(9, 0)).unwrap();
            ticket
        })
        .collect();
    let open: Vec<_> = sealed.iter().map(|ticket| opens(&tickets, ticket, at(9, 1))).collect();
    assert_eq!(open, [false, false, true, true, true, true]);
}

#[test]
fn same_secret_again_changes_nothing() {
    let tickets = tickets_of(1);
    let before = seal(&tickets, at(9, 0));
    for _ in 0..10 {
        tickets.replace_at(&of(1), at(9, 0)).unwrap();
    }
    assert_eq!(tickets.write().secrets.retired.len(), 0);
    assert_eq!(seal(&tickets, at(9, 0))[..16], before[..16]);
    assert!(opens(&tickets, &before, at(10, 0)));
}

#[test]
fn secret_that_comes_back_is_not_forgotten() {
    let tickets = tickets_of(1);
    tickets.replace_at(&of(2), at(9, 0)).unwrap();
    tickets.replace_at(&of(1), at(9, 1)).unwrap();
    assert_eq!(tickets.write().secrets.retired.len(), 1);
    let ticket = seal(&tickets, at(11, 0));
    assert!(opens(&tickets, &ticket, at(11, 0)), "though it was replaced twelve hours ago");
}

#[test]
fn shared_secret_follows_one_drawn_by_lot() {
    let tickets = Tickets::random_at(at(9, 0)).unwrap();
    let ticket = seal(&tickets, at(9, 0));
    tickets.replace_at(&of(1), at(9, 1)).unwrap();
    for now in [at(9, 2), at(10, PERIOD - 1)] {
        assert!(opens(&tickets, &ticket, now));
        assert!(opens(&tickets_of(1), &seal(&tickets, now), now));
    }
    assert!(!opens(&tickets, &ticket, at(11, 0)));
    let shared = seal(&tickets, at(20, 0));
    assert!(opens(&tickets_of(1), &shared, at(20, 0)), "nothing is drawn any more");
}

#[test]
fn short_secret_is_refused_and_leaves_the_old_one_sealing() {
    let error = Tickets::shared(&[1; 31]).unwrap_err().to_string();
    assert!(error.contains("31 bytes") && error.contains("openssl rand 48"), "{error}");
    let tickets = tickets_of(1);
    tickets.replace_at(b"short", at(9, 0)).unwrap_err();
    assert!(opens(&tickets_of(1), &seal(&tickets, at(9, 0)), at(9, 0)));
}

#[test]
fn ticket_opens_only_in_its_context() {
    let tickets = tickets_of(1);
    let ticket = tickets.seal_at(PLAIN, b"one", at(9, 0)).unwrap();
    for (context, opens) in [("one", true), ("two", false), ("", false), ("one ", false)] {
        let plain = tickets.open_at(&ticket, context.as_bytes(), at(9, 0));
        assert_eq!(plain.is_some(), opens, "{context:?}");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let tickets = tickets_of(1);
    let ticket = seal(&tickets, at(9, 0));
    for bit in 0..ticket.len() * 8 {
        let mut flipped = ticket.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!opens(&tickets, &flipped, at(9, 0)), "bit {bit}");
    }
    for end in 0..ticket.len() {
        assert!(!opens(&tickets, &ticket[..end], at(9, 0)), "cut at {end}");
    }
    assert!(!opens(&tickets, &[ticket.as_slice(), b"x"].concat(), at(9, 0)));
}

proptest! {
    #[test]
    fn garbage_does_not_open(mut bytes: Vec<u8>, named: bool, period in 0..20_u64) {
        let tickets = tickets_of(1);
        let ticket = seal(&tickets, at(period, 0));
        if named {
            bytes.splice(..0, ticket[..16].iter().copied());
        }
        assert!(!opens(&tickets, &bytes, at(period, 0)));
    }

    #[test]
    fn no_time_and_no_order_of_times_panics(times in proptest::collection::vec(any::<i64>(), 1..9)) {
        let (tickets, replaced) = (Tickets::random_at(UNIX_EPOCH).unwrap(), tickets_of(1));
        for seconds in times {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            let now = match seconds < 0 {
                true => UNIX_EPOCH.checked_sub(distance),
                false => UNIX_EPOCH.checked_add(distance),
            };
            let Some(now) = now else { continue };
            assert!(opens(&tickets, &seal(&tickets, now), now));
            replaced.replace_at(&of(seconds.to_le_bytes()[0]), now).unwrap();
            assert!(opens(&replaced, &seal(&replaced, now), now));
        }
    }
}

#[test]
fn garbage_of_every_length_does_not_open() {
    let tickets = tickets_of(1);
    let name = &seal(&tickets, at(9, 0))[..16];
    for length in (0..200).chain([MAX_TICKET_BYTES, MAX_TICKET_BYTES + 1, 100_000]) {
        let mut bytes = vec![0; length];
        aws_lc_rs::rand::fill(&mut bytes).unwrap();
        assert!(!opens(&tickets, &bytes, at(9, 0)));
        bytes.splice(..0, name.iter().copied());
        assert!(!opens(&tickets, &bytes, at(9, 0)));
    }
}

#[test]
fn ticket_that_would_be_too_long_is_not_made() {
    let tickets = tickets_of(1);
    let longest = vec![1; MAX_TICKET_BYTES - OVERHEAD_BYTES];
    let ticket = tickets.seal_at(&longest, NONE, at(9, 0)).unwrap();
    assert_eq!(tickets.open_at(&ticket, NONE, at(9, 0)).unwrap(), longest);
    assert!(tickets.seal_at(&[longest, vec![1]].concat(), NONE, at(9, 0)).is_none());
}

#[test]
fn rustls_is_given_the_same_tickets() {
    let tickets = Arc::new(tickets_of(1));
    let (one, other) = (tickets.producer(b"one"), tickets.producer(b"other"));
    let ticket = one.encrypt(PLAIN).unwrap();
    assert_eq!(tickets.producer(b"one").decrypt(&ticket).unwrap(), PLAIN);
    assert_eq!(other.decrypt(&ticket), None);
    assert!(one.enabled());
    assert_eq!(u64::from(one.lifetime()), 2 * PERIOD);
}

#[test]
fn secrets_are_not_printed() {
    let tickets = Arc::new(Tickets::shared(b"0123456789abcdef0123456789abcdef").unwrap());
    let printed = format!("{tickets:?} {:?}", tickets.producer(b"context"));
    assert!(!printed.contains("0123") && !printed.contains("48, 49"), "{printed}");
}

#[test]
fn threads_and_a_poisoned_lock_do_not_stop_it() {
    let tickets = tickets_of(1);
    std::thread::scope(|scope| {
        let poisoning = scope.spawn(|| {
            let _state = tickets.write();
            panic!("poisons the lock");
        });
        assert!(poisoning.join().is_err());
        for thread in 0..4 {
            let tickets = &tickets;
            scope.spawn(move || {
                for turn in 0..50 {
                    let now = at(9 + (thread + turn) % 2, 0);
                    let ticket = seal(tickets, now);
                    assert!(opens(tickets, &ticket, now));
                }
            });
        }
    });
}
