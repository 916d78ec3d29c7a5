//! Files that are judged together, what was made of them, and what is there now.
//!
//! What serves is replaced only by what was judged good; anything else leaves it and is said once.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::digest;

use super::pem::{self, File};

/// How much a look believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// What two looks saw in a row: files are written one after the other, and in pieces.
    Settled,
    /// What this one sees: somebody says that the files are in order.
    AtOnce,
}

/// What a look found.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing new.
    Same,
    /// Something new, to be looked at again.
    Unsettled,
    /// Something new and good, which serves from now on.
    Swapped,
    /// Something new and bad; what was there serves on.
    Refused(anyhow::Error),
}

type Digest = [u8; 32];

/// Some files, and what was last made of them.
#[derive(Debug)]
pub(super) struct Slot<T> {
    /// What they are for, in an error: `certificate chain`.
    roles: Vec<&'static str>,
    paths: Vec<PathBuf>,
    serving: T,
    served: Digest,
    seen: Digest,
    /// The last that was said of files that are refused.
    said: Option<String>,
}

impl<T> Slot<T> {
    /// Reads the files, each with its role, and makes something of them. Blocks.
    pub(super) fn open(
        files: &[(&'static str, &Path)],
        judge: impl FnOnce(&[File]) -> anyhow::Result<T>,
    ) -> anyhow::Result<Self> {
        let (roles, paths): (Vec<_>, Vec<_>) =
            files.iter().map(|(role, path)| (*role, path.to_path_buf())).unzip();
        let read = read(&paths);
        let served = digest(&read);
        let serving = judge(&all(&roles, &paths, read)?)?;
        Ok(Self { roles, paths, serving, served, seen: served, said: None })
    }

    pub(super) fn serving(&self) -> &T {
        &self.serving
    }

    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Reads the files again and judges them when there is something new. Blocks.
    pub(super) fn look(
        &mut self,
        look: Look,
        judge: impl FnOnce(&[File]) -> anyhow::Result<T>,
    ) -> Found {
        let read = read(&self.paths);
        let digest = digest(&read);
        let is_settled = look == Look::AtOnce || digest == self.seen;
        self.seen = digest;
        if digest == self.served {
            // Back to what serves: a mistake that was taken back. The next one is said again.
            self.said = None;
            return Found::Same;
        }
        if !is_settled {
            return Found::Unsettled;
        }
        match all(&self.roles, &self.paths, read).and_then(|files| judge(&files)) {
            Ok(serving) => {
                self.serving = serving;
                self.served = digest;
                self.said = None;
                Found::Swapped
            }
            Err(error) => self.refuse(error, digest, look),
        }
    }

    /// What is refused is judged at each look, as time alone can make it good. It is said once, and
    /// again to somebody who asks.
    fn refuse(&mut self, error: anyhow::Error, digest: Digest, look: Look) -> Found {
        let mut said = format!("{error:#}");
        for byte in digest {
            let _ = write!(said, "{byte:02x}");
        }
        if look == Look::Settled && self.said.as_ref() == Some(&said) {
            return Found::Same;
        }
        self.said = Some(said);
        Found::Refused(error)
    }
}

fn read(paths: &[PathBuf]) -> Vec<io::Result<File>> {
    paths.iter().map(|path| pem::read(path)).collect()
}

fn all(
    roles: &[&str],
    paths: &[PathBuf],
    read: Vec<io::Result<File>>,
) -> anyhow::Result<Vec<File>> {
    let with_context = |((file, role), path): ((io::Result<File>, &&str), &PathBuf)| {
        file.with_context(|| format!("read {role} {}", path.display()))
    };
    read.into_iter().zip(roles).zip(paths).map(with_context).collect()
}

/// Of what was read, in order; what could not be read counts as such.
fn digest(read: &[io::Result<File>]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for file in read {
        match file {
            Ok(file) => {
                context.update(&file.bytes.len().to_be_bytes());
                context.update(&file.bytes);
            }
            Err(error) => context.update(format!("{:?}", error.kind()).as_bytes()),
        }
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
