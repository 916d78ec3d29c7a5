//! What may have come of a story. It is told from its end, when all bytes are known, one request after the other:
//! the upstream has got no byte but those of requests in order, and none behind an upgrade that it has not
//! agreed to; the client has got whole answers, the last of which may be cut short, or be wssgate's own.
//!
//! Where nobody was cut off or kept waiting it must all have come, to the last byte.

use wssgate::http::body::{Framing, Trailers};

use super::Ran;
use super::story::Story;
use super::upstream::Conversation;
use crate::chunked::{Followed, follow_framed};
use crate::head::{self, Head, LIMIT};
use crate::request_head::{self, Meaning};
use crate::response_head;

/// Interim answers that are too many.
const TOO_MANY_INTERIM: usize = 16;

/// What the client's bytes and the upstream's came to.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Requests that were answered by the upstream, to the end of the answer.
    pub(super) served: usize,
    /// Whether the last of these may count as cut off: all of it came, but its end, or the client's, did not in time.
    pub(super) is_last_late: bool,
    /// The status of wssgate's own answer.
    pub(super) own: Option<u16>,
    /// Bytes to the upstream and to the client through a tunnel.
    pub(super) tunnel: Option<(usize, usize)>,
    /// Whether a request, or anything that could become one, was there behind what was served.
    pub(super) is_asked: bool,
}

/// Panics when something else came than may have come.
pub(super) fn judge(story: &Story, ran: &Ran, port: u16) -> Told {
    let mut walk = Walk {
        is_calm: story.is_calm(),
        port,
        sent: &ran.sent,
        sent_bytes: ran.sent.len(),
        got: &ran.got,
        upstreams: ran.upstreams.iter().collect(),
        told: Told::default(),
        is_orderly: false,
    };
    while walk.request() {
        walk.told.served += 1;
    }
    let behind = walk.got.escape_ascii();
    assert!(walk.got.is_empty(), "the client got more than was said: {behind}");
    // A request that is given up right when its connection stands has sent nothing over it.
    let is_unused = |one: &&Conversation| one.received.is_empty();
    assert!(walk.upstreams.iter().all(is_unused), "the upstream got more than was asked");
    assert!(!walk.is_calm || !walk.is_orderly || ran.is_shut, "the client was not told of the end");
    walk.told
}

/// A walk along what has come, from one request to the next.
struct Walk<'a> {
    is_calm: bool,
    port: u16,
    sent: &'a [u8],
    /// What the client has sent in all.
    sent_bytes: usize,
    got: &'a [u8],
    upstreams: Vec<&'a Conversation>,
    told: Told,
    /// Whether it ends behind something whole, and not because the client broke off.
    is_orderly: bool,
}

/// A request that goes on.
struct Asked<'a> {
    meaning: Meaning,
    /// As the upstream gets it.
    head: Vec<u8>,
    /// What the client has sent behind its head.
    behind: &'a [u8],
    body: Followed,
    is_persistent: bool,
}

/// What an upstream has said.
struct Said<'a> {
    /// As the client gets them.
    interim: Vec<Vec<u8>>,
    last: Last<'a>,
}

enum Last<'a> {
    /// Nothing that is whole.
    Missing,
    /// Nothing that may go on.
    Wrong,
    /// The gate is open: the head, and what came behind it.
    Switched(Vec<u8>, &'a [u8]),
    Answer(Answer),
}

/// An answer that goes on.
struct Answer {
    /// Its head, as the client gets it on a connection that goes on, and on one that does not.
    keep: Vec<u8>,
    close: Vec<u8>,
    body: Followed,
    is_until_close: bool,
    /// Whether the upstream has sent more than the answer.
    has_surplus: bool,
}

impl<'a> Walk<'a> {
    /// Goes along one request and all that came of it. Returns whether another may follow.
    fn request(&mut self) -> bool {
        self.told.is_asked = !self.sent.is_empty();
        let length = match head::end(self.sent) {
            Ok(None) if self.sent.len() < LIMIT => return self.unfinished(),
            Ok(Some(length)) if length <= LIMIT => length,
            _ => return self.refused(false),
        };
        let (bytes, behind) = self.sent.split_at(length);
        let head = Head::read(bytes);
        let Some((meaning, head)) = head.and_then(|h| Some((request_head::mean(&h)?, h))) else {
            return self.refused(bytes.starts_with(b"HEAD "));
        };
        let framing = if meaning.key.is_some() { Framing::None } else { meaning.body };
        let has_close = head.members("connection").contains(&"close".to_owned());
        let asked = Asked {
            head: request_head::rewrite(&meaning, &head, false, self.port),
            behind,
            body: follow_framed(behind, (framing, Trailers::Drop)),
            is_persistent: meaning.version == "HTTP/1.1" && !has_close && meaning.key.is_none(),
            meaning,
        };
        if self.upstreams.is_empty() {
            assert!(!self.is_calm, "a request that went nowhere");
            self.own_answer(asked.meaning.method == "HEAD", false);
            return false;
        }
        let upstream = self.upstreams.remove(0);
        self.answered(&asked, upstream)
    }

