//! When a tunnel gives its buffers back, what wakes it, and what keeps it from resting.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_tunnel_at_rest_reads_nothing_and_wakes_without_losing_a_byte() {
    let running = start(Limits::default());
    for turn in 0..20_u8 {
        sleep(REST_AFTER * 3).await;
        for (peer, party) in both(&running) {
            assert!(peer.is_waited_for(), "{party:?} after {turn} turns");
        }
        let reads = both(&running).map(|(peer, _)| peer.reads());
        sleep(REST_AFTER * 30).await;
        assert_eq!(reads, both(&running).map(|(peer, _)| peer.reads()), "no read at rest");
        let (near, far) =
            sides(&running, if turn % 3 == 0 { Party::Client } else { Party::Upstream });
        let text = vec![turn; 1 + usize::from(turn) * 5_000];
        near.send(&text);
        assert_eq!(far.read(text.len()).await, text);
    }
}

#[tokio::test(start_paused = true)]
async fn it_rests_at_once_after_a_word_and_a_busy_one_after_a_pause() {
    let running = start(Limits::default());
    let rests = || both(&running).iter().all(|(peer, _)| peer.is_waited_for());
    for _ in 0..20 {
        sleep(REST_AFTER).await;
        for (near, far) in [Party::Client, Party::Upstream].map(|party| sides(&running, party)) {
            near.send(b"ping");
            assert_eq!(far.read(4).await, b"ping");
            sleep(REST_AFTER / 50).await;
            assert!(rests());
        }
    }
    sleep(REST_AFTER).await;
    for turn in 0..BUSY_WRITES * 3 {
        sleep(REST_AFTER / 50).await;
        assert_eq!(rests(), turn < BUSY_WRITES, "after {turn} in a row");
        running.client.send(b"x");
        assert_eq!(running.upstream.read(1).await, b"x");
    }
    sleep(REST_AFTER * 2).await;
    assert!(rests());
}

#[tokio::test(start_paused = true)]
async fn an_end_or_an_error_wakes_a_tunnel_at_rest() {
    for side in [Party::Client, Party::Upstream] {
        let running = start(Limits::default());
        sleep(seconds(10)).await;
        let (near, far) = sides(&running, side);
        near.end();
        assert_eq!(far.read_to_end().await, b"");
        far.end();
        assert_eq!(running.task.await.unwrap(), ended(side, Reason::Closed));

        let running = start(Limits::default());
        sleep(seconds(10)).await;
        let (near, _) = sides(&running, side);
        near.fail_reads(io::ErrorKind::ConnectionReset);
        assert_eq!(running.task.await.unwrap(), ended(side, Reason::Reset));
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_not_rest_while_bytes_wait_for_a_slow_reader() {
    for side in [Party::Client, Party::Upstream] {
        let running = start(Limits::default());
        let (near, far) = sides(&running, side);
        far.room(3);
        near.send(b"more than there is room for");
        sleep(seconds(20)).await;
        assert!(!near.is_waited_for() && !far.is_waited_for(), "bytes are in the copy's buffer");
        far.room(1000);
        assert_eq!(far.read(27).await, b"more than there is room for");
        sleep(seconds(5)).await;
        assert!(near.is_waited_for() && far.is_waited_for());
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_cannot_rest_it_is_not_looked_at_again_and_again() {
    for is_half_closed in [false, true] {
        let ((mut client_wire, client), (mut upstream_wire, upstream)) = (wire(), wire());
        let polls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&polls);
        let task = tokio::spawn(async move {
            let (limits, meter, ending) = Default::default();
            let outside = (&ending, None);
            let mut run = pin!(run(&mut client_wire, &mut upstream_wire, &limits, &meter, outside));
            poll_fn(|cx| {
                counter.fetch_add(1, Relaxed);
                run.as_mut().poll(cx)
            })
            .await
        });
        if is_half_closed {
            client.end();
        } else {
            client.room(1_000);
        }
        upstream.send(&[7; 100_000]);
        sleep(seconds(10)).await;
        let before = polls.load(Relaxed);
        sleep(seconds(3_600)).await;
        assert!(polls.load(Relaxed) - before <= 1, "{} times", polls.load(Relaxed) - before);
        client.room(usize::MAX);
        assert_eq!(client.read(100_000).await, vec![7; 100_000]);
        sleep(seconds(10)).await;
        assert_eq!(client.is_waited_for(), !is_half_closed, "freed, it rests");
        client.end();
        upstream.end();
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_not_rest_before_a_flush_is_done() {
    for side in [Party::Client, Party::Upstream] {
        let running = start(Limits::default());
        let (near, far) = sides(&running, side);
        far.hold_flush();
        near.send(b"written is not sent");
        sleep(seconds(20)).await;
        assert!(!near.is_waited_for() && !far.is_waited_for(), "a flush is under way");
        far.release_flush();
        assert_eq!(far.read(19).await, b"written is not sent");
        sleep(seconds(5)).await;
        assert!(near.is_waited_for() && far.is_waited_for());
    }
}
