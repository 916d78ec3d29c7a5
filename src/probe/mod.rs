//! A look at a WebSocket over TLS from its client's side: each step of a connection told in one line with the
//! time that it took, up to the first that fails.
//!
//! `url.rs` is what is probed, `reach.rs` the way there, `upgrade.rs` what is spoken, `report.rs` prints.

mod reach;
mod report;
mod upgrade;
mod url;

pub use url::{Url, parse_url};

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio::time::timeout;

use crate::addr::Place;
use crate::config::Files;
use crate::tls::{Certificate, Inspector, Shown};
use reach::{connect_first, resolve};
use report::{Report, Stop};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Names of a certificate that are printed.
const MAX_NAMES: usize = 5;

/// What to probe, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where a client would connect to.
    pub url: Url,
    /// The PEM file of the authorities that alone are trusted; none: the system's.
    pub ca: Option<PathBuf>,
    /// Whether a certificate that is not trusted is gone on with.
    pub insecure: bool,
    /// Where to connect to in place of the URL's host.
    pub connect: Option<Place>,
    /// The page that a browser would come from.
    pub origin: Option<String>,
    /// The subprotocols to ask for.
    pub protocols: Vec<String>,
    /// What is shown to a server that asks for a certificate.
    pub certificate: Option<Files>,
    /// For each step.
    pub timeout: Duration,
}

/// Prints each step. Returns whether all went well: an untrusted certificate is not well, even where it was
/// gone on with. Errors are those of files and of `out`.
pub async fn run(settings: &Settings, out: &mut impl Write) -> anyhow::Result<bool> {
    let inspector = Inspector::open(settings.ca.as_deref(), settings.certificate.as_ref())?;
    let mut report = Report::new(out, settings.timeout);
    match steps(settings, &inspector, &mut report).await {
        Ok(is_well) => Ok(is_well),
        Err(Stop::Failed) => Ok(false),
        Err(Stop::Out(error)) => Err(error).context("print the report"),
    }
}

async fn steps<W: Write>(
    settings: &Settings,
    inspector: &Inspector,
    report: &mut Report<'_, W>,
) -> Result<bool, Stop> {
    let Settings { url, timeout: limit, .. } = settings;
    report.say(&url.text)?;
    let place = settings.connect.as_ref().unwrap_or(&url.place);
    let targets = report.step("name", resolve(place)).await?;
    let connecting = connect_first(&targets, *limit);
    let (stream, target) = report.step_unlimited("connect", connecting).await?;
    let shaking = async {
        let (stream, shown) = inspector.connect(url.name.clone(), stream).await?;
        let text = agreed(&shown);
        Ok(((stream, shown), text))
    };
    let (mut stream, shown) = report.step("handshake", shaking).await?;
    let is_trusted = tell_certificate(settings, &shown, report)?;
    let alpn = shown.alpn.as_deref().map_or_else(|| "none".to_owned(), report::printable);
    report.fact("alpn", &alpn)?;
    let behind = report.step("upgrade", upgrade::upgrade(&mut stream, settings)).await?;
    report.step("ping", upgrade::ping(&mut stream, &behind)).await?;
    let _ = timeout(*limit, upgrade::close(stream)).await;

    let connecting = connect_first(std::slice::from_ref(&target), *limit);
    let (stream, _) = report.step_unlimited("reconnect", connecting).await?;
    let resuming = async {
        let (_, shown) = inspector.connect(url.name.clone(), stream).await?;
        let text = if shown.resumed { "the session was resumed" } else { "not resumed" };
        Ok(((), text.to_owned()))
    };
    report.step("resumption", resuming).await?;
    report.say(match is_trusted {
        true => "all is well",
        false => "all is well but for the certificate, which is not trusted",
    })?;
    Ok(is_trusted)
}

fn agreed(shown: &Shown) -> String {
    let Shown { version, cipher, group, .. } = shown;
    format!("TLS {version}, {cipher}, {}", group.unwrap_or("unknown group"))
}

/// Whether the certificate is trusted; one that is not is the end, unless it is gone on with.
fn tell_certificate<W: Write>(
    settings: &Settings,
    shown: &Shown,
    report: &mut Report<'_, W>,
) -> Result<bool, Stop> {
    let certificate = shown.certificate.as_ref().map(describe);
    report.fact("certificate", certificate.as_deref().unwrap_or("not understood"))?;
    match &shown.refusal {
        None => {
            let by = settings.ca.as_ref().map(|ca| ca.display().to_string());
            let by = by.as_deref().unwrap_or("the system's authorities");
            report.fact("trust", &format!("for {}, by {by}", settings.url.name.to_str()))?;
            Ok(true)
        }
        Some(reason) if settings.insecure => {
            report.fact("trust", &format!("none (gone on with: --insecure): {reason}"))?;
            Ok(false)
        }
        Some(reason) => {
            report.fact("trust", &format!("failed: {reason}"))?;
            Err(Stop::Failed)
        }
    }
}

fn describe(certificate: &Certificate) -> String {
    let names = &certificate.names;
    let mut listed: Vec<String> = names.iter().take(MAX_NAMES).map(ToString::to_string).collect();
    if names.len() > MAX_NAMES {
        listed.push(format!("{} more", names.len() - MAX_NAMES));
    }
    if listed.is_empty() {
        listed.push("no name".to_owned());
    }
    let now = SystemTime::now();
    let days = |time: Duration| time.as_secs() / DAY.as_secs();
    let (age, left) =
        (now.duration_since(certificate.not_before), certificate.not_after.duration_since(now));
    let validity = match (age, left) {
        (Err(early), _) => format!("valid in {} days", days(early.duration())),
        (_, Ok(left)) => format!("{} days left", days(left)),
        (_, Err(late)) => format!("expired {} days ago", days(late.duration())),
    };
    format!("for {}; by {}; {validity}", listed.join(", "), certificate.issuer())
}
