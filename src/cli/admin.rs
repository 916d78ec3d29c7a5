//! Flags for those who look after the server.

use clap::Args;
use clap::builder::FalseyValueParser;
use wssgate::addr::Listen;
use wssgate::config::Admin;

#[derive(Debug, Args)]
#[command(next_help_heading = "Monitoring")]
pub(super) struct AdminArgs {
    /// Address to listen on for /healthz, /readyz, /metrics, /status, /tunnels and a page, in plain HTTP
    #[arg(long, env = "WSSGATE_ADMIN", hide_env_values = true, value_name = "ADDR")]
    admin: Option<Listen>,
    /// Tell open tunnels to, and end them for, who is not on this machine
    #[arg(long, env = "WSSGATE_ADMIN_ALLOW_REMOTE", hide_env_values = true,
          value_parser = FalseyValueParser::new())]
    admin_allow_remote: bool,
    /// Be ready (/readyz) only while an upstream is up
    #[arg(long, env = "WSSGATE_READY_NEEDS_UPSTREAM", hide_env_values = true,
          value_parser = FalseyValueParser::new())]
    ready_needs_upstream: bool,
}

impl AdminArgs {
    pub(super) fn admin(&self) -> Admin {
        Admin {
            listen: self.admin.clone(),
            allow_remote: self.admin_allow_remote,
            ready_needs_upstream: self.ready_needs_upstream,
        }
    }
}
