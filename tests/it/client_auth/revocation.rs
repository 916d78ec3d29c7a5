//! Lists of what was revoked: which of them are needed, and that none that is missing or too old lets
//! anybody in.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::AlertDescription;
use tokio_rustls::rustls;

use super::{ROBOT, Serving, ask, connector};
use crate::support::{Authority, Issued};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a client gets, and the reason in the log.
type Verdict = Option<(AlertDescription, &'static str)>;

const NO_LIST: Verdict = Some((
    AlertDescription::UnknownCA,
    "no revocation list for an authority of the client certificate",
));
const OLD_LIST: Verdict = Some((AlertDescription::UnknownCA, "a revocation list has expired"));
const REVOKED: Verdict =
    Some((AlertDescription::CertificateRevoked, "client certificate is revoked"));

/// The clients: of the root and of the one below it, each good and revoked.
struct Robots {
    of_root: [Issued; 2],
    of_below: [Issued; 2],
}

/// Writes a list of each kind.
fn prepare(dir: &Path, root: &Authority) -> Robots {
    let below = root.intermediate("below");
    let of_root = [root.issue(&ROBOT), root.issue(&ROBOT)];
    let of_below = [below.issue(&ROBOT), below.issue(&ROBOT)];
    let (tomorrow, yesterday) = (SystemTime::now() + DAY, SystemTime::now() - DAY);
    let revoked = |robots: &[Issued; 2]| [robots[1].serial.clone()];
    let write = |name: &str, crl: &str| std::fs::write(dir.join(name), crl).unwrap();
    let (of_the_root, of_the_below) =
        (root.crl(&revoked(&of_root), tomorrow), below.crl(&revoked(&of_below), tomorrow));
    write("root.crl", &of_the_root);
    write("below.crl", &of_the_below);
    write("both.crl", &(of_the_root + &of_the_below));
    write("old.crl", &root.crl(&revoked(&of_root), yesterday));
    write("other.crl", &Authority::new("other").crl(&[], tomorrow));
    Robots { of_root, of_below }
}

#[tokio::test]
async fn with_any_list_each_authority_of_a_chain_needs_one() {
    for (lists, of_root, of_below) in [
        (&[][..], [None, None], [None, None]),
        (&["root.crl", "below.crl"], [None, REVOKED], [None, REVOKED]),
        (&["below.crl,{dir}/root.crl"], [None, REVOKED], [None, REVOKED]),
        (&["both.crl"], [None, REVOKED], [None, REVOKED]),
        (&["both.crl", "other.crl"], [None, REVOKED], [None, REVOKED]),
        (&["root.crl"], [None, REVOKED], [NO_LIST, NO_LIST]),
        (&["below.crl"], [NO_LIST, NO_LIST], [NO_LIST, NO_LIST]),
        (&["other.crl"], [NO_LIST, NO_LIST], [NO_LIST, NO_LIST]),
        (&["old.crl"], [OLD_LIST, OLD_LIST], [OLD_LIST, OLD_LIST]),
        (&["old.crl", "below.crl"], [OLD_LIST, OLD_LIST], [OLD_LIST, OLD_LIST]),
    ] {
        let mut robots = None;
        let args: Vec<String> =
            lists.iter().map(|list| format!("--client-crl={{dir}}/{list}")).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let serving = Serving::start(&args, |dir, root| robots = Some(prepare(dir, root))).await;
        let robots = robots.unwrap();
        for (robots, verdicts) in [(&robots.of_root, of_root), (&robots.of_below, of_below)] {
            for (at, (robot, verdict)) in robots.iter().zip(verdicts).enumerate() {
                for version in rustls::ALL_VERSIONS {
                    let context = format!("{lists:?}, revoked: {at}, {version:?}");
                    judge(&serving, connector(version, Some(robot)), verdict, &context).await;
                }
            }
        }
    }
}

async fn judge(serving: &Serving, connector: super::Connector, verdict: Verdict, context: &str) {
    let got = ask(serving.addr, &connector, "/").await;
    let line = serving.line(got.client).await;
    assert_eq!(got.answer.err(), verdict.map(|(alert, _)| alert), "{context}: {line}");
    let reason = verdict.map_or("closed", |(_, reason)| reason);
    assert_eq!(line["reason"], reason, "{context}");
}

#[tokio::test]
async fn a_list_that_is_replaced_counts_from_the_next_handshake_on() {
    let mut robots = None;
    let serving = Serving::start(&["--client-crl={dir}/root.crl"], |dir, root| {
        robots = Some(prepare(dir, root));
    })
    .await;
    let robot = robots.unwrap().of_root[0].clone();
    let connector = || connector(&rustls::version::TLS13, Some(&robot));
    judge(&serving, connector(), None, "before").await;
    let tomorrow = SystemTime::now() + DAY;
    let revoking = serving.root.crl(std::slice::from_ref(&robot.serial), tomorrow);
    serving.reload(&[("root.crl", revoking)]).await;
    judge(&serving, connector(), REVOKED, "revoked").await;
    // One that cannot be read does not make anybody good again.
    serving.reload(&[("root.crl", String::new())]).await;
    assert_eq!(serving.binary.lines("not reloaded, the one before serves on").len(), 1);
    judge(&serving, connector(), REVOKED, "a list that is empty").await;
    serving.reload(&[("root.crl", serving.root.crl(&[], tomorrow))]).await;
    judge(&serving, connector(), None, "taken back").await;
}
