//! Times and limits.

use std::num::NonZeroUsize;

use clap::Args;
use wssgate::config::{Drain, Limits, Timeouts, parse_size};

use super::value::{Span, parse_idle, parse_positive, parse_span};

#[derive(Debug, Args)]
#[command(next_help_heading = "Times, as in 15s, 500ms or 1h30m; 0 is never, or off")]
pub(super) struct TimeoutArgs {
    /// From accept to the request head's last byte, TLS handshake included
    #[arg(long, env = "WSSGATE_SETUP_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Timeouts::default().setup))]
    setup_timeout: Span,
    /// To connect to one address of an upstream, TLS handshake included
    #[arg(long, env = "WSSGATE_CONNECT_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Timeouts::default().connect))]
    connect_timeout: Span,
    /// From the forwarded head of a WebSocket request to the upstream's 101
    #[arg(long, env = "WSSGATE_UPGRADE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Timeouts::default().upgrade))]
    upgrade_timeout: Span,
    /// From the last byte of any other request to the upstream's response head
    #[arg(long, env = "WSSGATE_RESPONSE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Timeouts::default().response))]
    response_timeout: Span,
    /// Tunnel without a byte either way
    #[arg(long, env = "WSSGATE_IDLE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span::of(Timeouts::default().idle))]
    idle_timeout: Span,
    /// Without a byte after one side of a tunnel has ended
    #[arg(long, env = "WSSGATE_HALF_CLOSE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span::of(Timeouts::default().half_close))]
    half_close_timeout: Span,
    /// Age of a tunnel, less up to 10 % drawn by lot
    #[arg(long, env = "WSSGATE_MAX_LIFETIME", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span::of(Timeouts::default().max_lifetime))]
    max_lifetime: Span,
    /// From SIGTERM to closing the listeners
    #[arg(long, env = "WSSGATE_DRAIN_DELAY", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span(Drain::default().delay))]
    drain_delay: Span,
    /// From then on until what is left is closed, spread over the last four fifths of it
    #[arg(long, env = "WSSGATE_DRAIN_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span(Drain::default().timeout))]
    drain_timeout: Span,
    /// TCP keepalive: idle time before the first of 6 probes, 10s apart
    #[arg(long, env = "WSSGATE_KEEPALIVE", hide_env_values = true, value_name = "TIME",
          value_parser = parse_idle, default_value_t = Span::of(Timeouts::default().keepalive))]
    keepalive: Span,
    /// Between two requests on a client's connection; 0 is one request a connection
    #[arg(long, env = "WSSGATE_KEEPALIVE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span(Timeouts::default().keepalive_timeout))]
    keepalive_timeout: Span,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Connections at once; more wait in the kernel's queue [default: what open files allow for]
    #[arg(long, env = "WSSGATE_MAX_CONNECTIONS", hide_env_values = true, value_name = "COUNT")]
    max_connections: Option<NonZeroUsize>,
    /// Connections at once from one address; 0 is off
    #[arg(
        long,
        env = "WSSGATE_MAX_CONNECTIONS_PER_IP",
        hide_env_values = true,
        value_name = "COUNT",
        default_value_t = 0
    )]
    max_connections_per_ip: usize,
    /// TLS handshakes under way at once, the rest wait; 0 is 256 for each CPU core
    #[arg(
        long,
        env = "WSSGATE_MAX_HANDSHAKES",
        hide_env_values = true,
        value_name = "COUNT",
        default_value_t = 0
    )]
    max_handshakes: usize,
    /// Request or response head
    #[arg(long, env = "WSSGATE_MAX_HEAD_SIZE", hide_env_values = true, value_name = "SIZE",
          value_parser = parse_head_size, default_value = "64KiB")]
    max_head_size: usize,
    /// Requests on one connection; 0 is any number
    #[arg(long, env = "WSSGATE_MAX_REQUESTS", hide_env_values = true, value_name = "COUNT",
          default_value_t = Limits::default().max_requests.unwrap_or_default())]
    max_requests: usize,
}

impl TimeoutArgs {
    pub(super) fn drain(&self) -> Drain {
        Drain { delay: self.drain_delay.0, timeout: self.drain_timeout.0 }
    }

    pub(super) fn into_timeouts(self) -> Timeouts {
        Timeouts {
            setup: self.setup_timeout.0,
            connect: self.connect_timeout.0,
            upgrade: self.upgrade_timeout.0,
            response: self.response_timeout.0,
            idle: self.idle_timeout.into_option(),
            half_close: self.half_close_timeout.into_option(),
            max_lifetime: self.max_lifetime.into_option(),
            keepalive: self.keepalive.into_option(),
            keepalive_timeout: self.keepalive_timeout.0,
        }
    }
}

impl LimitArgs {
    pub(super) fn max_handshakes(&self) -> Option<usize> {
        optional(self.max_handshakes)
    }

    pub(super) fn into_limits(self) -> Limits {
        Limits {
            max_connections: self.max_connections.map(NonZeroUsize::get),
            max_connections_per_ip: optional(self.max_connections_per_ip),
            max_head_bytes: self.max_head_size,
            max_requests: optional(self.max_requests),
        }
    }
}

fn optional(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}

fn parse_head_size(text: &str) -> anyhow::Result<usize> {
    const RANGE: std::ops::RangeInclusive<usize> = 512..=1024 * 1024;
    let size = parse_size(text)?;
    anyhow::ensure!(RANGE.contains(&size), "a head's limit is between 512 bytes and 1 MiB");
    Ok(size)
}
