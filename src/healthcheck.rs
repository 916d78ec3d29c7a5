//! `wssgate healthcheck`: asks a running server how it is, for containers without curl.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;
use wssgate::addr::Listen;
use wssgate::admin::client::Client;

use crate::{FAILURE, USAGE};

/// For all of it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Who asks at `admin`; says in one line what is wrong with that.
pub(crate) fn client(admin: Option<&Listen>) -> Result<Client, ExitCode> {
    let known = admin.context("no address: say where --admin is, or set WSSGATE_ADMIN");
    known.and_then(Client::new).map_err(|error| fail(&error, USAGE))
}

/// Asks who listens at `admin`; says in one line what is wrong.
pub(crate) fn run(admin: Option<&Listen>, is_ready: bool) -> ExitCode {
    let client = match client(admin) {
        Ok(client) => client,
        Err(code) => return code,
    };
    match ask(&client, if is_ready { "/readyz" } else { "/healthz" }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, FAILURE),
    }
}

fn ask(client: &Client, path: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start the runtime")?;
    let answer = runtime.block_on(async { timeout(TIMEOUT, client.get(path)).await });
    // A name server that does not answer is not waited for.
    runtime.shutdown_background();
    answer.ok().with_context(|| format!("no answer within {TIMEOUT:?}"))??;
    Ok(())
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("wssgate: {error:#}");
    ExitCode::from(code)
}
