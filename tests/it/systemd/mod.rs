//! Life under systemd: what it is told, the sockets that it passes, and the units of `deploy/systemd`.

mod notify;
mod sockets;
