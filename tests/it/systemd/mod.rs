//! Life under systemd: what it is told, the sockets that it passes, and the units of `deploy/systemd`.

mod handover;
mod notify;
mod sockets;
mod units;
