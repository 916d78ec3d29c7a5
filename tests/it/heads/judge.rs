//! Cases in memory: `head::read`, `request::parse` and `rewrite`, however the bytes are cut.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::sample::Index;
use tokio::io::{AsyncRead, ReadBuf};
use wssgate::http::{head, request};

use super::case::{Case, Setting, Verdict};

/// Any port: nobody listens here.
const PORT: u16 = 8443;

/// A stream that comes in these pieces, one each read.
struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    fn cut(input: &[u8], mut cuts: Vec<usize>) -> Self {
        cuts.push(input.len());
        cuts.sort_unstable();
        let mut from = 0;
        let pieces =
            cuts.into_iter().map(|to| input[std::mem::replace(&mut from, to)..to].to_vec());
        Self(pieces.filter(|piece| !piece.is_empty()).collect())
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

async fn judge(setting: Setting, mut stream: Pieces) -> Verdict {
    let mut buf = Vec::new();
    let refusal = match head::read(&mut stream, &mut buf, setting.limit()).await {
        Ok(length) => match request::parse(&buf[..length]) {
            Ok(request) => {
                let mut out = Vec::new();
                request.rewrite(&setting.facts(PORT), &mut out);
                return Verdict::Sent(out);
            }
            Err(refusal) => refusal,
        },
        Err(error) => match request::refuse_unread(&error) {
            Some(refusal) => refusal,
            None => panic!("{error:?} after {:?}", buf.escape_ascii().to_string()),
        },
    };
    Verdict::Refused(refusal.status)
}

async fn check_cut(case: &Case, cuts: Vec<usize>, how: &str) {
    let found = judge(case.setting, Pieces::cut(&case.input, cuts)).await;
    assert_same(case, how, &found, PORT);
}

/// Fails with the case's name and both verdicts in readable form.
pub(super) fn assert_same(case: &Case, how: &str, found: &Verdict, port: u16) {
    let expected = case.verdict(port);
    assert!(
        *found == expected,
        "{}, {how}\n--- input\n{}\n--- expected\n{}\n--- found\n{}",
        case.name,
        case.input.escape_ascii(),
        show(&expected),
        show(found),
    );
}

fn show(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Refused(status) => status.to_string(),
        Verdict::Sent(bytes) => bytes.escape_ascii().to_string().replace(r"\r\n", "\\r\\n\n"),
    }
}

/// Judges each case whole and a byte at a time.
pub(super) async fn check(cases: &[Case]) {
    for case in cases {
        check_cut(case, vec![], "whole").await;
        check_cut(case, (0..case.input.len()).collect(), "a byte at a time").await;
    }
}

/// Runs what never waits.
fn run_ready(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_does_not_depend_on_how_the_bytes_are_cut(
        which in any::<Index>(),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        thread_local!(static CASES: Vec<Case> = super::all());
        CASES.with(|cases| {
            let case = which.get(cases);
            let cuts = cuts.iter().map(|cut| cut.index(case.input.len())).collect();
            run_ready(check_cut(case, cuts, "cut at random"));
        });
    }
}
