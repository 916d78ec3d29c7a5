//! The upstream: a unix socket, as wssgate connects to upstreams by itself, served by hand. Nothing of it waits.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

use super::story::Story;

/// One connection that wssgate has opened.
pub(super) struct Conversation {
    stream: Option<UnixStream>,
    answer: Vec<u8>,
    ends_then: bool,
    pub(super) sent: usize,
    pub(super) has_ended: bool,
    pub(super) received: Vec<u8>,
    /// Whether wssgate has ended its side, or is gone.
    pub(super) is_left: bool,
    pub(super) silence: Option<Silence>,
}

/// A time in which nobody said anything, longer than wssgate waits for any answer. Nothing was amiss before it.
#[derive(Clone, Copy)]
pub(super) struct Silence {
    /// What the client had sent before it, in all.
    pub(super) asked: usize,
    /// What this upstream had.
    pub(super) said: usize,
}

/// Takes those that have come since; whether there were any.
pub(super) fn accept(
    listener: &UnixListener,
    story: &Story,
    conversations: &mut Vec<Conversation>,
) -> bool {
    let before = conversations.len();
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true).unwrap();
        let (answer, ends_then) = story.upstream_bytes(conversations.len());
        conversations.push(Conversation {
            stream: Some(stream),
            answer,
            ends_then,
            sent: 0,
            has_ended: false,
            received: Vec::new(),
            is_left: false,
            silence: None,
        });
    }
    conversations.len() > before
}

impl Conversation {
    /// What it has sent.
    pub(super) fn said(&self) -> &[u8] {
        &self.answer[..self.sent]
    }

    /// Notes that nobody will say anything for long. It counts while wssgate waits for an answer.
    pub(super) fn fall_silent(&mut self, asked: usize) {
        if !self.received.is_empty() && !self.is_left && !self.has_ended {
            self.silence = Some(Silence { asked, said: self.sent });
        }
    }

    /// Reads what is there; whether there was anything.
    pub(super) fn read(&mut self) -> bool {
        let mut has_moved = false;
        let mut buf = [0; 16 * 1024];
        while let Some(stream) = self.stream.as_mut().filter(|_| !self.is_left) {
            match stream.read(&mut buf) {
                Ok(0) => self.is_left = true,
                Ok(length) => self.received.extend(&buf[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.is_left = true,
            }
            has_moved = true;
        }
        has_moved
    }

    /// Sends so many bytes more of its answer, as far as there is room; whether any left.
    pub(super) fn send(&mut self, most: usize) -> bool {
        if self.has_ended {
            return false;
        }
        let Some(stream) = self.stream.as_mut() else { return false };
        let end = self.answer.len().min(self.sent.saturating_add(most));
        let before = self.sent;
        while self.sent < end {
            match stream.write(&self.answer[self.sent..end]) {
                Ok(length) => self.sent += length,
                Err(_) => break,
            }
        }
        if self.ends_then && self.sent == self.answer.len() {
            self.end();
        }
        self.sent > before
    }

    pub(super) fn end(&mut self) {
        if let Some(stream) = &self.stream {
            // It fails when wssgate is gone.
            let _ = stream.shutdown(Shutdown::Write);
        }
        self.has_ended = true;
    }

    /// Goes away; what was not read resets the connection.
    pub(super) fn leave(&mut self) {
        self.stream = None;
        self.has_ended = true;
    }
}
