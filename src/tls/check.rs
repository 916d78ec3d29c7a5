//! What a start would find in the files: told, not served.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use super::connector::Connector;
use super::files::{open_pair, open_ticket_key, open_trust};
use super::pair::Pair;
use super::settings::Settings;
use super::store::Store;
use super::x509::Certificate;
use crate::config::{Certificates, Tls, UpstreamTls};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Prints what every file holds and all that is wrong with it, not only the first. Returns whether a
/// start would succeed, with certificates that clients do not refuse. Blocks.
pub fn check(tls: &Tls, out: &mut impl Write) -> io::Result<bool> {
    let mut report = Report { out, is_well: true };
    report.certificates(&tls.certificates)?;
    match Settings::new(tls) {
        Ok(settings) => report.rest(tls, &settings)?,
        Err(error) => report.error(&error)?,
    }
    // What only shows when everything is put together.
    if report.is_well
        && let Err(error) = Store::open(tls)
    {
        report.error(&error)?;
    }
    Ok(report.is_well)
}

/// Prints whether TLS to upstreams can be spoken. Returns whether a start would succeed. Blocks.
pub fn check_upstream(settings: &UpstreamTls, out: &mut impl Write) -> io::Result<bool> {
    let mut report = Report { out, is_well: true };
    report.title("TLS to upstreams")?;
    match &settings.ca {
        _ if settings.insecure => {
            report.line("warning", "certificates are not verified: --upstream-insecure")?;
        }
        Some(path) => report.line("trusts", &path.display().to_string())?,
        None => report.line("trusts", "the system's authorities")?,
    }
    if let Some(files) = &settings.certificate {
        report.line("shows", &files.chain.display().to_string())?;
    }
    if let Err(error) = Connector::open(settings) {
        report.error(&error)?;
    }
    Ok(report.is_well)
}

struct Report<'o, W> {
    out: &'o mut W,
    is_well: bool,
}

impl<W: Write> Report<'_, W> {
    fn certificates(&mut self, certificates: &Certificates) -> io::Result<()> {
        let files = match certificates {
            Certificates::Files(files) => files,
            Certificates::SelfSigned(names) => {
                self.title("certificate, made at each start")?;
                return self.line("names", &names.join(", "));
            }
        };
        for files in files {
            self.title(&format!("certificate {}", files.chain.display()))?;
            match open_pair(files) {
                Ok(slot) => self.pair(slot.serving())?,
                Err(error) => self.error(&error)?,
            }
        }
        Ok(())
    }

    fn pair(&mut self, pair: &Pair) -> io::Result<()> {
        let names: Vec<String> = pair.leaf.names.iter().map(ToString::to_string).collect();
        self.line("names", &names.join(", "))?;
        self.dates(&pair.leaf)?;
        self.line("key", &pair.leaf.key)?;
        self.line("sha256", &pair.fingerprint())?;
        for problem in pair.problems(SystemTime::now()) {
            self.is_well &= !problem.is_error;
            self.line(if problem.is_error { "error" } else { "warning" }, &problem.text)?;
        }
        if pair.is_development() {
            self.line("warning", "wssgate's development key, which everybody has")?;
        }
        Ok(())
    }

    fn rest(&mut self, tls: &Tls, settings: &Settings) -> io::Result<()> {
        if let Some(config) = &tls.client_auth {
            self.title(&format!("client authorities {}", config.ca.display()))?;
            match open_trust(config, settings) {
                Ok(slot) => {
                    for authority in &slot.serving().authorities {
                        self.line("subject", &authority.subject)?;
                        self.dates(authority)?;
                    }
                    self.line("lists", &format!("{} with revocations", config.crls.len()))?;
                }
                Err(error) => self.error(&error)?,
            }
        }
        if let Some(path) = &tls.ticket_key_file {
            self.title(&format!("ticket key {}", path.display()))?;
            match open_ticket_key(path) {
                Ok(slot) => {
                    self.line("secret", "long enough")?;
                    if slot.serving().is_public {
                        self.line(
                            "warning",
                            "everybody on this machine can read it: chmod o-r it",
                        )?;
                    }
                }
                Err(error) => self.error(&error)?,
            }
        }
        if let Some(path) = &settings.key_log_file {
            self.title(&format!("key log {}", path.display()))?;
            self.line("warning", "who reads it can read the traffic")?;
        }
        Ok(())
    }

    fn dates(&mut self, certificate: &Certificate) -> io::Result<()> {
        let date = humantime::format_rfc3339_seconds;
        let (from, to) = (date(certificate.not_before), date(certificate.not_after));
        let left = match certificate.not_after.duration_since(SystemTime::now()) {
            Ok(left) => format!("{} days left", left.as_secs() / DAY.as_secs()),
            Err(_) => "over".to_owned(),
        };
        self.line("valid", &format!("{from} to {to}, {left}"))
    }

    fn title(&mut self, title: &str) -> io::Result<()> {
        writeln!(self.out, "{title}")
    }

    fn error(&mut self, error: &anyhow::Error) -> io::Result<()> {
        self.is_well = false;
        self.line("error", &format!("{error:#}"))
    }

    fn line(&mut self, label: &str, text: &str) -> io::Result<()> {
        writeln!(self.out, "  {label:<8} {text}")
    }
}
