//! wssgate between programs that are not ours: clients and servers as people run them, a browser, and
//! nginx with the usual recipe as the reference for behaviour.
//!
//! What needs a program is ignored unless it is asked for; then a missing program is a failure.
//! `.ci/run` installs all of them: those of Python and Node into `target/interop`, where they are found.

mod browser;
mod curl;
mod nginx;
mod node;
mod openssl;
mod python;
mod script;
mod tungstenite;

use std::path::PathBuf;

use script::Script;

/// A program of this machine. Daemons live in sbin, which is not in everybody's PATH.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: .ci/run installs it"))
}
