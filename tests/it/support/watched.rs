//! The program under load: the release build where there is one, looked at from outside: its metrics, its
//! descriptors, its memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::process::Command;
use wssgate::admin;

use super::{Binary, certificate_arguments, repository, until, within};

/// A running program that is looked at.
pub(crate) struct Watched {
    pub(crate) binary: Binary,
    pub(crate) addr: SocketAddr,
    pub(crate) admin: String,
}

/// Every sample of the metrics, by its name and labels.
#[derive(Clone, Debug)]
pub(crate) struct Samples(pub(crate) BTreeMap<String, f64>);

impl Watched {
    /// Starts it before this upstream, with these arguments.
    pub(crate) async fn start(upstream: &str, args: &[&str]) -> Self {
        Self::start_by(Binary::command(&program_under_load()), upstream, args).await
    }

    /// The same after these words of the shell: `ulimit -n 256` for one.
    pub(crate) async fn start_after(words: &str, upstream: &str, args: &[&str]) -> Self {
        let mut command = Binary::command("sh");
        command.args(["-c", &format!("{words}\nexec \"$0\" \"$@\""), &program_under_load()]);
        Self::start_by(command, upstream, args).await
    }

    /// The same by a command that takes the arguments.
    pub(crate) async fn start_by(mut command: Command, upstream: &str, args: &[&str]) -> Self {
        command.args(["--listen", "127.0.0.1:0", "--upstream", upstream]);
        command.args(["--admin", "127.0.0.1:0", "--log-format", "json"]);
        command.args(certificate_arguments()).args(args);
        let binary = Binary::spawn(command);
        let addr = binary.listening().await;
        let admin = binary.line("admin listening").await;
        let admin = admin["listener"].as_str().unwrap().to_owned();
        binary.watches().await;
        Self { binary, addr, admin }
    }

    /// Every sample now.
    pub(crate) async fn samples(&self) -> Samples {
        Samples::of(&self.admin).await
    }

    /// Waits until a sum of samples is this.
    pub(crate) async fn until(&self, name: &str, value: f64) {
        Samples::until(&self.admin, name, value).await;
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        self.binary.descriptors().len()
    }

    /// Resident memory now.
    pub(crate) fn rss_kib(&self) -> u64 {
        self.binary.status_kib("VmRSS")
    }

    /// Resident memory when it was most.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.binary.status_kib("VmHWM")
    }
}

impl Samples {
    /// Those of a program, by its admin listener.
    pub(crate) async fn of(admin: &str) -> Self {
        let asking = admin::client::Client::new(&admin.parse().unwrap()).unwrap();
        let answer = within("the metrics", asking.get("/metrics")).await.unwrap();
        Self::parse(std::str::from_utf8(&answer).unwrap())
    }

    /// Those of a text in the format of Prometheus.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        Self(lines.map(sample).collect())
    }

    /// Fails when a counter is less than it was before, or gone.
    pub(crate) fn assert_risen_since(&self, Self(before): &Self) {
        let is_counter = |name: &str| {
            let family = name.split('{').next().unwrap();
            ["_total", "_count", "_sum", "_bucket"].iter().any(|end| family.ends_with(end))
        };
        for (name, value) in before.iter().filter(|(name, _)| is_counter(name)) {
            let now = self.0.get(name).unwrap_or_else(|| panic!("{name} is gone"));
            assert!(now >= value, "{name} fell from {value} to {now}");
        }
    }

    /// Waits until a sum of those of a program, by its admin listener, is this.
    pub(crate) async fn until(admin: &str, name: &str, value: f64) {
        let is_it = || async { Self::of(admin).await.sum(name) == value };
        until(&format!("{name} is {value}"), is_it).await;
    }

    /// The sum of all that begin so: a family's, or some of its labels'.
    pub(crate) fn sum(&self, prefix: &str) -> f64 {
        let of_it = self.0.iter().filter(|(name, _)| name.starts_with(prefix));
        of_it.map(|(_, value)| value).sum()
    }
}

/// The program to put under load: the release build, if there is one.
pub(crate) fn program_under_load() -> String {
    let under_test = || PathBuf::from(env!("CARGO_BIN_EXE_wssgate"));
    release_build().unwrap_or_else(under_test).display().to_string()
}

/// `release build`, or that there is none.
pub(crate) fn build_name() -> &'static str {
    if release_build().is_some() { "release build" } else { "no release build: the one under test" }
}

/// The release build, if there is one that is as new as the sources.
pub(crate) fn release_build() -> Option<PathBuf> {
    let release = repository("target/release/wssgate");
    let newest = newest(&repository("src")).max(modified(&repository("Cargo.lock")));
    (modified(&release) >= newest).then_some(release)
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

fn newest(dir: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { newest(&path) } else { modified(&path) }).max().flatten()
}
