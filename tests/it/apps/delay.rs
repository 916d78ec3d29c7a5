//! A link that takes its time: a relay that hands on each byte a fixed time after it came.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Listens on a free port and relays to `target`, with `delay` each way. Ends with the test's runtime.
pub(super) async fn link(target: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(upstream) = TcpStream::connect(target).await else { continue };
            client.set_nodelay(true).unwrap();
            upstream.set_nodelay(true).unwrap();
            let (client_read, client_write) = client.into_split();
            let (upstream_read, upstream_write) = upstream.into_split();
            tokio::spawn(relay(client_read, upstream_write, delay));
            tokio::spawn(relay(upstream_read, client_write, delay));
        }
    });
    addr
}

/// One direction. Bytes that come while others wait are not held up by them: the link has no limit but
/// its delay.
async fn relay<R, W>(mut from: R, mut to: W, delay: Duration)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin,
{
    let (sender, mut under_way) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let mut bytes = Vec::with_capacity(64 * 1024);
            let read = from.read_buf(&mut bytes).await.unwrap_or(0);
            // An end takes as long as a byte does; it is the empty one.
            if sender.send((Instant::now() + delay, bytes)).is_err() || read == 0 {
                return;
            }
        }
    });
    while let Some((due, bytes)) = under_way.recv().await {
        sleep_until(due).await;
        if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
