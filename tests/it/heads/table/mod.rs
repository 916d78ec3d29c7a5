//! The cases, by what becomes of them. How to read one is said in [`super::case`].

pub(super) mod forwarding;
pub(super) mod refused;
pub(super) mod sent;
pub(super) mod websocket;
