//! How many connections there may be: as many as descriptors allow for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not a connection's: listeners, the runtime's, files that are read now and then.
const RESERVED_FILES: u64 = 64;

/// Descriptors that a connection needs: the client's and the upstream's.
const FILES_PER_CONNECTION: u64 = 2;

/// Raises RLIMIT_NOFILE to its hard limit and returns what it is now. See getrlimit(2).
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "open files could not be raised to their hard limit");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Connections that so many open files allow for, at least one.
pub(super) fn connections_for(open_files: u64) -> usize {
    let connections = open_files.saturating_sub(RESERVED_FILES) / FILES_PER_CONNECTION;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_follow_from_open_files() {
        assert_eq!(connections_for(20_000), 9_968);
        assert_eq!(connections_for(0), 1);
    }
}
