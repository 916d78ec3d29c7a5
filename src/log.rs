//! Logging: to standard error, as text or as JSON.
//!
//! What cannot be written there is lost, and nothing else: neither a full disk nor a reader that hangs stops a
//! connection. When lines have been lost for want of a reader, the next one says how many.

use std::io::{self, IsTerminal as _, Write as _, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::{LogFormat, ProcessArgs};

/// How long a reader may keep us waiting, once; until he reads again, lines are lost at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a pipe that is ready takes without blocking (PIPE_BUF, see pipe(7)).
const PIECE_BYTES: usize = 4096;

/// Begins to log. To be called once.
pub(crate) fn start(args: &ProcessArgs) {
    let builder = tracing_subscriber::fmt()
        .with_writer(Output::default())
        .with_max_level(args.log_level)
        .with_ansi(stderr().is_terminal())
        // It says so on standard error, where it just failed, and panics.
        .log_internal_errors(false)
        .with_target(false);
    match args.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init()
        }
    }
}

/// Standard error, for as long as somebody takes what is written.
#[derive(Debug, Default)]
struct Output {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Lines lost since the last one that was written.
    lost: u64,
    /// Whether the last line has no end.
    is_cut: bool,
}

impl State {
    /// Whether the whole line was written.
    fn write(&mut self, line: &[u8]) -> io::Result<bool> {
        let patience = if self.lost == 0 { PATIENCE } else { Duration::ZERO };
        let end: &[u8] = if self.is_cut { b"\n" } else { b"" };
        for piece in end.chunks(1).chain(line.chunks(PIECE_BYTES)) {
            if !is_ready(patience)? {
                self.lost += 1;
                return Ok(false);
            }
            self.is_cut = true;
            stderr().write_all(piece)?;
            self.is_cut = !piece.ends_with(b"\n");
        }
        Ok(true)
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl io::Write for &Output {
    /// Takes one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.write(line)? { std::mem::take(&mut state.lost) } else { 0 }
        };
        if lost > 0 {
            // Comes back here, when nothing is held any more.
            tracing::warn!(lost, "log lines lost, nobody read them");
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether it can be written to without blocking, now or within a time. An error is for the write to find.
fn is_ready(patience: Duration) -> io::Result<bool> {
    let stderr = stderr();
    let patience = patience.try_into().ok();
    match poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], patience.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        // A signal: this line may have to wait, or to go.
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
