//! The sandbox, seen from outside of the built binary. What it denies and allows one by one is tried in
//! `src/sandbox/tests.rs`.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{Binary, Client, Upstream, certificate_arguments, echo, eventually};

#[tokio::test]
async fn it_is_on_in_every_thread_and_said() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    let mut client = Client::connect(addr).await;
    client.upgrade().await;
    echo(&mut client, "through the sandbox").await;
    let line = binary.line("sandbox").await;
    assert!(line["landlock"].as_str().unwrap().starts_with("ABI "), "{line}");
    assert_eq!(line["level"], "INFO");
    let threads = binary.status_of_threads("NoNewPrivs");
    assert!(threads.len() > 1 && threads.iter().all(|value| value == "1"), "{threads:?}");
}

#[tokio::test]
async fn it_can_be_left_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wssgate.toml");
    fs::write(&file, "no-sandbox = true").unwrap();
    let config = format!("--config={}", file.display());
    for (args, variables) in [
        (&["--no-sandbox"][..], &[][..]),
        (&[&config], &[]),
        (&[], &[("WSSGATE_NO_SANDBOX", "true")]),
    ] {
        let fixed = ["--listen=127.0.0.1:0", "--upstream=1", "--self-signed", "--log-format=json"];
        let args = [&fixed[..], &["--log-level=debug"], args].concat();
        let binary = Binary::start_with(&args, variables);
        binary.listening().await;
        let line = binary.line("sandbox").await;
        assert_eq!((&line["landlock"], &line["level"]), (&"off".into(), &"DEBUG".into()));
        let threads = binary.status_of_threads("NoNewPrivs");
        assert!(threads.iter().all(|value| value == "0"), "{threads:?}");
    }
}

#[tokio::test]
async fn the_demo_is_in_it_too() {
    let binary = Binary::start(&["demo", "--listen=127.0.0.1:0", "--log-format=json"]);
    let said = || binary.log().iter().any(|line| line.contains("open https://localhost:"));
    eventually("the demo says where it is", said).await;
    let threads = binary.status_of_threads("NoNewPrivs");
    assert!(threads.iter().all(|value| value == "1"), "{threads:?}");
}

/// Moves the socket of a server that listens on `link/front.sock` to a folder that is not the one of the start, and has
/// `link` lead there: at its end the server wants to remove a file of that folder. Whether it could.
async fn removes_elsewhere(args: &[&str]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let [link, first, second] = ["link", "first", "second"].map(|name| folder.path().join(name));
    fs::create_dir(&first).unwrap();
    fs::create_dir(&second).unwrap();
    symlink(&first, &link).unwrap();
    let listen = format!("unix:{}", link.join("front.sock").display());
    let (binary, _) = Binary::serving("1", &[&["--listen", &listen], args].concat()).await;
    fs::rename(first.join("front.sock"), second.join("front.sock")).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(&second, &link).unwrap();
    binary.signal("TERM").await;
    assert_eq!(binary.ended().await.0, 0);
    !second.join("front.sock").exists()
}

#[tokio::test]
async fn in_other_folders_than_those_of_its_listeners_it_removes_nothing() {
    assert!(!removes_elsewhere(&[]).await);
    assert!(removes_elsewhere(&["--no-sandbox"]).await, "it would have, if not for the sandbox");
}

#[tokio::test]
async fn a_reload_cannot_add_a_socket_in_another_folder_and_says_what_to_do() {
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let file = first.path().join("wssgate.toml");
    let write = |folder: &tempfile::TempDir, name: &str| {
        let socket = folder.path().join(name);
        fs::write(&file, format!("listen = [\"127.0.0.1:0\", \"unix:{}\"]", socket.display()))
            .unwrap();
        socket
    };
    let before = write(&first, "front.sock");
    let [cert, key] = certificate_arguments();
    let config = format!("--config={}", file.display());
    let binary = Binary::start(&[&config, "--upstream=1", "--log-format=json", &cert, &key]);
    let addr = binary.listening().await;

    let denied = write(&second, "front.sock");
    binary.signal("HUP").await;
    let line = binary.line("reload refused, everything is as before").await;
    assert!(line["reason"].as_str().unwrap().contains("restart, or give --no-sandbox"), "{line}");
    assert!(before.exists() && !denied.exists());
    Client::connect(addr).await;

    let after = write(&first, "other.sock");
    binary.signal("HUP").await;
    binary.line("reload done").await;
    eventually("the sockets of the allowed folder are swapped", || {
        after.exists() && !before.exists()
    })
    .await;
}
