//! Resumption as OpenSSL and curl see it: within one program, between several, and over the end of a
//! period, with clocks that are ahead. `tickets.rs` has what needs no program that is not ours.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::process::Command;
use tokio_rustls::rustls::ALL_VERSIONS;

use super::openssl::s_client;
use crate::support::{Replica, TlsOptions, clock_of, eventually, program, repository, within};

/// The flag of s_client, what it and curl call the version, and the flags of curl.
const VERSIONS: [(&str, &str, [&str; 3]); 2] = [
    ("-tls1_2", "TLSv1.2", ["--tlsv1.2", "--tls-max", "1.2"]),
    ("-tls1_3", "TLSv1.3", ["--tlsv1.3", "--tls-max", "1.3"]),
];

/// For how long a key seals; it opens for as long again.
const PERIOD: Duration = Duration::from_secs(6 * 60 * 60);

/// How far from a period's end a clock is set, so that no test runs into it.
const MARGIN: Duration = Duration::from_secs(5 * 60);

#[tokio::test]
#[ignore = "needs OpenSSL"]
async fn openssl_resumes_at_the_program_and_at_its_replica() {
    let dir = tempfile::tempdir().unwrap();
    let (same, other) = (key_file(dir.path(), "same"), key_file(dir.path(), "other"));
    let replicas = [Replica::start(&[&same]).await, Replica::start(&[&same]).await];
    let stranger = Replica::start(&[&other]).await;
    let [one, two] = &replicas;
    for (flag, version, _) in VERSIONS {
        let visit = Visit { dir: dir.path(), flag, version };
        assert!(!visit.resumes(one).await);
        for replica in [one, two, one] {
            assert!(visit.resumes(replica).await, "{version}");
        }
        assert!(!visit.resumes(&stranger).await, "{version}");
    }
}

#[tokio::test]
#[ignore = "needs OpenSSL"]
async fn openssl_resumes_at_both_after_the_secret_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let key = key_file(dir.path(), "key");
    let replicas = [Replica::start(&[&key]).await, Replica::start(&[&key]).await];
    let [one, two] = &replicas;
    for (changes, (flag, version, _)) in (1..).zip(VERSIONS) {
        let visit = Visit { dir: dir.path(), flag, version };
        assert!(!visit.resumes(one).await);
        fs::write(dir.path().join("key"), version.repeat(8)).unwrap();
        for replica in &replicas {
            eventually("the new ticket key", || replica.reloads() == changes).await;
        }
        assert!(visit.resumes(two).await, "{version}, sealed under the secret before");
        assert!(visit.resumes(one).await, "{version}, sealed under the new one");
    }
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_resumes_by_ticket_with_tls_1_3_and_by_its_session_before() {
    let replica = Replica::start(&[]).await;
    for (_, version, flags) in VERSIONS {
        let said = curl_twice(&replica, &flags).await;
        assert_eq!(said.matches("SSL certificate verify ok.").count(), 2, "{said}");
        assert_eq!(
            said.matches(&format!("SSL connection using {version} / ")).count(),
            2,
            "{said}"
        );
        assert_eq!(said.matches("SSL re-using session ID").count(), 1, "{said}");
        // With TLS 1.2 curl wants no tickets (SSL_OP_NO_TICKET), but to be remembered.
        let tickets = if version == "TLSv1.3" { 2 } else { 0 };
        assert_eq!(said.matches("Newsession Ticket").count(), tickets, "{said}");
    }
    let requests = || replica.binary.lines("request");
    eventually("a line for each request", || requests().len() == 4).await;
    // By their connections: a line is written when its client has gone, which may be when the next has come.
    let mut requests = requests();
    requests.sort_by_key(|line| line["id"].as_u64());
    let resumed: Vec<bool> = requests.iter().map(|line| line["resumed"] == true).collect();
    assert_eq!(resumed, [false, true, false, true]);
}

