//! What `--version` says beyond the number; `build.rs` found it out.

/// The number, the commit, how it was built, and the features that are on: a line each.
pub(super) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("WSSGATE_COMMIT"),
    "\nbuild: ",
    env!("WSSGATE_BUILD"),
    "\nfeatures: ",
    env!("WSSGATE_FEATURES"),
);
