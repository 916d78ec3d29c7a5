//! Programs that are not ours, each a process of its own: clients, servers and applications, and the
//! scripts beside the tests that drive them.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OnceCell;

use super::{eventually, repository, within};

/// A running process. Killed when dropped; until then what it writes to standard error is kept.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: File,
}

impl Process {
    /// Starts a program.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        let errors = tempfile::tempfile().unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { name: name.to_owned(), child, lines, errors }
    }

    /// Starts a Python script of `tests/it/`: it says what it has to say as lines of JSON.
    pub(crate) fn python(script: &str, args: &[&str]) -> Self {
        let mut command = Command::new(installed("venv/bin/python3"));
        // Nothing is left in the repository.
        command.arg("-B").arg(repository("tests/it").join(script)).args(args);
        Self::start(script, command)
    }

    /// The same for Node. Its packages it finds by itself, Chromium and whom to trust are told to it.
    pub(crate) fn node(script: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program("node"));
        command
            .arg(repository("tests/it").join(script))
            .args(args)
            .env("CHROMIUM", program("chromium"))
            .env("NODE_EXTRA_CA_CERTS", repository("certs/ca.pem"));
        Self::start(script, command)
    }

    /// Its next line. Should it end instead, the panic says what it wrote to standard error.
    pub(crate) async fn line(&mut self) -> serde_json::Value {
        let line = within(&format!("a line of {}", self.name), self.lines.next_line()).await;
        match line.unwrap() {
            Some(line) => serde_json::from_str(&line).unwrap(),
            None => panic!("{} has nothing more to say: {}", self.name, self.errors()),
        }
    }

    /// Its one line, once it has ended without an error.
    pub(crate) async fn result(mut self) -> serde_json::Value {
        let line = self.line().await;
        let status = within(&format!("the end of {}", self.name), self.child.wait()).await.unwrap();
        assert!(status.success(), "{}: {status}: {}", self.name, self.errors());
        line
    }

    /// Where it listens, as its first line says.
    pub(crate) async fn listening(&mut self) -> String {
        self.line().await["listening"].as_str().unwrap().to_owned()
    }

    /// Waits until it listens there.
    pub(crate) async fn listens(&mut self, addr: SocketAddr) {
        eventually(&format!("{} listens", self.name), || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}: {ended:?}: {}", self.name, self.errors());
            TcpStream::connect(addr).is_ok()
        })
        .await;
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    fn errors(&self) -> String {
        let mut bytes = Vec::new();
        let mut file = &self.errors;
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A port for those who cannot say which one the kernel chose for them. It is none that the kernel gives to others
/// meanwhile (ip_local_port_range, see ip(7)), and no other test's.
pub(crate) fn free_port() -> SocketAddr {
    const PORTS: std::ops::Range<u32> = 12_000..32_000;
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Runs that are started one after the other begin far from each other.
        let offset =
            id().wrapping_mul(997).wrapping_add(COUNT.fetch_add(1, Relaxed)) % PORTS.len() as u32;
        let port = u16::try_from(PORTS.start + offset).unwrap();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// A program of this machine. Daemons live in sbin, which is not in everybody's PATH.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: .ci/run installs it"))
}

/// Something that was installed for tests alone.
pub(crate) fn installed(path: &str) -> PathBuf {
    let path = repository("target/interop").join(path);
    assert!(path.exists(), "{} is missing: .ci/run installs it", path.display());
    path
}

/// The variables of a program whose time of day is ahead by the seconds that `file` says, whenever they are written.
pub(crate) async fn clock_of(file: &Path) -> [(&'static str, String); 2] {
    static LIBRARY: OnceCell<String> = OnceCell::const_new();
    let build = || async {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-{}.so", id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library);
        compiler.arg(repository("tests/it/support/clock.c"));
        assert!(compiler.status().await.expect("a C compiler").success());
        library.display().to_string()
    };
    let library = LIBRARY.get_or_init(build).await.clone();
    [("LD_PRELOAD", library), ("CLOCK_AHEAD_FILE", file.display().to_string())]
}
