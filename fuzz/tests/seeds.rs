//! Every seed goes through the harness of its target: what was once found stays found, without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use arbitrary::{Arbitrary, Unstructured};
use wssgate_fuzz::{
    address, chunked, config_file, connection, keepalive, proxy_header, request_head, response_head,
};

/// The seeds of a target, and those of the tests that it shares.
fn seeds(folders: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let mut seeds = Vec::new();
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            seeds.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    assert!(seeds.len() >= 10, "{folders:?}: {} seeds", seeds.len());
    seeds
}

fn run(folders: &[&str], judge: impl Fn(&[u8])) {
    for (path, bytes) in seeds(folders) {
        // Shown when the harness panics.
        println!("{}", path.display());
        judge(&bytes);
    }
}

/// As libfuzzer-sys makes them of bytes.
fn arbitrary<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}

/// The same for what is text alone.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[test]
fn addresses_hold() {
    run(&["seeds/address"], |bytes| text(bytes).into_iter().for_each(address::judge));
}

#[test]
fn bodies_hold() {
    run(&["seeds/chunked"], |bytes| arbitrary(bytes).iter().for_each(chunked::judge));
}

#[test]
fn configuration_files_hold() {
    let of_tests = ["../tests/it/config/valid", "../tests/it/config/broken"];
    run(&[&["seeds/config_file"][..], &of_tests].concat(), |bytes| {
        text(bytes).into_iter().for_each(config_file::judge);
    });
}

#[test]
fn connections_hold() {
    run(&["seeds/connection"], |bytes| arbitrary(bytes).iter().for_each(connection::judge));
}

#[test]
fn sequences_of_requests_hold() {
    run(&["seeds/keepalive"], |bytes| arbitrary(bytes).iter().for_each(keepalive::compare));
}

#[test]
fn proxy_headers_hold() {
    run(&["seeds/proxy_header"], proxy_header::judge);
}

#[test]
fn request_heads_hold() {
    run(&["seeds/request_head"], request_head::judge);
}

#[test]
fn response_heads_hold() {
    run(&["seeds/response_head"], response_head::judge);
}
