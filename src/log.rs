//! Logging: to standard error, as text or as JSON. What cannot be written there is lost, and nothing else.

use std::io::{IsTerminal as _, stderr};

use crate::cli::{LogFormat, ProcessArgs};

/// Begins to log. To be called once.
pub(crate) fn start(args: &ProcessArgs) {
    let builder = tracing_subscriber::fmt()
        .with_writer(stderr)
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
