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
    /// What was refused before, and said.
    StillRefused,
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
            Err(error) => self.refuse(error, digest),
        }
    }

    /// What a look at once would find; the same serves on. Blocks.
    pub(super) fn rehearse(&mut self, judge: impl FnOnce(&[File]) -> anyhow::Result<T>) -> Found {
        let read = read(&self.paths);
        let digest = digest(&read);
        if digest == self.served {
            self.said = None;
            return Found::Same;
        }
        match all(&self.roles, &self.paths, read).and_then(|files| judge(&files)) {
            Ok(_) => Found::Unsettled,
            Err(error) => self.refuse(error, digest),
        }
    }

    /// What is refused is judged at each look, as time alone can make it good, and said once.
    fn refuse(&mut self, error: anyhow::Error, digest: Digest) -> Found {
        let mut said = format!("{error:#}");
        for byte in digest {
            let _ = write!(said, "{byte:02x}");
        }
        if self.said.as_ref() == Some(&said) {
            return Found::StillRefused;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A slot of two files whose content is taken when both begin with the same letter.
    struct Fixture {
        folder: tempfile::TempDir,
        slot: Slot<String>,
    }

    fn judge(files: &[File]) -> anyhow::Result<String> {
        let texts: Vec<_> =
            files.iter().map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).collect();
        anyhow::ensure!(texts[0].chars().next() == texts[1].chars().next(), "do not fit");
        Ok(texts.concat())
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
            fs::write(&one, "a1").unwrap();
            fs::write(&two, "a2").unwrap();
            let slot = Slot::open(&[("first", &one), ("second", &two)], judge).unwrap();
            assert_eq!(slot.serving(), "a1a2");
            Self { folder, slot }
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }

        /// What a look finds, in a word, with the reason of a refusal.
        fn look(&mut self, look: Look) -> String {
            match self.slot.look(look, judge) {
                Found::Same => "same".to_owned(),
                Found::Unsettled => "unsettled".to_owned(),
                Found::Swapped => format!("swapped {}", self.slot.serving()),
                Found::Refused(error) => format!("refused: {error:#}"),
                Found::StillRefused => "still refused".to_owned(),
            }
        }
    }

    #[test]
    fn a_settled_look_believes_what_two_have_seen() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.look(Look::Settled), "same");
        fixture.write("one", "b1");
        assert_eq!(fixture.look(Look::Settled), "unsettled");
        fixture.write("two", "b2");
        assert_eq!(fixture.look(Look::Settled), "unsettled");
        assert_eq!(fixture.slot.serving(), "a1a2");
        assert_eq!(fixture.look(Look::Settled), "swapped b1b2");
        assert_eq!(fixture.look(Look::Settled), "same");
    }

    #[test]
    fn a_look_at_once_believes_what_it_sees() {
        let mut fixture = Fixture::new();
        fixture.write("one", "b1");
        assert_eq!(fixture.look(Look::AtOnce), "refused: do not fit");
        fixture.write("two", "b2");
        assert_eq!(fixture.look(Look::AtOnce), "swapped b1b2");
        assert_eq!(fixture.look(Look::Settled), "same");
    }

    #[test]
    fn a_refusal_is_said_once_for_each_change() {
        let mut fixture = Fixture::new();
        fixture.write("one", "b1");
        fixture.look(Look::Settled);
        assert_eq!(fixture.look(Look::Settled), "refused: do not fit");
        for look in [Look::Settled, Look::AtOnce, Look::Settled] {
            assert_eq!(fixture.look(look), "still refused");
        }
        fixture.write("one", "c1");
        assert_eq!(fixture.look(Look::AtOnce), "refused: do not fit");
        assert_eq!(fixture.slot.serving(), "a1a2");
    }

    #[test]
    fn back_to_what_serves_is_nothing_new_and_forgets_what_was_said() {
        let mut fixture = Fixture::new();
        for _ in 0..2 {
            fixture.write("one", "b1");
            assert_eq!(fixture.look(Look::AtOnce), "refused: do not fit");
            fixture.write("one", "a1");
            assert_eq!(fixture.look(Look::Settled), "same");
        }
    }

    #[test]
    fn a_file_that_is_missing_is_refused_with_its_role() {
        let mut fixture = Fixture::new();
        let path = fixture.folder.path().join("two");
        fs::remove_file(&path).unwrap();
        assert_eq!(fixture.look(Look::Settled), "unsettled");
        let refused = fixture.look(Look::Settled);
        let expected = format!("refused: read second {}: No such file", path.display());
        assert!(refused.starts_with(&expected), "{refused}");
        assert_eq!(fixture.look(Look::Settled), "still refused");
        // Bytes that move from one file to the other are another content.
        fixture.write("one", "a1a");
        fixture.write("two", "a");
        assert_eq!(fixture.look(Look::AtOnce), "swapped a1aa");
        fixture.write("one", "a1");
        fixture.write("two", "aa");
        assert_eq!(fixture.look(Look::AtOnce), "swapped a1aa");
    }

    /// A certificate that is not valid yet is, some day.
    #[test]
    fn time_alone_can_make_a_refusal_good() {
        let mut fixture = Fixture::new();
        fixture.write("one", "b1");
        assert_eq!(fixture.look(Look::AtOnce), "refused: do not fit");
        let found = fixture.slot.look(Look::Settled, |_| Ok("now".to_owned()));
        assert!(matches!(found, Found::Swapped), "{found:?}");
        assert_eq!(fixture.slot.serving(), "now");
    }
}