    /// A head that never came to its end.
    fn unfinished(&mut self) -> bool {
        self.is_orderly = self.sent.is_empty() && self.told.served > 0;
        let had_time = !self.is_calm && !self.sent.is_empty();
        if had_time {
            self.own_answer(self.sent.starts_with(b"HEAD "), false);
        }
        false
    }

    /// A head that is not one.
    fn refused(&mut self, is_head: bool) -> bool {
        let status = self.own_answer(is_head || self.sent.starts_with(b"HEAD "), self.is_calm);
        let known = [400, 408, 414, 431, 501, 505];
        assert!(status.is_none_or(|status| known.contains(&status)), "{status:?}");
        false
    }

    /// Takes an answer of wssgate's own, whole when everything must come, and returns its status.
    fn own_answer(&mut self, is_head: bool, must_come: bool) -> Option<u16> {
        let found = own_answer(self.got, is_head);
        match found {
            Some((status, length)) if length <= self.got.len() => {
                self.got = &self.got[length..];
                self.told.own = Some(status);
                self.is_orderly = true;
                Some(status)
            }
            Some((status, _)) => {
                assert!(!self.is_calm, "an answer of our own that is cut short");
                self.got = &[];
                self.told.own = Some(status);
                Some(status)
            }
            None => {
                assert!(!must_come, "no answer: {}", self.got.escape_ascii());
                if !self.is_calm && is_cut_within_status(self.got) {
                    self.got = &[];
                }
                None
            }
        }
    }

    fn answered(&mut self, asked: &Asked<'a>, upstream: &'a Conversation) -> bool {
        let awaited = self.awaited_in_vain(asked, upstream);
        let said = say(awaited.unwrap_or(upstream.said()), &asked.meaning);
        let opened = match &said.last {
            Last::Switched(head, _) => asked.meaning.key.is_some().then_some(head),
            _ => None,
        };
        let expected = [asked.head.as_slice(), &asked.body.out].concat();
        let length = upstream.received.len().min(expected.len());
        let (request, behind) = upstream.received.split_at(length);
        assert!(expected.starts_with(request), "something else: {}", request.escape_ascii());
        assert!(behind.is_empty() || opened.is_some(), "through a gate that is shut");
        assert!(asked.behind.starts_with(behind), "the tunnel's bytes are not the client's");
        let takes_interim = asked.meaning.version == "HTTP/1.1";
        for interim in said.interim.iter().filter(|_| takes_interim) {
            let Some(rest) = self.got.strip_prefix(interim.as_slice()) else {
                assert!(!self.is_calm || !asked.body.is_done, "no interim answer");
                return self.cut(asked, interim);
            };
            self.got = rest;
        }
        match said.last {
            Last::Switched(head, said_behind) => {
                self.tunnel(asked, (behind, upstream), (&head, said_behind))
            }
            Last::Answer(answer) => self.relayed(asked, &answer, upstream.has_ended),
            Last::Missing if awaited.is_some() => {
                let status = self.own_answer(asked.meaning.method == "HEAD", true);
                assert_eq!(status, Some(504), "the upstream had the request and did not answer");
                false
            }
            Last::Missing | Last::Wrong => {
                let must_come = self.is_calm && asked.body.is_done;
                let status = self.own_answer(asked.meaning.method == "HEAD", must_come);
                assert!(status.is_none_or(|status| [400, 408, 502, 503, 504].contains(&status)));
                false
            }
        }
    }

