//! An upstream that writes down every byte it gets and answers as it is told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::within;

/// A listening upstream. Its connections are handed out one by one.
pub(crate) struct Upstream {
    addr: SocketAddr,
    conversations: mpsc::UnboundedReceiver<Conversation>,
}

/// One connection that the proxy has opened.
pub(crate) struct Conversation {
    pub(crate) stream: TcpStream,
    /// Everything received so far.
    pub(crate) received: Vec<u8>,
    /// Its place in the order in which connections were accepted; they may end in another.
    pub(crate) number: usize,
}

impl Upstream {
    /// An upstream whose connections the test serves itself, by [`Upstream::accept`].
    pub(crate) async fn manual() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, conversations) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                stream.set_nodelay(true).unwrap();
                if sender.send(Conversation { stream, received: Vec::new(), number }).is_err() {
                    return;
                }
            }
        });
        Self { addr, conversations }
    }

    /// An upstream that reads each connection's head, answers it with `response`, reads on to the end
    /// and closes; [`Upstream::accept`] returns each one then, with all that it got.
    pub(crate) async fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<[u8]> = response.into().into();
        Self::serving(move |mut conversation: Conversation| {
            let response = Arc::clone(&response);
            async move {
                conversation.read_head().await;
                let _ = conversation.stream.write_all(&response).await;
                conversation.read_to_end().await;
                conversation
            }
        })
        .await
    }

    /// An upstream that agrees to every [`super::upgrade_request`] and sends back what it gets.
    pub(crate) async fn echo() -> Self {
        Self::serving(|mut conversation: Conversation| async move {
            conversation.read_head().await;
            conversation.echo().await;
            conversation
        })
        .await
    }

    /// An upstream that serves each connection by `serve` in a task of its own.
    pub(crate) async fn serving<F, S>(serve: S) -> Self
    where
        S: Fn(Conversation) -> F + Send + Sync + 'static,
        F: Future<Output = Conversation> + Send + 'static,
    {
        let mut manual = Self::manual().await;
        let (sender, conversations) = mpsc::unbounded_channel();
        let addr = manual.addr;
        tokio::spawn(async move {
            while let Some(conversation) = manual.conversations.recv().await {
                let serving = serve(conversation);
                let sender = sender.clone();
                tokio::spawn(async move {
                    let _ = sender.send(serving.await);
                });
            }
        });
        Self { addr, conversations }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> String {
        self.addr.to_string()
    }

    /// The next connection.
    pub(crate) async fn accept(&mut self) -> Conversation {
        within("a connection to the upstream", self.conversations.recv()).await.unwrap()
    }

    /// The next connection, however late it comes.
    pub(crate) async fn next(&mut self) -> Option<Conversation> {
        self.conversations.recv().await
    }

    /// A connection that is there already; none when nobody came.
    pub(crate) fn accepted(&mut self) -> Option<Conversation> {
        self.conversations.try_recv().ok()
    }
}

impl Conversation {
    /// Reads until a whole head is there, and returns it. What came behind stays in `received`.
    pub(crate) async fn read_head(&mut self) -> String {
        within("a request head at the upstream", async {
            loop {
                if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                    return String::from_utf8_lossy(&self.received[..end + 4]).into_owned();
                }
                if self.stream.read_buf(&mut self.received).await.unwrap_or(0) == 0 {
                    return String::from_utf8_lossy(&self.received).into_owned();
                }
            }
        })
        .await
    }

    /// Reads until at least as many bytes were received.
    pub(crate) async fn read_until(&mut self, length: usize) {
        within("so many bytes at the upstream", async {
            while self.received.len() < length {
                let read = self.stream.read_buf(&mut self.received).await.unwrap();
                assert!(read > 0, "closed: {:?}", self.received.escape_ascii());
            }
        })
        .await;
    }

    /// Fails when a byte has come that was not read yet.
    pub(crate) fn assert_quiet(&self) {
        let mut scratch = [0; 512];
        match self.stream.try_read(&mut scratch) {
            Ok(read) => panic!("came early: {:?}", scratch[..read].escape_ascii().to_string()),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }

    /// Everything received so far, readable.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// Reads until the proxy ends its side or resets.
    pub(crate) async fn read_to_end(&mut self) {
        let _ =
            within("the end at the upstream", self.stream.read_to_end(&mut self.received)).await;
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within("send to the proxy", self.stream.write_all(bytes)).await.unwrap();
    }

    /// Ends its side, and reads off what is left.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
        self.read_to_end().await;
    }

    /// Reads the head and agrees to the upgrade.
    pub(crate) async fn agree(&mut self) -> String {
        let head = self.read_head().await;
        self.send(super::switching_response().as_bytes()).await;
        head
    }

    /// Agrees to the upgrade whose head has been read, and sends back what comes.
    pub(crate) async fn echo(&mut self) {
        self.send(super::switching_response().as_bytes()).await;
        let (mut read, mut write) = self.stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    }

    /// Goes away with a reset.
    pub(crate) fn reset(self) {
        super::reset(&self.stream);
    }

    /// Ends this side.
    pub(crate) async fn shutdown(&mut self) {
        within("shutdown", self.stream.shutdown()).await.unwrap();
    }
}
