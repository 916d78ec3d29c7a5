//! The program: arguments, settings, one of its commands, exit code.

mod cli;
mod healthcheck;
mod log;
mod memory;
mod run;
mod sandbox;
mod signals;
mod systemd;

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use cli::{Command, ProcessArgs, Settings};
use wssgate::config::Config;
use wssgate::{probe, server};

/// Start-up or run-time failure, or a drain that ran out of time.
const FAILURE: u8 = 1;

/// Usage or configuration error; clap's own code.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let (cli, settings) = cli::parse();
    if cli.command.is_none() && cli.serve.is_empty() && std::env::args_os().len() == 1 {
        eprint!("{}", cli::short_help());
        return USAGE.into();
    }
    match cli.command {
        None => configured(&settings, |config, process| {
            run::serve(config, process.no_sandbox, settings.clone())
        }),
        Some(Command::Check(_)) => {
            configured(&settings, |config, _| Ok(server::check(&config, &mut stdout())?))
        }
        Some(Command::Demo { listen }) => {
            log::start(&cli.process);
            exit_code(run::demo(listen, cli.process.no_sandbox))
        }
        Some(Command::Probe(args)) => {
            log::start(&cli.process);
            exit_code(run::start(probe::run(&args.into_settings(), &mut stdout())))
        }
        Some(Command::Completions { shell }) => print(&shell.completions()),
        Some(Command::Man) => cli::manual().map_or(FAILURE.into(), |page| print(&page)),
        Some(Command::Healthcheck { admin, ready }) => healthcheck::run(admin.as_ref(), ready),
        #[cfg(feature = "top")]
        Some(Command::Top { admin, interval }) => match healthcheck::client(admin.as_ref()) {
            Ok(client) => exit_code(run::top(&client, interval.0)),
            Err(code) => code,
        },
    }
}

/// Runs what needs a configuration.
fn configured(
    settings: &Settings,
    act: impl FnOnce(Config, &ProcessArgs) -> anyhow::Result<bool>,
) -> ExitCode {
    match settings.read() {
        Ok((config, process)) => {
            log::start(&process);
            exit_code(act(config, &process))
        }
        Err(error) => {
            eprintln!("wssgate: {error:#}");
            USAGE.into()
        }
    }
}

fn print(text: &[u8]) -> ExitCode {
    stdout().write_all(text).map_or(FAILURE.into(), |()| ExitCode::SUCCESS)
}

/// Whether all went well.
fn exit_code(ran: anyhow::Result<bool>) -> ExitCode {
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => FAILURE.into(),
        Err(error) => {
            eprintln!("wssgate: {error:#}");
            FAILURE.into()
        }
    }
}
