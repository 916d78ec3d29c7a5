//! Values as people write them: durations, sizes, networks, name servers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;

/// The longest duration: a clock could not hold every time that far away.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Reads a duration: `15s`, `1m 30s`, `250ms`, or `0`.
pub fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let duration = humantime::parse_duration(text).with_context(|| {
        format!("{text:?} is not a duration; write it as in 15s, 500ms or 1h30m")
    })?;
    anyhow::ensure!(duration <= LONGEST, "{text:?} is longer than 100 years");
    Ok(duration)
}

/// Reads the idle time of keepalive: a duration that tcp(7) takes, or `0`.
pub fn parse_keepalive(text: &str) -> anyhow::Result<Duration> {
    const RANGE: std::ops::RangeInclusive<u64> = 1..=32_767;
    let idle = parse_duration(text)?;
    anyhow::ensure!(
        idle.is_zero() || RANGE.contains(&idle.as_secs()),
        "keepalive's idle time is between 1s and 32767s (about 9h), or 0 for off"
    );
    Ok(idle)
}

/// Prints a duration as [`parse_duration`] reads it.
pub fn format_duration(duration: Duration) -> String {
    match duration {
        Duration::ZERO => "0".to_owned(),
        duration => humantime::format_duration(duration).to_string(),
    }
}

/// Reads a size in bytes: `64KiB`, `65536`.
pub fn parse_size(text: &str) -> anyhow::Result<usize> {
    text.parse::<bytesize::ByteSize>()
        .ok()
        .and_then(|size| usize::try_from(size.as_u64()).ok())
        .with_context(|| format!("{text:?} is not a size; write it as in 64KiB or 65536"))
}

/// Reads a network: `10.0.0.0/8`, or one address.
pub fn parse_network(text: &str) -> anyhow::Result<IpNet> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .with_context(|| format!("{text:?} is not a network; write it as in 10.0.0.0/8"))
}

/// Reads the address of a name server: `127.0.0.53:53`, or one without its port.
pub fn parse_resolver(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse::<SocketAddr>()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)))
        .with_context(|| {
            format!("{text:?} is not the address of a name server; write it as in 127.0.0.53:53")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_they_print() {
        for text in ["0", "15s", "1m 30s", "250ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5400));
        assert!(parse_duration("15").unwrap_err().to_string().contains("as in 15s"));
        assert!(parse_duration("101years").unwrap_err().to_string().contains("100 years"));
        assert_eq!(parse_keepalive("0").unwrap(), Duration::ZERO);
        assert_eq!(parse_keepalive("32767s").unwrap(), Duration::from_secs(32_767));
        assert!(parse_keepalive("999ms").is_err() && parse_keepalive("32768s").is_err());
    }

    #[test]
    fn sizes_and_networks_are_read() {
        assert_eq!(parse_size("64KiB").unwrap(), 65536);
        assert_eq!(parse_size("4096").unwrap(), 4096);
        assert!(parse_size("lots").is_err());
        assert_eq!(parse_network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(parse_network("::1").unwrap().to_string(), "::1/128");
        assert!(parse_network("10.0.0.0/33").is_err());
    }

    #[test]
    fn name_servers_are_addresses_with_or_without_a_port() {
        for (text, read) in [
            ("127.0.0.53:5353", "127.0.0.53:5353"),
            ("127.0.0.53", "127.0.0.53:53"),
            ("::1", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(parse_resolver(text).unwrap().to_string(), read);
        }
        assert!(parse_resolver("dns.example").unwrap_err().to_string().contains("127.0.0.53:53"));
    }
}