#[tokio::test]
async fn sessions_outlive_the_period_of_their_key_by_another_one() {
    let dir = tempfile::tempdir().unwrap();
    let key = key_file(dir.path(), "key");
    // The first minutes of one period, the last of the next, and the first of the one after.
    let first = replica_at(&key, MARGIN).await;
    let second = replica_at(&key, 2 * PERIOD - MARGIN).await;
    let third = replica_at(&key, 2 * PERIOD + MARGIN).await;
    for version in ALL_VERSIONS {
        let config = TlsOptions { versions: vec![version], ..TlsOptions::default() }.config();
        for (replica, resumes, why) in [
            (&first, false, "the very first visit"),
            (&second, true, "a ticket of nearly twelve hours"),
            (&first, true, "a ticket of a clock that is ahead"),
            (&third, false, "a ticket of more than twelve hours"),
            (&first, false, "a ticket of a clock that is too far ahead"),
            (&second, true, "a ticket of nearly twelve hours"),
            (&third, true, "a ticket of the period before"),
        ] {
            assert_eq!(replica.resumes(&config).await, resumes, "{why}, {version:?}");
        }
    }
}

/// What s_client needs to come again: where it keeps its session.
struct Visit<'a> {
    dir: &'a Path,
    flag: &'a str,
    version: &'a str,
}

impl Visit<'_> {
    /// Whether the session of the visit before was resumed; the program's log has to say the same, and one
    /// ticket comes with each handshake.
    async fn resumes(&self, replica: &Replica) -> bool {
        let file = self.dir.join(self.version).display().to_string();
        let mut args = vec![self.flag, "-msg", "-sess_out", &file];
        if Path::new(&file).exists() {
            args.extend(["-sess_in", &file]);
        }
        let before = replica.binary.lines("request").len();
        let said = s_client(replica.addr, &args).await;
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        assert_eq!(said.matches(", NewSessionTicket\n").count(), 1, "{said}");
        let [resumed, full] =
            ["Reused", "New"].map(|kind| said.contains(&format!("\n{kind}, {}, ", self.version)));
        assert!(resumed != full, "{said}");
        eventually("the request's line", || replica.binary.lines("request").len() > before).await;
        let line = replica.binary.lines("request").pop().unwrap();
        assert_eq!(line["resumed"], resumed, "{line}");
        resumed
    }
}

/// What curl says of two requests, each over a connection of its own.
async fn curl_twice(replica: &Replica, flags: &[&str]) -> String {
    let ca = repository("certs/ca.pem").display().to_string();
    let url = format!("https://localhost:{}/", replica.addr.port());
    let header = "Connection: close";
    let common = ["--silent", "--verbose", "--noproxy", "*", "--ipv4", "--header", header];
    let request = [&common, flags, &["--cacert", &ca, &url]].concat();
    let mut command = Command::new(program("curl"));
    command.arg("--disable").args(&request).arg("--next").args(&request).kill_on_drop(true);
    let output = within("curl", command.output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One whose clock says so much more than the begin of the period that it is now.
async fn replica_at(key: &str, since: Duration) -> Replica {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let shift = since.as_secs().cast_signed() - (now % PERIOD.as_secs()).cast_signed();
    let shifted = UNIX_EPOCH + Duration::from_secs(now.saturating_add_signed(shift));
    let clock = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clock{shift}"));
    fs::write(&clock, shift.to_string()).unwrap();
    let variables = clock_of(&clock).await;
    let variables = variables.each_ref().map(|(name, value)| (*name, &**value));
    let replica = Replica::start_with(&[key], &variables).await;
    let line = replica.binary.line("listening").await;
    let said = humantime::parse_rfc3339(line["timestamp"].as_str().unwrap()).unwrap();
    assert!(said >= shifted && said < shifted + MARGIN / 2, "{line}");
    replica
}

/// The flag for a file, which is written.
fn key_file(dir: &Path, name: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, name.repeat(48)).unwrap();
    format!("--ticket-key-file={}", path.display())
}
