//! Real applications, each through nginx with the usual recipe and through the built program, with the
//! same outcome. Pages run in Chromium, and an error on a page's console is a failure.
//!
//! All of it is ignored unless it is asked for; then a missing program is a failure. `install.sh` installs
//! them: the packages of Python and Node into `target/interop`, where they are found.

mod deflate;
mod delay;
mod jupyter;
mod load_time;
mod mqtt;
mod socket_io;
mod terminator;
mod vnc;
mod web;
