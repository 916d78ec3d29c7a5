//! What files are made into, when they are opened and when they are looked at again: pairs, authorities,
//! ticket keys. Errors name the file and what to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;

use super::pair::Pair;
use super::pem::File;
use super::settings::Settings;
use super::slot::Slot;
use super::ticket::Tickets;
use super::trust::Trust;
use crate::config::{ClientAuth, Files};

/// The tickets under a secret of a file, and whether everybody on the machine may read that.
#[derive(Debug)]
pub(super) struct TicketKey {
    pub(super) tickets: Arc<Tickets>,
    pub(super) is_public: bool,
}

pub(super) fn open_pair(files: &Files) -> anyhow::Result<Slot<Arc<Pair>>> {
    let paths =
        [("certificate chain", files.chain.as_path()), ("private key", files.key.as_path())];
    Slot::open(&paths, |read| {
        parse_pair(&[files.chain.clone(), files.key.clone()], read).map(Arc::new)
    })
}

pub(super) fn open_trust(config: &ClientAuth, settings: &Settings) -> anyhow::Result<Slot<Trust>> {
    let mut files = vec![("client authorities", config.ca.as_path())];
    files.extend(config.crls.iter().map(|path| ("revocation list", path.as_path())));
    Slot::open(&files, |files| Trust::parse(config, files, &settings.provider))
}

pub(super) fn open_ticket_key(path: &Path) -> anyhow::Result<Slot<TicketKey>> {
    Slot::open(&[("ticket key", path)], |files| {
        take_ticket_key(path, files, |secret| Tickets::shared(secret).map(Arc::new))
    })
}

fn parse_pair(paths: &[PathBuf], files: &[File]) -> anyhow::Result<Pair> {
    let ([chain_path, key_path], [chain, key]) = (paths, files) else {
        anyhow::bail!("a certificate is a chain and a key");
    };
    let names = (chain_path.display().to_string(), key_path.display().to_string());
    Pair::parse((&names.0, chain), (&names.1, key))
}

/// What replaces a pair that serves has to be better than refused by clients.
pub(super) fn replace_pair(paths: &[PathBuf], files: &[File]) -> anyhow::Result<Arc<Pair>> {
    let pair = parse_pair(paths, files)?;
    match pair.problems(SystemTime::now()).into_iter().find(|problem| problem.is_error) {
        Some(problem) => anyhow::bail!("{}: {}", pair.name, problem.text),
        None => Ok(Arc::new(pair)),
    }
}

pub(super) fn take_ticket_key(
    path: &Path,
    files: &[File],
    take: impl FnOnce(&[u8]) -> anyhow::Result<Arc<Tickets>>,
) -> anyhow::Result<TicketKey> {
    let [file] = files else { anyhow::bail!("a ticket key is one file") };
    let tickets =
        take(&file.bytes).with_context(|| format!("use ticket key {}", path.display()))?;
    Ok(TicketKey { tickets, is_public: file.is_public })
}
