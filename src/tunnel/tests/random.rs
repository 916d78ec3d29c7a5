//! Talk of any kind with pauses of any length: every byte arrives, however work and rest alternate.

use std::time::Duration;

use proptest::prelude::{Just, ProptestConfig, Strategy, prop, prop_oneof, proptest};
use tokio::time::sleep;

use super::wire::Peer;
use super::{Limits, Reason, seconds, start};

/// What one side does, in turn.
#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Pause(u64),
    Room(usize),
    HoldFlush,
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..40_000_usize).prop_map(Step::Send),
        4 => (1..10_usize).prop_map(Step::Send),
        3 => (0..4_000_u64).prop_map(Step::Pause),
        1 => (1..60_000_usize).prop_map(Step::Room),
        1 => Just(Step::HoldFlush),
    ];
    prop::collection::vec(step, 1..60)
}

/// Plays the script and then ends the side; returns what was sent.
async fn play(peer: Peer, script: Vec<Step>) -> Vec<u8> {
    let mut sent = Vec::new();
    for (turn, step) in script.into_iter().enumerate() {
        match step {
            Step::Send(length) => {
                let bytes: Vec<u8> = (0..length).map(|at| (at * 31 + turn) as u8).collect();
                peer.send(&bytes);
                sent.extend(bytes);
            }
            Step::Pause(time) => {
                sleep(Duration::from_millis(time)).await;
                peer.release_flush();
            }
            Step::Room(room) => peer.room(room),
            Step::HoldFlush => peer.hold_flush(),
        }
    }
    peer.release_flush();
    peer.room(usize::MAX);
    peer.end();
    sent
}

/// Reads in bits of many sizes, with pauses.
async fn listen(peer: Peer) -> Vec<u8> {
    let mut heard = Vec::new();
    loop {
        let bytes = peer.read_some(1 + heard.len() % 9_973).await;
        if bytes.is_empty() {
            return heard;
        }
        heard.extend(bytes);
        if heard.len() % 5 == 0 {
            sleep(Duration::from_millis(heard.len() as u64 % 1_700)).await;
        }
    }
}

async fn converse(client: Vec<Step>, upstream: Vec<Step>) {
    let running = start(Limits::default());
    let (said, answered, heard, received) = tokio::join!(
        play(running.client.clone(), client),
        play(running.upstream.clone(), upstream),
        listen(running.upstream.clone()),
        listen(running.client.clone()),
    );
    assert!(said == heard, "to_upstream: {} sent, {} arrived", said.len(), heard.len());
    assert!(answered == received, "to_client: {} sent, {}", answered.len(), received.len());
    assert_eq!(running.task.await.unwrap().reason, Reason::Closed);
    assert_eq!(running.meter.to_upstream(), heard.len() as u64);
    assert_eq!(running.meter.to_client(), received.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_is_lost_however_talk_and_rest_alternate(client in script(), upstream in script()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            // A day on the paused clock: a tunnel that hangs fails here.
            tokio::time::timeout(seconds(24 * 3600), converse(client, upstream)).await.unwrap();
        });
    }
}
