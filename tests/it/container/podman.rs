//! Images and containers of podman's: made here, and gone when their value is dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Binary, free_port, program, repository};

/// What clusters call restricted: a root that cannot be written to, no capabilities and none to gain. The limits are
/// those of any machine; podman's own are above those of some.
const STRICT: [&str; 6] = [
    "--network=host",
    "--read-only",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--ulimit=nofile=20000:20000",
    "--ulimit=nproc=4096:4096",
];

pub(super) fn podman(args: &[&str]) -> Command {
    let mut command = Command::new(program("podman"));
    command.args(["--runtime", "runc"]).args(args);
    command
}

/// What a program said that has ended well.
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// An image of this test's own.
pub(super) struct Image(pub(super) String);

impl Image {
    pub(super) fn build() -> Self {
        let image = Self(format!("localhost/wssgate-test-{}", std::process::id()));
        let mut script = Command::new(repository("deploy/image.sh"));
        eprintln!("{}", said(&script.arg(&image.0).env("ENGINE", "podman").output().unwrap()));
        image
    }

    /// One of its properties, as podman names them.
    pub(super) fn property(&self, path: &str) -> String {
        let format = format!("{{{{{path}}}}}");
        said(&podman(&["image", "inspect", "--format", &format, &self.0]).output().unwrap())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = podman(&["rmi", "--force", &self.0]).output();
    }
}

/// A running container, with the program's log.
pub(super) struct Container {
    name: String,
    pub(super) attached: Binary,
    pub(super) addr: SocketAddr,
}

impl Container {
    /// Runs the image on the network of this machine, set up by variables alone, and waits until it listens.
    pub(super) async fn run(image: &Image, secret: &Path, upstream: &str, drain: &str) -> Self {
        let listen = free_port();
        let name = format!("wssgate-test-{}-{}", std::process::id(), listen.port());
        let mut run = podman(&["run", "--name", &name]);
        run.args(STRICT).arg(format!("--volume={}:/tls:ro", secret.display()));
        for setting in [
            &format!("LISTEN={listen}"),
            &format!("UPSTREAM={upstream}"),
            &format!("DRAIN_TIMEOUT={drain}"),
            "CERT=/tls/tls.crt",
            "KEY=/tls/tls.key",
            "LOG_FORMAT=json",
            &format!("ADMIN={}", free_port()),
        ] {
            run.arg(format!("--env=WSSGATE_{setting}"));
        }
        run.arg(&image.0);
        let attached = Binary::spawn(run.into());
        // From here on it is removed whatever happens.
        let mut container = Self { name, attached, addr: listen };
        container.addr = container.attached.listening().await;
        container
    }

    /// What the image's own check says of it: its exit code.
    pub(super) fn healthcheck(&self) -> Option<i32> {
        podman(&["healthcheck", "run", &self.name]).output().unwrap().status.code()
    }

    /// The exit code of the program, run once more beside it with these arguments.
    pub(super) fn exec(&self, args: &[&str]) -> Option<i32> {
        let mut exec = podman(&["exec", &self.name, "/wssgate"]);
        exec.args(args).output().unwrap().status.code()
    }

    /// Begins to stop it as an orchestrator does: SIGTERM, and SIGKILL after half a minute.
    pub(super) fn stop(&self) -> Binary {
        Binary::spawn(podman(&["stop", "--time", "30", &self.name]).into())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = podman(&["rm", "--force", "--time", "0", &self.name]).output();
    }
}
