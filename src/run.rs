//! The commands that serve, each to its end: whether all had ended by itself.

use std::sync::Arc;
#[cfg(feature = "top")]
use std::time::Duration;

use anyhow::Context as _;
use wssgate::addr::Listen;
#[cfg(feature = "top")]
use wssgate::admin::client::Client;
use wssgate::config::Config;
use wssgate::demo;
use wssgate::net::take_over_passed;
use wssgate::server::{Outcome, Server, raise_open_files};
use wssgate::tls;
#[cfg(feature = "top")]
use wssgate::top;

use crate::cli::{self, Settings};
use crate::{memory, sandbox, signals, systemd};

/// Runs a program on a runtime of its own, with a thread for each core that the process may use.
pub(crate) fn start<T>(program: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let ran = runtime.block_on(program);
    // What a name server has not answered yet is not waited for.
    runtime.shutdown_background();
    ran
}

/// Serves what `config` says, and after each SIGHUP what `settings` say then.
pub(crate) fn serve(config: Config, no_sandbox: bool, settings: Settings) -> anyhow::Result<bool> {
    take_over_passed();
    let key_log = config.listeners.iter().any(|listener| listener.tls.key_log);
    let key_log = key_log.then(tls::key_log_file).transpose()?;
    let listen =
        config.listeners.iter().flat_map(|one| one.listen.iter().chain(&one.redirect_http));
    let listen = listen.chain(&config.admin.listen);
    let sandbox = sandbox::enter(no_sandbox, listen, key_log.as_deref());
    memory::give_back();
    start(async {
        let orders = signals::listen()?;
        let server = Server::bind(config, raise_open_files())?;
        sandbox.report();
        let source = Arc::new(move || settings.read().map(|(config, _)| config));
        tokio::spawn(systemd::feed_watchdog());
        Ok(server.telling(systemd::tell).run(orders, source).await? == Outcome::Drained)
    })
}

/// Shows a running server in the terminal until its user leaves.
#[cfg(feature = "top")]
pub(crate) fn top(client: &Client, interval: Duration) -> anyhow::Result<bool> {
    start(top::run(async |path| client.get(path).await, interval)).map(|()| true)
}

/// Serves the embedded upstream.
pub(crate) fn demo(listen: Vec<Listen>, no_sandbox: bool) -> anyhow::Result<bool> {
    take_over_passed();
    let sandbox = sandbox::enter(no_sandbox, listen.iter(), None);
    memory::give_back();
    start(async {
        let orders = signals::listen()?;
        let upstream = demo::Upstream::bind().await?;
        let config = cli::demo_config(listen, upstream.local_addr());
        let server = Server::bind(config.clone(), raise_open_files())?;
        sandbox.report();
        for (address, _) in server.addresses() {
            let port = address.rsplit(':').next().unwrap_or_default();
            eprintln!(
                "\n  open https://localhost:{port}/ (the certificate is self-signed; Ctrl-C ends)\n"
            );
        }
        tokio::select! {
            outcome = server.run(orders, Arc::new(move || Ok(config.clone()))) => {
                Ok(outcome? == Outcome::Drained)
            }
            () = upstream.run() => anyhow::bail!("the demo's upstream ended"),
        }
    })
}
