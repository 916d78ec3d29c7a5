//! What the process gives up for good before it serves: to write, make, remove or run files, and to gain rights by
//! running them.
//!
//! Landlock (landlock(7)) holds for the thread that enters it and for those that this one starts, so it is entered
//! before there are others. Reading stays free, since a reload may name files anywhere, and so do ports and pathname
//! sockets: upstreams may be anywhere. What an older kernel does not know is left out.

use std::env;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, LandlockStatus, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope, make_bitflags,
};
use wssgate::addr::Listen;

/// What is given up is what this version of Landlock knows. A later one may take more, which has to be tried first.
const ABI_KNOWN: ABI = ABI::V6;

/// What became of it.
#[must_use]
pub(crate) struct Sandbox(Option<Result<RestrictionStatus, RulesetError>>);

/// Enters the sandbox, unless it is off. The folders of unix sockets that are listened on, and the file for session
/// keys, stay writable for that alone.
pub(crate) fn enter<'a>(
    is_off: bool,
    listen: impl Iterator<Item = &'a Listen>,
    key_log: Option<&Path>,
) -> Sandbox {
    Sandbox((!is_off).then(|| restrict(listen, key_log)))
}

impl Sandbox {
    /// Says so in the log.
    pub(crate) fn report(&self) {
        match &self.0 {
            Some(Ok(status)) => tracing::info!(landlock = describe(status), "sandbox"),
            Some(Err(error)) => tracing::warn!(%error, "sandbox failed, serving without"),
            None => tracing::debug!(landlock = "off", "sandbox"),
        }
    }
}

fn restrict<'a>(
    listen: impl Iterator<Item = &'a Listen>,
    key_log: Option<&Path>,
) -> Result<RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_write(ABI_KNOWN) | AccessFs::Execute)?
        .scope(scopes())?
        .create()?;
    let sockets = listen.filter_map(|listen| match listen {
        Listen::Unix(path, _) => {
            Some((folder(path), make_bitflags!(AccessFs::{MakeSock | RemoveFile})))
        }
        _ => None,
    });
    let files = [Some(Path::new("/dev/null")), key_log].into_iter().flatten();
    let files = files.map(|file| (file, AccessFs::WriteFile.into()));
    for (path, access) in sockets.chain(files) {
        // What is not there is said by who needs it.
        if let Ok(path) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(path, access))?;
        }
    }
    // Sets no_new_privs too, even where there is no Landlock.
    ruleset.restrict_self()
}

fn folder(socket: &Path) -> &Path {
    match socket.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Signals and abstract sockets of processes outside are out of reach, unless systemd is to be told on such a socket.
fn scopes() -> BitFlags<Scope> {
    let notified = env::var_os("NOTIFY_SOCKET");
    let is_abstract = notified.is_some_and(|name| name.as_encoded_bytes().starts_with(b"@"));
    if is_abstract { Scope::Signal.into() } else { Scope::from_all(ABI_KNOWN) }
}

fn describe(status: &RestrictionStatus) -> String {
    match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            format!("ABI {}", kernel_abi.unwrap_or(effective_abi as i32))
        }
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => {
            "not supported by this kernel".into()
        }
    }
}

#[cfg(test)]
mod tests;
