//! The programs that are compared: where they are, which version, and the command that starts each of them as terminator
//! with two workers. Their configuration files are in `peers/`, with @PLACEHOLDERS@ that are filled in here; they are read
//! when they are needed, so that trying another setting takes no build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

/// A program that can stand between client and upstream.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Program {
    /// The one of this repository.
    Wssgate,
    /// `peers/nginx.conf`
    Nginx,
    /// `peers/haproxy.cfg`
    Haproxy,
    /// `peers/hitch.conf`
    Hitch,
    /// No terminator: the relay of `relay.rs`, without TLS.
    Floor,
}

/// A program that was found on this machine.
pub(crate) struct Installed {
    pub(crate) program: Program,
    /// Empty for the floor.
    pub(crate) version: String,
    path: PathBuf,
}

/// Where a started program finds things.
pub(crate) struct Place<'a> {
    /// Where the configuration files come from.
    pub(crate) peers: &'a Path,
    /// Holds the certificate files and takes the configuration file.
    pub(crate) dir: &'a Path,
    /// The port to listen on.
    pub(crate) port: u16,
    /// The port of the origin.
    pub(crate) origin: u16,
    /// What it has to be ready for.
    pub(crate) room: Room,
}

/// What a program has to be ready for.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    /// Tunnels that must be possible at once.
    pub(crate) tunnels: usize,
    /// Whether bulk data will be sent: lines of the configuration files that begin with #bulk count then.
    pub(crate) bulk: bool,
}

impl Program {
    pub(crate) const ALL: [Self; 5] =
        [Self::Wssgate, Self::Nginx, Self::Haproxy, Self::Hitch, Self::Floor];

    /// The name as its makers write it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Wssgate => "wssgate",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Hitch => "hitch",
            Self::Floor => "floor",
        }
    }

    fn find(self) -> Result<PathBuf> {
        match self {
            Self::Wssgate => return Ok(PathBuf::from(env!("CARGO_BIN_EXE_wssgate"))),
            Self::Floor => return std::env::current_exe().context("find this very program"),
            Self::Nginx | Self::Haproxy | Self::Hitch => (),
        }
        let file = self.title().to_lowercase();
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Daemons live in sbin, which is not in everybody's PATH.
        std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/local/sbin"), PathBuf::from("/usr/sbin")])
            .map(|dir| dir.join(&file))
            .find(|path| path.is_file())
            .context("not installed")
    }
}

impl Installed {
    /// Looks for it, and asks it for its version.
    pub(crate) fn find(program: Program) -> Result<Self> {
        let path = program.find()?;
        let mut installed = Self { program, version: String::new(), path };
        if program != Program::Floor {
            let output = installed.version_command().output();
            let output = output.with_context(|| format!("run {}", installed.path.display()))?;
            // nginx answers on stderr.
            let text = [output.stdout, output.stderr].concat();
            installed.version =
                version(&String::from_utf8_lossy(&text)).context("no version in its answer")?;
        }
        Ok(installed)
    }

    /// The command that asks it for its version.
    pub(crate) fn version_command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(match self.program {
            Program::Wssgate | Program::Hitch | Program::Floor => "--version",
            Program::Nginx | Program::Haproxy => "-v",
        });
        command
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Title and version, as the head of a column.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.program.title(), self.version).trim_end().to_owned()
    }

    /// The command that runs it in the foreground, its configuration file written.
    pub(crate) fn command(&self, place: &Place) -> Result<Command> {
        let mut command = Command::new(&self.path);
        // No setting of the caller's shell gets in.
        command.env_clear();
        match self.program {
            Program::Wssgate => {
                // As many workers as the others have, also on a machine with more cores.
                command.env("TOKIO_WORKER_THREADS", "2");
                command.arg("--listen").arg(format!("127.0.0.1:{}", place.port));
                command.arg("--cert").arg(place.dir.join("chain.pem"));
                command.arg("--key").arg(place.dir.join("key.pem"));
                command.arg("--upstream").arg(format!("127.0.0.1:{}", place.origin));
                command.args(["--log-level", "warn"]);
            }
            Program::Nginx => {
                let file = place.write("nginx.conf")?;
                command.arg("-p").arg(place.dir).arg("-e").arg("stderr").arg("-c").arg(file);
            }
            Program::Haproxy => {
                let file = place.write("haproxy.cfg")?;
                command.arg("-db").arg("-f").arg(file);
            }
            Program::Hitch => {
                let file = place.write("hitch.conf")?;
                command.arg(format!("--config={}", file.display()));
            }
            Program::Floor => {
                command.arg("--relay").arg(place.port.to_string());
                command.arg("--origin").arg(place.origin.to_string());
            }
        }
        Ok(command)
    }
}

impl Place<'_> {
    fn write(&self, name: &str) -> Result<PathBuf> {
        let template = self.peers.join(name);
        let template = fs::read_to_string(&template)
            .with_context(|| format!("read {}", template.display()))?;
        let user = if rustix::process::geteuid().is_root() { "nobody" } else { "" };
        // Some more than the idle tunnels: those of the probe, and those that are just being closed.
        let connections = self.room.tunnels + 200;
        let template = if self.room.bulk { template.replace("#bulk ", "") } else { template };
        let text = template
            .replace("@DIR@", &self.dir.display().to_string())
            .replace("@PORT@", &self.port.to_string())
            .replace("@ORIGIN@", &self.origin.to_string())
            .replace("@CONNECTIONS@", &connections.to_string())
            .replace("@DESCRIPTORS@", &(2 * connections).to_string())
            .replace("@USER@", user);
        let path = self.dir.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

/// The first thing in `text` that looks like a version: digits and dots.
fn version(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || c == '/' || c == '-')
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        .map(str::to_owned)
}
