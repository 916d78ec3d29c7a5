//! The counts as they are recorded, as Markdown and as JSON, and compared with those of an earlier commit.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// By how much a count may grow, of its recorded self.
const TOLERANCE: f64 = 0.05;

/// Counts of one commit on one architecture.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    architecture: String,
    valgrind: String,
    /// By the operation's key.
    instructions: BTreeMap<String, u64>,
}

impl Record {
    /// An empty one.
    pub(crate) fn new(valgrind: String) -> Self {
        Self { architecture: ARCH.to_owned(), valgrind, instructions: BTreeMap::new() }
    }

    /// Takes the count of one operation.
    pub(crate) fn add(&mut self, operation: Operation, count: u64) {
        self.instructions.insert(operation.key().to_owned(), count);
    }

    /// Reads one that was written.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("understand {}", path.display()))
    }

    /// Writes both files.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
        let json = serde_json::to_string_pretty(self)? + "\n";
        for (end, text) in [("md", self.markdown()), ("json", json)] {
            let path = dir.join("instructions").with_extension(end);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            eprintln!("instructions: written to {}", path.display());
        }
        Ok(())
    }

    /// The table.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "Instructions in user space, {}, counted by callgrind ({}).\n\n\
             | operation | instructions |\n|---|---:|\n",
            self.architecture, self.valgrind
        );
        for operation in Operation::ALL {
            if let Some(count) = self.instructions.get(operation.key()) {
                text += &format!("| {} | {} |\n", operation.title(), grouped(*count));
            }
        }
        text
    }

    /// A line for each count that has grown too much since.
    pub(crate) fn grown_since(&self, recorded: &Self) -> Result<Vec<String>> {
        ensure!(
            recorded.architecture == self.architecture,
            "recorded on {}, this is {}: counts cannot be compared",
            recorded.architecture,
            self.architecture
        );
        let mut lines = Vec::new();
        for operation in Operation::ALL {
            let counts =
                [self, recorded].map(|record| record.instructions.get(operation.key()).copied());
            let [Some(now), Some(then)] = counts else { continue };
            let growth = now as f64 / then as f64 - 1.0;
            if growth > TOLERANCE {
                let (now, then) = (grouped(now), grouped(then));
                let title = operation.title();
                lines.push(format!("{title}: {now}, recorded {then}: {:+.1} %", growth * 100.0));
            }
        }
        Ok(lines)
    }
}

/// With a comma between thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
