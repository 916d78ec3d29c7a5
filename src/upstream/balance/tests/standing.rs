//! Members that are down, full, backups, or on their way back.

use super::*;

#[test]
fn backups_serve_only_when_the_others_are_down_or_full() {
    let limited = Settings { max_connections: Some(1), ..Settings::default() };
    for balance in Balance::ALL {
        let case = Case::new(balance, [backup(), limited, backup(), limited]);
        assert!((0..50).all(|n| case.first(Some(client(n))) % 2 == 1), "{balance}");
        let full = case.members[1].lease();
        assert!((0..50).all(|n| case.first(Some(client(n))) == 3), "{balance}");
        case.fail(3);
        let firsts: HashSet<usize> = (0..50).map(|n| case.first(Some(client(n)))).collect();
        assert_eq!(firsts, HashSet::from([0, 2]), "{balance}");
        // Full, then down.
        assert_eq!(case.order(Some(client(1)))[2..], [1, 3], "{balance}");
        drop(full);
        assert!((0..50).all(|n| case.first(Some(client(n))) == 1), "{balance}");
    }
}

#[test]
fn when_all_are_down_all_are_tried() {
    for balance in Balance::ALL {
        let case = Case::new(balance, [backup(), weight(1), weight(1), backup(), weight(1)]);
        (0..5).for_each(|index| case.fail(index));
        let firsts: HashSet<usize> = (0..50).map(|n| case.first(Some(client(n)))).collect();
        assert_eq!(firsts.len(), 3, "{balance} decides among those that are down too");
        for n in 0..50 {
            let order = case.order(Some(client(n)));
            let (members, backups) = order.split_at(3);
            let set = |indexes: &[usize]| indexes.iter().copied().collect::<HashSet<_>>();
            assert_eq!(set(members), HashSet::from([1, 2, 4]), "{balance}");
            assert_eq!(set(backups), HashSet::from([0, 3]), "{balance}");
        }
    }
}

#[test]
fn one_request_tries_a_member_whose_time_has_passed() {
    for balance in Balance::ALL {
        let mut case = Case::weighted(balance, [1, 1]);
        case.fail(0);
        assert!((0..50).all(|n| case.first(Some(client(n))) == 1), "{balance}");
        case.now += Duration::from_secs(10);
        let trials = (0..50).filter(|n| case.first(Some(client(*n))) == 0).count();
        assert_eq!(trials, 1, "{balance}");
        case.fail(0);
        case.now += Duration::from_secs(9);
        assert!((0..50).all(|n| case.first(Some(client(n))) == 1), "{balance}");
        case.now += Duration::from_secs(1);
        assert!((0..50).any(|n| case.first(Some(client(n))) == 0), "{balance}");
        case.members[0].report(Outcome::Success, case.now);
        assert!((0..50).filter(|n| case.first(Some(client(*n))) == 0).count() > 5, "{balance}");
    }
}

#[test]
fn a_trial_begins_only_when_the_member_is_reached_in_the_order() {
    let mut case = Case::new(Balance::RoundRobin, [weight(1), backup()]);
    case.fail(1);
    case.now += Duration::from_secs(10);
    assert_eq!(case.first(None), 0);
    assert_eq!(case.members[1].standing(case.now), Standing::Trial);
    assert_eq!(case.order(None), [0, 1]);
    assert_eq!(case.members[1].standing(case.now), Standing::Down);
}

#[test]
fn a_member_that_came_back_gets_its_share_step_by_step() {
    for balance in Balance::ALL {
        let mut case = Case::new(balance, [slow(), slow()]);
        case.members[0].set_checked(false, case.now);
        assert_eq!(case.share(100), [0, 100], "{balance}");
        case.members[0].set_checked(true, case.now);
        // A tenth of its weight and all of the other's: one in eleven; and so on.
        for (seconds, expected) in [(0, 1.0 / 11.0), (50, 0.55 / 1.55), (50, 0.5)] {
            case.now += Duration::from_secs(seconds);
            let share: [u32; 2] = case.share(10_000);
            let expected = (10_000.0 * expected) as u32;
            assert_near(&share, &[expected, 10_000 - expected], 12);
        }
    }
}

#[test]
fn no_storm_of_tunnels_meets_a_member_that_came_back() {
    let mut case = Case::new(Balance::LeastConnections, [slow(), slow()]);
    case.members[0].set_checked(false, case.now);
    let _before: Vec<Lease> = (0..1000).map(|_| case.open()).collect();
    case.members[0].set_checked(true, case.now);
    let _after: Vec<Lease> = (0..1000).map(|_| case.open()).collect();
    assert_eq!(case.live(), [182, 1818]);
    case.now += Duration::from_secs(100);
    let _later: Vec<Lease> = (0..2000).map(|_| case.open()).collect();
    assert_eq!(case.live(), [2000, 2000]);
}
