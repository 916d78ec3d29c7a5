//! A network namespace at the end of a link that can be cut, so that nothing comes back: no answer, no
//! refusal, no FIN. Needs root and ip(8).

use std::process::Command as Blocking;

use tokio::process::Command;

use crate::support::program;

/// A namespace and the link to it; both are gone when it is dropped.
pub(super) struct Namespace {
    name: String,
    link: String,
    number: u8,
}

impl Namespace {
    pub(super) fn new() -> Self {
        let pid = std::process::id();
        // One of 250 networks: two runs at a time are unlikely to meet.
        let number = u8::try_from(pid % 250).unwrap();
        let namespace = Self { name: format!("wssgate-{pid}"), link: format!("wg{pid}"), number };
        let Self { name, link, .. } = &namespace;
        let (near, far) = (namespace.host(1), namespace.host(2));
        // Of a run that was killed.
        let _ = Blocking::new(program("ip")).args(["link", "del", link]).output();
        ip(&format!("netns add {name}"));
        ip(&format!("link add {link} type veth peer name far netns {name}"));
        ip(&format!("addr add {near}/30 dev {link}"));
        ip(&format!("link set {link} up"));
        ip(&format!("-n {name} addr add {far}/30 dev far"));
        ip(&format!("-n {name} link set far up"));
        namespace
    }

    /// Where one may listen in it.
    pub(super) fn addr(&self) -> String {
        format!("{}:0", self.host(2))
    }

    /// A command that runs a program in it.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program("ip"));
        command.args(["netns", "exec", &self.name]).arg(program(name));
        command
    }

    /// From now on nothing comes through.
    pub(super) fn cut(&self) {
        ip(&format!("-n {} link set far down", self.name));
    }

    fn host(&self, last: u8) -> String {
        format!("10.213.{}.{last}", self.number)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for args in [["link", "del", &self.link], ["netns", "del", &self.name]] {
            let _ = Blocking::new(program("ip")).args(args).output();
        }
    }
}

fn ip(line: &str) {
    let output = Blocking::new(program("ip")).args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}
