//! Who may look at the server, and where.

use crate::addr::Listen;

/// The listener for those who look after the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// Where it is; none: nowhere.
    pub listen: Option<Listen>,
    /// Whether open tunnels are told to, and ended for, who is not on this machine.
    pub allow_remote: bool,
    /// Whether the server is ready only while an upstream is up.
    pub ready_needs_upstream: bool,
}
