//! The tunnel over streams in memory, on paused time. `wire` makes the streams.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;

mod random;
mod rest;
mod wire;

use wire::{Peer, wire};

/// A tunnel under way between two peers that the test plays.
struct Running {
    client: Peer,
    upstream: Peer,
    meter: Arc<Meter>,
    ending: Arc<Ending>,
    task: JoinHandle<End>,
}

fn start(limits: Limits) -> Running {
    start_with(limits, None)
}

fn start_with(limits: Limits, cut: Option<Cut>) -> Running {
    let ((mut client_wire, client), (mut upstream_wire, upstream)) = (wire(), wire());
    let meter = Arc::new(Meter::default());
    let ending = Arc::new(Ending::default());
    let (counts, told) = (Arc::clone(&meter), Arc::clone(&ending));
    let task = tokio::spawn(async move {
        run(&mut client_wire, &mut upstream_wire, &limits, &counts, (&told, cut)).await
    });
    Running { client, upstream, meter, ending, task }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ended(closed_by: Party, reason: Reason) -> End {
    End { closed_by, reason }
}

/// Both peers by turns, with the party that each is.
fn both(running: &Running) -> [(&Peer, Party); 2] {
    [(&running.client, Party::Client), (&running.upstream, Party::Upstream)]
}

/// A side, seen from which the other one is the far side.
fn sides(running: &Running, first: Party) -> (&Peer, &Peer) {
    match first {
        Party::Upstream => (&running.upstream, &running.client),
        _ => (&running.client, &running.upstream),
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_pass_both_ways_and_are_counted() {
    let running = start(Limits::default());
    running.client.send(b"hello");
    running.upstream.send(b"good day");
    assert_eq!(running.upstream.read(5).await, b"hello");
    assert_eq!(running.client.read(8).await, b"good day");
    assert_eq!((running.meter.to_upstream(), running.meter.to_client()), (5, 8));
    running.client.end();
    running.upstream.end();
    assert_eq!(running.task.await.unwrap().reason, Reason::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_side_that_has_ended_still_hears_the_other() {
    for first in [Party::Client, Party::Upstream] {
        let running = start(Limits::default());
        let (near, far) = sides(&running, first);
        near.send(b"last words");
        near.end();
        assert_eq!(far.read_to_end().await, b"last words");
        // Longer than the rest delay: a tunnel half closed must not end its side once more.
        sleep(seconds(5)).await;
        far.send(b"and the answer");
        assert_eq!(near.read(14).await, b"and the answer");
        assert!(!running.task.is_finished());
        far.end();
        assert_eq!(near.read_to_end().await, b"");
        assert_eq!(running.task.await.unwrap(), ended(first, Reason::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_without_close_notify_is_an_ordinary_end() {
    for first in [Party::Client, Party::Upstream] {
        let running = start(Limits::default());
        let (near, far) = sides(&running, first);
        near.send(b"bye");
        near.fail_reads(io::ErrorKind::UnexpectedEof);
        assert_eq!(far.read_to_end().await, b"bye");
        far.send(b"see you");
        far.end();
        assert_eq!(near.read_to_end().await, b"see you");
        assert_eq!(running.task.await.unwrap(), ended(first, Reason::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn errors_name_their_side_and_reason() {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, HostUnreachable, InvalidData, TimedOut,
    };
    for (kind, reason) in [
        (ConnectionReset, Reason::Reset),
        (ConnectionAborted, Reason::Reset),
        (BrokenPipe, Reason::Reset),
        (TimedOut, Reason::Dead),
        (HostUnreachable, Reason::Dead),
        (InvalidData, Reason::Broken),
    ] {
        for side in [Party::Client, Party::Upstream] {
            let running = start(Limits::default());
            let (near, far) = sides(&running, side);
            near.fail_reads(kind);
            assert_eq!(far.read_to_end().await, b"", "the other side is told");
            assert_eq!(running.task.await.unwrap(), ended(side, reason), "reading: {kind:?}");

            let running = start(Limits::default());
            let (near, far) = sides(&running, side);
            near.fail_writes(kind);
            far.send(b"into the void");
            sleep(seconds(1)).await;
            near.end();
            assert_eq!(far.read_to_end().await, b"", "the other side is told");
            assert_eq!(running.task.await.unwrap(), ended(side, reason), "writing: {kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_write_to_a_side_that_has_ended_is_its_end() {
    for first in [Party::Client, Party::Upstream] {
        let running = start(Limits::default());
        let (near, far) = sides(&running, first);
        near.send(b"bye");
        near.end();
        assert_eq!(far.read_to_end().await, b"bye");
        near.fail_writes(io::ErrorKind::BrokenPipe);
        far.send(b"too late");
        assert_eq!(running.task.await.unwrap(), ended(first, Reason::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_side_had_sent_before_it_failed_arrives() {
    let running = start(Limits::default());
    running.client.hold_flush();
    running.upstream.send(b"written, not flushed");
    sleep(seconds(1)).await;
    running.upstream.fail_reads(io::ErrorKind::ConnectionReset);
    sleep(seconds(1)).await;
    running.client.release_flush();
    assert_eq!(running.client.read_to_end().await, b"written, not flushed");
    assert_eq!(running.task.await.unwrap(), ended(Party::Upstream, Reason::Reset));
}

#[tokio::test(start_paused = true)]
async fn what_a_side_said_before_it_was_gone_arrives_at_a_slow_reader() {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    for side in [Party::Client, Party::Upstream] {
        for (read_error, reason) in [(None, Reason::Closed), (Some(ConnectionReset), Reason::Reset)]
        {
            let running = start(Limits::default());
            let (near, far) = sides(&running, side);
            far.room(100);
            near.send(&[7; 100_000]);
            match read_error {
                Some(kind) => near.fail_reads(kind),
                None => near.end(),
            }
            sleep(seconds(1)).await;
            // Its socket is closed: what is sent to it now comes back as an error.
            near.fail_writes(BrokenPipe);
            far.send(b"a ping on its way meanwhile");
            sleep(seconds(30)).await;
            far.room(usize::MAX);
            let heard = far.read_to_end().await;
            assert_eq!(heard.len(), 100_000, "{side:?} ended with {read_error:?}");
            let end = running.task.await.unwrap();
            // Which of its errors is met first depends on how far its bytes have gone.
            assert_eq!(end.closed_by, side);
            assert!(end.reason == reason || end.reason == Reason::Reset, "{end:?}");
            let into = match side {
                Party::Client => running.meter.to_client(),
                _ => running.meter.to_upstream(),
            };
            assert_eq!(into, 0, "what was thrown away is not counted");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_of_a_side_that_is_gone_is_left_at_the_half_close_timeout() {
    for side in [Party::Client, Party::Upstream] {
        let limits = Limits { half_close_timeout: Some(seconds(60)), ..Limits::default() };
        let running = start(limits);
        let (near, far) = sides(&running, side);
        far.room(100);
        near.send(&[7; 1_000]);
        near.fail_reads(io::ErrorKind::ConnectionReset);
        let asked = Instant::now();
        let end = running.task.await.unwrap();
        assert_eq!(end, ended(Party::Wssgate, Reason::HalfCloseTimeout));
        assert_eq!(asked.elapsed().as_secs(), 60);
    }
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_counts_from_the_last_byte_either_way() {
    let running = start(Limits { idle_timeout: Some(seconds(10)), ..Limits::default() });
    for turn in 0..6 {
        sleep(seconds(9)).await;
        let (near, far) =
            sides(&running, if turn % 2 == 0 { Party::Client } else { Party::Upstream });
        near.send(b"x");
        assert_eq!(far.read(1).await, b"x");
    }
    let last = Instant::now();
    assert_eq!(running.client.read_to_end().await, b"");
    assert_eq!(running.upstream.read_to_end().await, b"");
    assert_eq!(last.elapsed().as_secs(), 10);
    assert_eq!(running.task.await.unwrap(), ended(Party::Wssgate, Reason::IdleTimeout));
}

#[tokio::test(start_paused = true)]
async fn without_an_idle_timeout_a_tunnel_lives_on() {
    let running = start(Limits { half_close_timeout: Some(seconds(60)), ..Limits::default() });
    sleep(seconds(400 * 24 * 3600)).await;
    running.client.send(b"still here");
    assert_eq!(running.upstream.read(10).await, b"still here");
    assert!(!running.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn half_close_timeout_counts_from_the_end_and_from_each_byte_after_it() {
    for first in [Party::Client, Party::Upstream] {
        let limits = Limits { half_close_timeout: Some(seconds(60)), ..Limits::default() };
        let running = start(limits);
        let (near, far) = sides(&running, first);
        sleep(seconds(200)).await;
        near.end();
        for _ in 0..3 {
            sleep(seconds(59)).await;
            far.send(b"x");
            assert_eq!(near.read(1).await, b"x");
        }
        let last = Instant::now();
        let end = running.task.await.unwrap();
        assert_eq!(end, ended(Party::Wssgate, Reason::HalfCloseTimeout));
        assert_eq!(last.elapsed().as_secs(), 60);
    }
}

#[tokio::test(start_paused = true)]
async fn lifetime_ends_even_a_busy_tunnel() {
    let started = Instant::now();
    let running = start(Limits { lifetime: Some(seconds(30)), ..Limits::default() });
    while !running.task.is_finished() {
        running.client.send(b"x");
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(running.task.await.unwrap(), ended(Party::Wssgate, Reason::MaxLifetime));
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_it_at_work_and_at_rest() {
    for wait in [Duration::ZERO, seconds(20)] {
        let running = start(Limits::default());
        running.client.send(b"x");
        assert_eq!(running.upstream.read(1).await, b"x");
        sleep(wait).await;
        running.ending.end_at(Instant::now(), Reason::Drain);
        assert_eq!(running.client.read_to_end().await, b"");
        assert_eq!(running.upstream.read_to_end().await, b"");
        assert_eq!(running.task.await.unwrap(), ended(Party::Wssgate, Reason::Drain));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_from_outside_comes_at_its_time_and_the_last_word_counts() {
    let running = start(Limits::default());
    let asked = Instant::now();
    running.ending.end_at(asked + seconds(100), Reason::Drain);
    running.client.send(b"x");
    assert_eq!(running.upstream.read(1).await, b"x");
    sleep(seconds(20)).await;
    running.ending.end_at(asked + seconds(50), Reason::Admin);
    assert_eq!(running.task.await.unwrap(), ended(Party::Wssgate, Reason::Admin));
    assert_eq!(asked.elapsed().as_secs(), 50);
}

#[tokio::test(start_paused = true)]
async fn what_is_watched_from_outside_ends_it() {
    let running = start_with(
        Limits::default(),
        Some(Box::pin(async {
            sleep(seconds(30)).await;
            Reason::UpstreamDown
        })),
    );
    assert_eq!(running.task.await.unwrap(), ended(Party::Wssgate, Reason::UpstreamDown));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_nobody_takes_is_given_up() {
    let running = start(Limits::default());
    running.client.hold_shutdown();
    running.upstream.hold_shutdown();
    sleep(seconds(5)).await;
    let asked = Instant::now();
    running.ending.end_at(Instant::now(), Reason::Drain);
    assert_eq!(running.task.await.unwrap(), ended(Party::Wssgate, Reason::Drain));
    assert!(asked.elapsed() <= GOODBYE_TIMEOUT + seconds(1));
}

#[tokio::test(start_paused = true)]
async fn one_side_that_takes_no_goodbye_does_not_keep_it_from_the_other() {
    for stuck in [Party::Client, Party::Upstream] {
        let running = start(Limits::default());
        let (near, far) = sides(&running, stuck);
        near.hold_shutdown();
        running.ending.end_at(Instant::now(), Reason::Drain);
        let goodbye = timeout(seconds(60), far.read_to_end()).await;
        assert_eq!(goodbye.expect("a goodbye"), b"", "{stuck:?} is stuck");
        assert_eq!(running.task.await.unwrap(), ended(Party::Wssgate, Reason::Drain));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stands_still_stops_the_reading_on_the_other_side() {
    let running = start(Limits::default());
    running.client.room(1000);
    running.upstream.send(&vec![7; 1_000_000]);
    sleep(seconds(60)).await;
    let taken = 1_000_000 - running.upstream.unread();
    assert!(taken <= BUFFER_BYTES[2] + 1000, "{taken} bytes were taken in");
    running.client.room(usize::MAX);
    assert_eq!(running.client.read(1_000_000).await, vec![7; 1_000_000]);
}
