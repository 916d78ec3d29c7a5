//! A duration as flags write it.

use std::time::Duration;

use wssgate::config::{format_duration, parse_duration, parse_keepalive};

/// A duration as flags write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    pub(super) fn of(duration: Option<Duration>) -> Self {
        Self(duration.unwrap_or_default())
    }

    pub(super) fn into_option(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

pub(super) fn parse_span(text: &str) -> anyhow::Result<Span> {
    parse_duration(text).map(Span)
}

pub(super) fn parse_positive(text: &str) -> anyhow::Result<Span> {
    let span = parse_span(text)?;
    anyhow::ensure!(!span.0.is_zero(), "without this limit a silent peer would be held for ever");
    Ok(span)
}

pub(super) fn parse_idle(text: &str) -> anyhow::Result<Span> {
    parse_keepalive(text).map(Span)
}
