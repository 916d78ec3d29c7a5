//! A stream and bytes that were read from it ahead of time: they are served first, then the stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tunnel::ReadReady;

/// A stream whose first bytes are here already.
#[derive(Debug)]
pub struct Prefixed<S> {
    first: Vec<u8>,
    served: usize,
    stream: S,
}

impl<S> Prefixed<S> {
    /// `stream`, of which `first` was read already.
    pub fn new(first: Vec<u8>, stream: S) -> Self {
        Self { first, served: 0, stream }
    }

    /// The stream behind.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: ReadReady> ReadReady for Prefixed<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.served < self.first.len() {
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_read_ready(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rest = &this.first[this.served..];
        if rest.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        this.served += length;
        if this.served == this.first.len() {
            // A tunnel lives for hours; what it began with need not.
            this.first = Vec::new();
            this.served = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;

    use super::*;
    use crate::net::Stream;

    #[tokio::test]
    async fn what_was_read_ahead_comes_first_and_is_let_go() {
        let mut stream = Prefixed::new(b"hello ".to_vec(), b"world".as_slice());
        let mut small = [0; 4];
        stream.read_exact(&mut small).await.unwrap();
        assert_eq!(&small, b"hell");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "o world");
        assert_eq!(stream.first.capacity(), 0);
    }

    async fn is_ready(stream: &Prefixed<Stream>) -> bool {
        poll_fn(|cx| Poll::Ready(stream.poll_read_ready(cx).is_ready())).await
    }

    #[tokio::test]
    async fn it_is_ready_for_what_was_read_ahead_and_then_when_the_stream_is() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut stream = Prefixed::new(b"first".to_vec(), Stream::Unix(near));
        assert!(is_ready(&stream).await, "bytes are here");
        stream.read_exact(&mut [0; 3]).await.unwrap();
        assert!(is_ready(&stream).await, "some of them still are");
        stream.read_exact(&mut [0; 2]).await.unwrap();
        let mut scratch = [0; 8];
        let empty = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut scratch));
        assert!(empty.await.is_err());
        assert!(!is_ready(&stream).await, "nothing is here");
        far.writable().await.unwrap();
        far.try_write(b"x").unwrap();
        poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
        assert_eq!(stream.read(&mut scratch).await.unwrap(), 1);
    }
}
