//! Certificates in a folder in which somebody else writes without a pause.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

use super::{Pki, becomes};
use crate::support::{Binary, Client, Upstream, echo};

/// Some who touch files there, until dropped: faster than anybody reads of it. Each has two, as one event and the same
/// again are told as one (inotify(7)).
struct Flood(Arc<AtomicBool>, Vec<JoinHandle<()>>);

impl Flood {
    fn start(folder: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let touching = (0..4).map(|number| {
            let file = |name| File::create(folder.join(format!("{name}{number}"))).unwrap();
            let (files, stop) = (["a", "b"].map(file), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    files.iter().for_each(|file| file.set_modified(UNIX_EPOCH).unwrap());
                }
            })
        });
        let touching = touching.collect();
        Self(stop, touching)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
        for touching in self.1.drain(..) {
            let _ = touching.join();
        }
    }
}

#[tokio::test]
async fn a_flood_of_events_keeps_up_neither_a_change_nor_traffic_nor_the_end() {
    let pki = Pki::new();
    let [first, second] = [(); 2].map(|()| pki.issue(&["localhost"]));
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = first.write(folder.path(), "0");
    let upstream = Upstream::echo().await.addr();
    let binary = Binary::start(&[
        "--listen=127.0.0.1:0",
        "--log-format=json",
        &format!("--upstream={upstream}"),
        &format!("--cert={}", chain.display()),
        &format!("--key={}", key.display()),
    ]);
    let addr = binary.listening().await;
    let client = pki.client("localhost");
    let mut tunnel = Client::connect_with(addr, client.connector()).await.unwrap();
    tunnel.upgrade().await;

    let flood = Flood::start(folder.path());
    second.write(folder.path(), "0");
    becomes(addr, &client, &first, &second).await;
    echo(&mut tunnel, "in the flood").await;
    tunnel.shutdown().await;
    binary.signal("TERM").await;
    assert_eq!(binary.ended().await.0, 0);
    drop(flood);
}
