//! What a thread of the runtime may still do in the sandbox. It holds for the thread that enters it and its descendants, so
//! that the other tests of this process never notice.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use rustix::process::{Pid, test_kill_process};
use wssgate::net::{Keepalive, Listener};

use super::*;

/// Enters the sandbox on a thread of its own and runs `test` on a thread of a runtime that was made after that.
fn in_sandbox(listen: &[Listen], key_log: Option<&Path>, test: impl FnOnce() + Send + 'static) {
    let sandboxed = || {
        let status = restrict(listen.iter(), key_log).unwrap();
        assert!(status.no_new_privs);
        assert!(describe(&status).starts_with("ABI "), "these tests need Landlock: {status:?}");
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let here = thread::current().id();
        runtime.block_on(async {
            let test = async move {
                assert_ne!(thread::current().id(), here);
                test();
            };
            tokio::spawn(test).await.unwrap();
        });
    };
    thread::scope(|scope| scope.spawn(sandboxed).join().unwrap());
}

fn is_denied<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// A folder with a file in it.
fn folder_with_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "content").unwrap();
    (folder, file)
}

#[test]
fn files_are_read_and_neither_written_made_removed_nor_run() {
    let (folder, file) = folder_with_file();
    let path = folder.path().to_owned();
    in_sandbox(&[], None, move || {
        assert_eq!(fs::read(&file).unwrap(), b"content");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        assert!(is_denied(OpenOptions::new().append(true).open(&file)));
        assert!(is_denied(fs::write(&file, "other")));
        assert!(is_denied(fs::remove_file(&file)));
        assert!(is_denied(fs::rename(&file, path.join("renamed"))));
        assert!(is_denied(fs::write(path.join("new"), "")));
        assert!(is_denied(fs::create_dir(path.join("new"))));
        assert!(is_denied(symlink(&file, path.join("new"))));
        assert!(is_denied(UnixListener::bind(path.join("new"))));
        assert!(is_denied(fs::remove_dir(&path)));
        assert!(is_denied(Command::new("/bin/true").status()));
        OpenOptions::new().write(true).open("/dev/null").unwrap().write_all(b"x").unwrap();
    });
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"content");
    assert!(Command::new("/bin/true").status().unwrap().success(), "only the sandbox denies it");
}

#[test]
fn in_the_folder_of_a_listener_sockets_come_and_go() {
    let (folder, _) = folder_with_file();
    let path = folder.path().to_owned();
    let listen = Listen::Unix(path.join("front.sock"), Some(0o600));
    in_sandbox(&[listen], None, move || {
        for name in ["front.sock", "other.sock"] {
            let socket = path.join(name);
            let _listener = UnixListener::bind(&socket).unwrap();
            fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
            let _client = UnixStream::connect(&socket).unwrap();
            fs::remove_file(&socket).unwrap();
        }
        assert!(is_denied(fs::write(path.join("new"), "")));
        assert!(is_denied(fs::write(path.join("file"), "")));
        assert!(is_denied(fs::create_dir(path.join("new"))));
    });
}

/// As a reload may name one.
#[test]
fn a_listener_in_a_folder_that_was_not_there_at_the_start_is_refused_with_advice() {
    let (folder, _) = folder_with_file();
    let listen = Listen::Unix(folder.path().join("late.sock"), None);
    in_sandbox(&[], None, move || {
        let error = Listener::bind(&listen, Keepalive(None)).unwrap_err().to_string();
        assert!(error.contains("late.sock: Permission denied"), "{error}");
        assert!(error.contains("restart, or give --no-sandbox"), "{error}");
    });
}

#[test]
fn the_key_log_is_written_and_its_neighbours_are_not() {
    let (folder, neighbour) = folder_with_file();
    let file = folder.path().join("keys");
    fs::write(&file, "").unwrap();
    let key_log = file.clone();
    in_sandbox(&[], Some(&key_log), move || {
        let mut log = OpenOptions::new().append(true).create(true).open(&file).unwrap();
        log.write_all(b"key").unwrap();
        assert!(is_denied(OpenOptions::new().append(true).open(&neighbour)));
        assert!(is_denied(fs::remove_file(&file)));
    });
    assert_eq!(fs::read(&key_log).unwrap(), b"key");
}

#[test]
fn upstreams_are_reached_on_tcp_and_pathname_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = tcp.local_addr().unwrap();
    in_sandbox(&[], None, move || {
        TcpStream::connect(addr).unwrap();
        UnixStream::connect(path).unwrap();
        TcpListener::bind("127.0.0.1:0").unwrap();
    });
    tcp.accept().unwrap();
    unix.accept().unwrap();
}

#[test]
fn abstract_sockets_and_signals_do_not_reach_out() {
    let mut outside = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = Pid::from_child(&outside);
    let name = format!("wssgate-{}", outside.id());
    let addr = SocketAddr::from_abstract_name(name).unwrap();
    let _listener = UnixListener::bind_addr(&addr).unwrap();
    in_sandbox(&[], None, move || {
        assert!(is_denied(UnixStream::connect_addr(&addr)));
        assert!(is_denied(test_kill_process(pid).map_err(io::Error::from)));
    });
    test_kill_process(pid).unwrap();
    outside.kill().unwrap();
    outside.wait().unwrap();
}
