//! Replacements that cannot serve: the pair before serves on, and the log says why, once.

use std::net::SocketAddr;

use serde_json::Value;

use super::layout::Kubernetes;
use super::{Pki, shown};
use crate::support::{Binary, Issued, Leaf, TlsOptions, Validity, eventually};

const REFUSED: &str = "not reloaded, the one before serves on";

/// Said of a whole reload.
const NOTHING: &str = "reload refused, everything is as before";

/// One way in which files are broken, and what is said of it.
pub(super) struct Broken {
    pub(super) name: &'static str,
    pub(super) chain: Option<String>,
    pub(super) key: Option<String>,
    pub(super) reason: &'static str,
    /// The file that is at fault.
    pub(super) file: &'static str,
}

/// Everything that neither starts nor replaces what serves.
pub(super) fn broken(pki: &Pki) -> Vec<Broken> {
    let good = pki.issue(&["localhost"]);
    let (chain, key) = (|| Some(good.chain.clone()), || Some(good.key.clone()));
    let (leaf, issuers) = good.chain.split_at(good.chain.len() - pki.issuer.chain_pem().len());
    let text = |text: &str| Some(text.to_owned());
    let cut = |text: &str| Some(text[..text.len() * 2 / 3].to_owned());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted = good.key.replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1);
    let one = |name, chain, key, reason, file| Broken { name, chain, key, reason, file };
    vec![
        one("truncated chain", cut(leaf), key(), "parse certificates in", "tls.crt"),
        one("truncated issuer", cut(&good.chain), key(), "parse certificates in", "tls.crt"),
        one("truncated key", chain(), cut(&good.key), "parse private key", "tls.key"),
        one("mismatched", chain(), Some(pki.issue(&["a"]).key), "does not fit", "tls.key"),
        one("empty chain", text(""), key(), "no certificate in", "tls.crt"),
        one("empty key", chain(), text(""), "no private key in", "tls.key"),
        one("both empty", text(""), text(""), "no certificate in", "tls.crt"),
        one("no chain", None, key(), "No such file", "tls.crt"),
        one("no key", chain(), None, "No such file", "tls.key"),
        one("not PEM", text("to be done\n"), key(), "must be PEM", "tls.crt"),
        one("key not PEM", chain(), text("to be done\n"), "must be PEM", "tls.key"),
        one("encrypted key", chain(), text(encrypted), "is encrypted", "tls.key"),
        one("key encrypted of old", chain(), Some(old_encrypted), "is encrypted", "tls.key"),
        one("leaf last", Some(issuers.to_owned() + leaf), key(), "certificate 2", "tls.crt"),
    ]
}

/// What starts, with a line, and replaces nothing that is better.
fn refused_by_clients(pki: &Pki) -> Vec<Broken> {
    let one = |name, validity, reason| {
        let issued = pki.issuer.issue(&Leaf { validity, ..Leaf::default() });
        let (chain, key) = (Some(issued.chain), Some(issued.key));
        Broken { name, chain, key, reason, file: "tls.crt" }
    };
    vec![
        one("expired", Validity::Expired, "expired on 20"),
        one("not yet valid", Validity::NotYet, "not valid before 20"),
    ]
}

/// The program on a secret of Kubernetes', which changes both files at once.
struct Running {
    pki: Pki,
    client: TlsOptions,
    folder: tempfile::TempDir,
    mount: Kubernetes,
    binary: Binary,
    addr: SocketAddr,
    serving: Issued,
}

impl Running {
    async fn start() -> Self {
        let pki = Pki::new();
        let client = pki.client("localhost");
        let folder = tempfile::tempdir().unwrap();
        let serving = pki.issue(&["localhost"]);
        let mount = Kubernetes::new(folder.path(), &serving);
        let files = mount.files();
        let [chain, key] = [files.chain, files.key].map(|path| path.display().to_string());
        let fixed = ["--listen", "127.0.0.1:0", "--upstream", "1", "--log-format", "json"];
        let binary = Binary::start(&[&fixed[..], &["--cert", &chain, "--key", &key]].concat());
        let addr = binary.listening().await;
        Self { pki, client, folder, mount, binary, addr, serving }
    }

    fn cases(&self) -> Vec<Broken> {
        broken(&self.pki).into_iter().chain(refused_by_clients(&self.pki)).collect()
    }

    fn put(&mut self, broken: &Broken) {
        self.mount.put(broken.chain.as_deref(), broken.key.as_deref());
    }

