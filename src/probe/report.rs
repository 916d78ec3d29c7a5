//! What a probe prints: one line a step, with the time that it took.
//!
//! Everything that is printed may hold what the server sent, so nothing but printable ASCII leaves here.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::time::timeout;

use crate::config::format_duration;

/// Characters of a line's text: what the server sends may be endless.
const MAX_CHARACTERS: usize = 400;

/// Why there is no next step.
#[derive(Debug)]
pub(super) enum Stop {
    /// A step failed, and its line is printed.
    Failed,
    /// A line could not be printed.
    Out(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Out(error)
    }
}

/// The lines of one probe.
pub(super) struct Report<'o, W> {
    out: &'o mut W,
    limit: Duration,
}

impl<'o, W: Write> Report<'o, W> {
    /// Prints to `out`; each step has `limit`.
    pub(super) fn new(out: &'o mut W, limit: Duration) -> Self {
        Self { out, limit }
    }

    /// Takes one step within the time limit.
    pub(super) async fn step<T>(
        &mut self,
        name: &str,
        step: impl Future<Output = anyhow::Result<(T, String)>>,
    ) -> Result<T, Stop> {
        let limit = self.limit;
        let late = move |_| Err(anyhow!("not done within {}", format_duration(limit)));
        self.step_unlimited(name, async move { timeout(limit, step).await.unwrap_or_else(late) })
            .await
    }

    /// Takes one step and prints the text that it returns beside its value, or why it failed.
    pub(super) async fn step_unlimited<T>(
        &mut self,
        name: &str,
        step: impl Future<Output = anyhow::Result<(T, String)>>,
    ) -> Result<T, Stop> {
        let start = Instant::now();
        let done = step.await;
        let took = format!("{:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        match done {
            Ok((value, text)) => {
                self.line(name, &took, &text)?;
                Ok(value)
            }
            Err(error) => {
                self.line(name, &took, &format!("failed: {error:#}"))?;
                Err(Stop::Failed)
            }
        }
    }

    /// Prints what was seen in the step before.
    pub(super) fn fact(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.line(name, "", text)
    }

    /// Prints a line of its own.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", printable(text.as_bytes()))
    }

    fn line(&mut self, name: &str, took: &str, text: &str) -> io::Result<()> {
        writeln!(self.out, "{name:<12}{took:>10}  {}", printable(text.as_bytes()))
    }
}

/// Bytes as they are where they are printable ASCII, otherwise in hex: `\x1b`.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if text.len() > MAX_CHARACTERS {
            return text + "...";
        }
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_printed_in_hex() {
        assert_eq!(printable(b"Let's \"go\" \\"), "Let's \"go\" \\");
        assert_eq!(printable(b"\x1b[31m\r\n\t\x7f"), "\\x1b[31m\\x0d\\x0a\\x09\\x7f");
        assert_eq!(printable("\u{9b}31m\u{202e}".as_bytes()), "\\xc2\\x9b31m\\xe2\\x80\\xae");
    }

    #[test]
    fn what_has_no_end_gets_one() {
        let text = printable(&[b'a'; 100_000]);
        assert!(text.len() < 500 && text.ends_with("a..."), "{}", text.len());
    }
}
