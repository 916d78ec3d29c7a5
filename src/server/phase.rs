//! What a run is at, for those who supervise it.

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Clients are served. It follows each reload, too.
    Serving,
    /// Files are read again; clients are served.
    Reloading,
    /// No more clients are taken; those that are there are let end.
    Draining,
}