    /// Waits until there are so many lines with this message.
    async fn lines(&self, message: &str, count: usize) -> Vec<Value> {
        let what = format!("{count} lines {message:?}");
        eventually(&what, || self.binary.lines(message).len() >= count).await;
        self.binary.lines(message)
    }

    /// Makes it look at its files and waits until it has.
    async fn look(&self) {
        self.binary.reload().await;
    }

    /// The one line about what was refused, the `count`th of its kind, and nothing else of its level.
    async fn refused(&self, count: usize, broken: &Broken) {
        let Broken { name, reason, file, .. } = *broken;
        let lines = self.lines(REFUSED, count).await;
        assert_eq!(lines.len(), count, "{name}: {lines:#?}");
        let line = &lines[count - 1];
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["what"], "certificate");
        assert_eq!(line["file"], self.mount.files().chain.display().to_string());
        let said = line["reason"].as_str().unwrap();
        assert!(said.contains(reason) && said.contains(file), "{name}: {said}");
        assert!(!said.contains('\n'), "{name}: {said}");
        let is_error = |line: &Value| line["level"] == "ERROR" && line["message"] != NOTHING;
        let errors = self.binary.json().into_iter().filter(is_error);
        assert_eq!(errors.count(), count, "{name}: {:#?}", self.binary.log());
        let shown = shown(self.addr, &self.client).await;
        assert_eq!(shown, self.serving.certificate, "{name}");
    }

    /// Puts a good pair in place, and waits until it serves.
    async fn repair(&mut self, count: usize) {
        let new = self.pki.issue(&["localhost"]);
        self.mount.swap(&new);
        let lines = self.lines("reloaded", count).await;
        assert_eq!(lines.len(), count);
        assert_eq!(lines[count - 1]["level"], "INFO");
        assert_eq!(lines[count - 1]["file"], self.mount.files().chain.display().to_string());
        // The line comes when the pair is judged, a moment before it serves.
        super::becomes(self.addr, &self.client, &self.serving, &new).await;
        self.serving = new;
    }
}

#[tokio::test]
async fn the_pair_before_serves_on_and_one_line_says_why() {
    let mut running = Running::start().await;
    for (index, broken) in running.cases().iter().enumerate() {
        running.put(broken);
        running.refused(index + 1, broken).await;
        // The same again, and more looks: it has been said.
        running.put(broken);
        running.look().await;
        running.look().await;
        running.refused(index + 1, broken).await;
        running.repair(index + 1).await;
    }
}

#[tokio::test]
async fn a_signal_to_reload_is_no_better() {
    let mut running = Running::start().await;
    for (index, broken) in running.cases().iter().enumerate() {
        running.put(broken);
        running.look().await;
        running.refused(index + 1, broken).await;
        running.look().await;
        running.refused(index + 1, broken).await;
        let new = running.pki.issue(&["localhost"]);
        running.mount.swap(&new);
        running.look().await;
        assert_eq!(running.binary.lines("reloaded").len(), index + 1);
        assert_eq!(shown(running.addr, &running.client).await, new.certificate);
        running.serving = new;
    }
}

#[tokio::test]
async fn a_mistake_that_was_taken_back_and_made_again_is_said_again() {
    let mut running = Running::start().await;
    let cases = broken(&running.pki);
    for count in 1..=2 {
        running.put(&cases[0]);
        running.look().await;
        running.refused(count, &cases[0]).await;
        let serving = running.serving.clone();
        running.mount.swap(&serving);
        running.look().await;
    }
    assert!(running.binary.lines("reloaded").is_empty(), "it has served all the time");
    // One mistake after the other, too.
    for (count, broken) in (3..).zip(&cases[..3]) {
        running.put(broken);
        running.look().await;
        running.refused(count, broken).await;
    }
}

/// That a folder is gone says nothing about the system's events.
#[tokio::test]
async fn a_folder_that_is_missing_is_no_false_alarm() {
    let running = Running::start().await;
    let away = running.folder.path().with_extension("away");
    std::fs::rename(running.folder.path(), &away).unwrap();
    running.lines(REFUSED, 1).await;
    running.look().await;
    std::fs::rename(&away, running.folder.path()).unwrap();
    running.look().await;
    let lines = running.binary.json();
    let alarm = lines.iter().find(|line| line["message"].to_string().contains("events"));
    assert!(alarm.is_none(), "{alarm:?}");
    assert_eq!(running.binary.lines(REFUSED).len(), 1);
    assert_eq!(shown(running.addr, &running.client).await, running.serving.certificate);
}