    /// What an upstream had said that did not answer a whole request before a long silence.
    fn awaited_in_vain(&self, asked: &Asked<'_>, upstream: &'a Conversation) -> Option<&'a [u8]> {
        let silence = upstream.silence?;
        let behind = asked.behind.len() - asked.body.taken.filter(|_| asked.body.is_done)?;
        let said = &upstream.said()[..silence.said];
        let is_answer = !matches!(say(said, &asked.meaning).last, Last::Missing);
        (self.sent_bytes - behind <= silence.asked && !is_answer).then_some(said)
    }

    /// The answer has not come to where `next` begins.
    fn cut(&mut self, asked: &Asked<'_>, next: &[u8]) -> bool {
        if next.starts_with(self.got) && !self.got.is_empty() {
            self.got = &[];
            return false;
        }
        self.own_answer(asked.meaning.method == "HEAD", false);
        false
    }

    fn tunnel(
        &mut self,
        asked: &Asked<'_>,
        (to_upstream, upstream): (&[u8], &Conversation),
        (head, said): (&[u8], &[u8]),
    ) -> bool {
        let Some(to_client) = self.got.strip_prefix(head) else {
            assert!(!self.is_calm, "the gate was not opened");
            assert!(to_upstream.is_empty(), "the upstream was told before the client");
            return self.cut(asked, head);
        };
        assert!(said.starts_with(to_client), "the tunnel's bytes are not the upstream's");
        if self.is_calm {
            assert_eq!(to_upstream.len(), asked.behind.len(), "lost on the way to the upstream");
            assert_eq!(to_client.len(), said.len(), "lost on the way to the client");
            assert!(upstream.is_left, "the upstream was not told of the end");
        }
        self.told.tunnel = Some((to_upstream.len(), to_client.len()));
        self.is_orderly = true;
        self.got = &[];
        false
    }

    /// Goes along an answer of the upstream's. Returns whether another request may follow.
    fn relayed(&mut self, asked: &Asked<'a>, answer: &Answer, has_ended: bool) -> bool {
        let is_calm = self.is_calm;
        let (body, keeps) = match self.got {
            got if got.starts_with(&answer.keep) => (&got[answer.keep.len()..], true),
            got if got.starts_with(&answer.close) => (&got[answer.close.len()..], false),
            _ => {
                let is_broken = answer.body.taken.is_none();
                let must_come = is_calm && asked.body.is_done && !is_broken;
                assert!(!must_come, "an answer that did not come");
                return self.cut(asked, &answer.close);
            }
        };
        assert!(!keeps || asked.is_persistent, "kept against the client's will");
        assert!(!keeps || asked.body.is_done, "kept in the middle of a request");
        assert!(!keeps || !answer.is_until_close, "kept without an end of the answer");
        let length = body.len().min(answer.body.out.len());
        assert_eq!(
            body[..length].escape_ascii().to_string(),
            answer.body.out[..length].escape_ascii().to_string()
        );
        self.got = &body[length..];
        let has_come = length == answer.body.out.len();
        assert!(has_come || !is_calm || !asked.body.is_done, "an answer that is cut short");
        let is_whole = has_come && (answer.body.is_done || (answer.is_until_close && has_ended));
        if !is_whole {
            return false;
        }
        if !keeps {
            self.told.served += 1;
            self.told.is_last_late = !is_calm;
            self.is_orderly = true;
            return false;
        }
        // With more than an answer the connection ends, if it was there in time.
        self.is_calm = is_calm && !answer.has_surplus;
        self.told.is_last_late = answer.has_surplus;
        self.sent = &asked.behind[asked.body.taken.unwrap()..];
        true
    }
}

/// What the upstream's bytes say to this request.
fn say<'a>(mut bytes: &'a [u8], meaning: &Meaning) -> Said<'a> {
    let mut interim = Vec::new();
    loop {
        let length = match head::end(bytes) {
            Ok(None) if bytes.len() < LIMIT => return Said { interim, last: Last::Missing },
            Ok(Some(length)) if length <= LIMIT => length,
            _ => return Said { interim, last: Last::Wrong },
        };
        let (head, behind) = bytes.split_at(length);
        let head = Head::read(head).and_then(|h| Some((response_head::read_status(&h)?, h)));
        let Some((status, head)) = head else { return Said { interim, last: Last::Wrong } };
        if (100..200).contains(&status.0) && status.0 != 101 {
            interim.push(response_head::rewrite(status.0, &head, "", None));
            if interim.len() == TOO_MANY_INTERIM {
                return Said { interim, last: Last::Wrong };
            }
            bytes = behind;
            continue;
        }
        return Said { interim, last: finish(status, &head, behind, meaning) };
    }
}

fn finish<'a>(
    (status, minor): (u16, u8),
    head: &Head,
    behind: &'a [u8],
    meaning: &Meaning,
) -> Last<'a> {
    let rewrite = |connection| response_head::rewrite(status, head, connection, None);
    if status == 101 {
        let opens = meaning.key.is_some() && response_head::opens(status, minor, head);
        return if opens { Last::Switched(rewrite("Upgrade"), behind) } else { Last::Wrong };
    }
    let Some(framing) = response_head::read_framing(&meaning.method, (status, minor), head) else {
        return Last::Wrong;
    };
    let body = follow_framed(behind, (framing, Trailers::Keep));
    Last::Answer(Answer {
        keep: rewrite("keep-alive"),
        close: rewrite("close"),
        has_surplus: body.taken != Some(behind.len()),
        body,
        is_until_close: framing == Framing::Close,
    })
}

/// Whether these bytes are the begin of an answer, too few to tell its status.
fn is_cut_within_status(got: &[u8]) -> bool {
    const VERSION: &[u8] = b"HTTP/1.1 ";
    got.len() < VERSION.len() + 3 && (got.starts_with(VERSION) || VERSION.starts_with(got))
}

/// The status and the whole length of an answer of wssgate's own that these bytes begin with.
fn own_answer(got: &[u8], is_head: bool) -> Option<(u16, usize)> {
    const TYPE: &str = "Content-Type: text/plain";
    let text = String::from_utf8_lossy(got);
    let mut lines = text.split("\r\n");
    let (first, second, third) = (lines.next()?, lines.next(), lines.next());
    let status = first.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    if status < 400 || second.is_some_and(|line| !TYPE.starts_with(line)) {
        return None;
    }
    let Some(end) = text.find("\r\n\r\n") else { return Some((status, usize::MAX)) };
    let length: usize = third?.strip_prefix("Content-Length: ")?.parse().ok()?;
    let head = format!("{first}\r\n{TYPE}\r\nContent-Length: {length}\r\nConnection: close");
    assert_eq!(&text[..end], head);
    Some((status, end + 4 + if is_head { 0 } else { length }))
}
