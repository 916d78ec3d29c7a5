//! The command line: clap's `Args`, whose doc comments are the help, and their way to a `Config`.
//!
//! Every flag has a variable; what is given as a flag wins, then the variable, then the default.

mod admin;
mod file;
mod limits;
mod manual;
mod probe;
mod serve;
mod settings;
mod shell;
mod tls;
mod upstream;
mod value;
mod version;

use clap::builder::FalseyValueParser;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use wssgate::addr::{Listen, Place, Upstream};
use wssgate::config::{Config, Listener};

pub(crate) use manual::manual;
pub(crate) use serve::ServeArgs;
pub(crate) use settings::Settings;
pub(crate) use shell::Shell;

/// wss in, ws out: takes TLS off WebSocket connections and passes them to a plain server.
#[derive(Debug, Parser)]
#[command(
    version,
    long_version = version::LONG,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve an embedded WebSocket echo and a page that speaks to it, to see it work
    Demo {
        /// Address to listen on
        #[arg(
            long,
            env = "WSSGATE_LISTEN",
            hide_env_values = true,
            value_name = "ADDR",
            value_delimiter = ',',
            default_value = "127.0.0.1:8443"
        )]
        listen: Vec<Listen>,
    },
    /// Verify what a start would, without listening: prints each certificate; exit code 1 when a start
    /// would fail or clients would refuse a certificate
    Check(Box<ServeArgs>),
    /// Connect to a wss:// URL as a client would and tell each step with its time: name, TCP, TLS,
    /// certificate, upgrade, ping, resumption; exit code 1 when one fails
    Probe(Box<probe::ProbeArgs>),
    /// Print completions for a shell: bash, zsh or fish
    Completions { shell: Shell },
    /// Print the manual page: wssgate man | man -l -
    Man,
    /// Ask a running server how it is; exit code 1, and one line that says why, when it is not well
    Healthcheck {
        /// Where its --admin is
        #[arg(long, env = "WSSGATE_ADMIN", hide_env_values = true, value_name = "ADDR")]
        admin: Option<Listen>,
        /// Ask whether it is ready for clients
        #[arg(long)]
        ready: bool,
    },
    /// Watch a running server in the terminal: upstreams, open tunnels, certificates, failures
    #[cfg(feature = "top")]
    Top {
        /// Where its --admin is
        #[arg(long, env = "WSSGATE_ADMIN", hide_env_values = true, value_name = "ADDR")]
        admin: Option<Listen>,
        /// Between two looks
        #[arg(long, value_name = "TIME", value_parser = value::parse_positive, default_value = "2s")]
        interval: value::Span,
    },
}

/// What concerns the process, whatever it does: its log and its sandbox.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct ProcessArgs {
    /// Form of the log on standard error
    #[arg(long, env = "WSSGATE_LOG_FORMAT", hide_env_values = true, value_name = "FORMAT",
          value_enum, default_value_t = LogFormat::Text, global = true)]
    pub(crate) log_format: LogFormat,
    /// What to log: error, warn, info, debug, trace or off
    #[arg(
        long,
        env = "WSSGATE_LOG_LEVEL",
        hide_env_values = true,
        value_name = "LEVEL",
        default_value = "info",
        global = true
    )]
    pub(crate) log_level: tracing::level_filters::LevelFilter,
    /// Do not give up the right to write, make, remove or run files (Landlock)
    #[arg(long, env = "WSSGATE_NO_SANDBOX", hide_env_values = true,
          value_parser = FalseyValueParser::new(), global = true, help_heading = "Sandbox")]
    pub(crate) no_sandbox: bool,
}

/// The forms of a log line. Variants with words of their own would make `--help` twice as long as `-h`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The short help, for a command without arguments.
pub(crate) fn short_help() -> String {
    Cli::command().render_help().to_string()
}

/// What was given, and where the rest is to be found. Ends the program when it makes no sense.
pub(crate) fn parse() -> (Cli, Settings) {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let given = match matches.subcommand() {
        Some(("check", given)) => given.clone(),
        _ => matches,
    };
    let file = match &cli.command {
        Some(Command::Check(args)) => args.config.clone(),
        _ => cli.serve.config.clone(),
    };
    let settings = Settings::new(given, file);
    (cli, settings)
}

/// The configuration of the demo: the given upstream behind a self-signed certificate.
pub(crate) fn demo_config(listen: Vec<Listen>, upstream: std::net::SocketAddr) -> Config {
    let upstream = Upstream::from(Place::Ip(upstream));
    Config::new(Listener::new(listen, vec![upstream.into()], tls::local_certificate()))
}
