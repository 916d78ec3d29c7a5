//! One of several programs that serve the same: who resumes whose sessions.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use super::{Binary, Client, Conversation, Upstream, certificate_arguments, echo, eventually};

/// What the upstream answers to a plain request.
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A running program before an upstream of its own.
pub(crate) struct Replica {
    pub(crate) binary: Binary,
    pub(crate) addr: SocketAddr,
}

impl Replica {
    /// Starts one with these arguments.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[]).await
    }

    /// The same with these variables.
    pub(crate) async fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        // The upstream's task goes on without its handle.
        let upstream = upstream().await.addr();
        let fixed = ["--listen", "127.0.0.1:0", "--upstream", &upstream, "--log-format", "json"];
        let [cert, key] = certificate_arguments();
        let args = [&fixed, [&*cert, &*key].as_slice(), args].concat();
        let binary = Binary::start_with(&args, variables);
        let addr = binary.listening().await;
        Self { binary, addr }
    }

    /// Opens a tunnel, and has the ticket when this returns. Whether the session of the visit before, here
    /// or at another one, was resumed: the log has to say the same.
    pub(crate) async fn resumes(&self, config: &Arc<ClientConfig>) -> bool {
        let mut client = Client::connect_with(self.addr, Arc::clone(config)).await.unwrap();
        client.upgrade().await;
        echo(&mut client, "the ticket has come before this").await;
        let own = client.0.get_ref().0.local_addr().unwrap().to_string();
        let find = || {
            let opened = self.binary.lines("tunnel opened");
            opened.into_iter().find(|line| line["client"] == own)
        };
        eventually("the tunnel's line", || find().is_some()).await;
        assert_eq!(find().unwrap()["resumed"], client.resumed());
        client.resumed()
    }

    /// How often it has taken in another ticket key.
    pub(crate) fn reloads(&self) -> usize {
        let reloaded = self.binary.lines("reloaded");
        reloaded.iter().filter(|line| line["what"] == "ticket key").count()
    }
}

/// It echoes what comes through a WebSocket, and answers anything else with a page.
async fn upstream() -> Upstream {
    Upstream::serving(|mut conversation: Conversation| async move {
        match conversation.read_head().await.contains("\r\nUpgrade: websocket\r\n") {
            true => conversation.echo().await,
            false => conversation.send(PAGE).await,
        }
        conversation
    })
    .await
}
