//! The program: arguments, settings, bind, run, exit code.

mod cli;
mod log;
mod signals;

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use cli::{Command, Settings};
use wssgate::config::Config;
use wssgate::demo;
use wssgate::server::{self, Outcome, Server, raise_open_files};

/// Start-up or run-time failure, or a drain that ran out of time.
const FAILURE: u8 = 1;

/// Usage or configuration error; clap's own code.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let (cli, settings) = cli::parse();
    if cli.command.is_none() && cli.serve.is_empty() && std::env::args_os().len() == 1 {
        eprint!("{}", cli::short_help());
        return ExitCode::from(USAGE);
    }
    match cli.command {
        Some(Command::Demo { listen }) => {
            log::start(&cli.log);
            return exit_code(start(demo(listen)));
        }
        Some(Command::Completions { shell }) => return print(&shell.completions()),
        Some(Command::Man) => return cli::manual().map_or(FAILURE.into(), |page| print(&page)),
        Some(Command::Check(_)) | None => {}
    }
    let config = match settings.read() {
        Ok((config, log)) => {
            log::start(&log);
            config
        }
        Err(error) => {
            eprintln!("wssgate: {error:#}");
            return ExitCode::from(USAGE);
        }
    };
    if let Some(Command::Check(_)) = cli.command {
        return match server::check(&config, &mut stdout()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) | Err(_) => ExitCode::from(FAILURE),
        };
    }
    exit_code(start(serve(config, settings)))
}

fn print(text: &[u8]) -> ExitCode {
    stdout().write_all(text).map_or(FAILURE.into(), |()| ExitCode::SUCCESS)
}

fn exit_code(ran: anyhow::Result<Outcome>) -> ExitCode {
    match ran {
        Ok(Outcome::Drained) => ExitCode::SUCCESS,
        Ok(Outcome::Cut) => ExitCode::from(FAILURE),
        Err(error) => {
            eprintln!("wssgate: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}

fn start(program: impl Future<Output = anyhow::Result<Outcome>>) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let outcome = runtime.block_on(program);
    // What a name server has not answered yet is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Config, settings: Settings) -> anyhow::Result<Outcome> {
    let orders = signals::listen()?;
    let server = Server::bind(config, raise_open_files())?;
    let source = Arc::new(move || settings.read().map(|(config, _)| config));
    server.run(orders, source).await
}

async fn demo(listen: Vec<wssgate::addr::Listen>) -> anyhow::Result<Outcome> {
    let orders = signals::listen()?;
    let upstream = demo::Upstream::bind().await?;
    let config = cli::demo_config(listen, upstream.local_addr());
    let server = Server::bind(config.clone(), raise_open_files())?;
    for (address, _) in server.addresses() {
        let port = address.rsplit(':').next().unwrap_or_default();
        eprintln!(
            "\n  open https://localhost:{port}/ (the certificate is self-signed; Ctrl-C ends)\n"
        );
    }
    tokio::select! {
        outcome = server.run(orders, Arc::new(move || Ok(config.clone()))) => outcome,
        () = upstream.run() => anyhow::bail!("the demo's upstream ended"),
    }
}
