//! The harness itself: every ask with every answer, another behind it, in the orders that matter.

use super::judge;
use super::story::{Answer, Ask, Event, Story};

const ASKS: [fn() -> Ask; 11] = [
    || Ask::Get,
    || Ask::Head,
    || Ask::Length(b"0123456789".to_vec()),
    || Ask::Chunked(vec![b"0123".to_vec(), b"456789".to_vec()], true, true),
    || Ask::Old,
    || Ask::Close,
    || Ask::Ambiguous,
    || Ask::Upgrade(b"frames of the client".to_vec()),
    || Ask::UpgradeWithoutKey,
    || Ask::Bulk(70),
    || Ask::Raw(b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec()),
];

const ANSWERS: [fn() -> Vec<Answer>; 12] = [
    || vec![Answer::Agree, Answer::Raw(b"frames of the upstream".to_vec())],
    || vec![Answer::Interim, Answer::Agree, Answer::Bulk(200)],
    || vec![Answer::AgreeWrongly, Answer::Raw(b"frames of the upstream".to_vec())],
    || vec![Answer::Length(b"body".to_vec())],
    || vec![Answer::Interim, Answer::Chunked(vec![b"body".to_vec(); 3]), Answer::Length(vec![])],
    || vec![Answer::UntilClose],
    || vec![Answer::UntilClose, Answer::End],
    || vec![Answer::NoContent],
    || vec![Answer::Ambiguous],
    || vec![Answer::Bulk(100)],
    || vec![Answer::End],
    || vec![],
];

const ORDERS: [&[Event]; 17] = [
    &[],
    &[Event::TakeAll, Event::SendAll, Event::AnswerAll, Event::AnswerAll],
    // An answer before the request is whole.
    &[Event::TakeAll, Event::Send(90), Event::AnswerAll, Event::SendAll],
    &[Event::TakeAll, Event::Send(30), Event::Send(100), Event::Answer(100), Event::SendAll],
    &[Event::SendAll, Event::Answer(50), Event::ClientEnds, Event::AnswerAll, Event::Take(60)],
    &[Event::SendAll, Event::AnswerAll, Event::UpstreamEnds, Event::Take(10), Event::Wait(50)],
    &[Event::SendAll, Event::Answer(150), Event::TakeAll, Event::WaitLong(7)],
    &[Event::TakeAll, Event::SendAll, Event::AnswerAll, Event::ClientResets],
    &[Event::TakeAll, Event::SendAll, Event::AnswerAll, Event::UpstreamDrops],
    &[
        Event::UpstreamStalls,
        Event::TakeAll,
        Event::SendAll,
        Event::AnswerAll,
        Event::UpstreamReads,
    ],
    &[Event::TakeAll, Event::SendAll, Event::AnswerAll, Event::Drain, Event::WaitLong(5)],
    &[Event::Send(40), Event::WaitLong(3), Event::SendAll],
    // No answer, in whole or in part, for longer than one is waited for.
    &[Event::TakeAll, Event::SendAll, Event::WaitLong(5), Event::AnswerAll],
    &[Event::TakeAll, Event::SendAll, Event::Answer(44), Event::WaitLong(5), Event::AnswerAll],
    &[Event::TakeAll, Event::SendAll, Event::ClientEnds, Event::WaitLong(5)],
    // The same to a client that has not taken all of an interim answer.
    &[Event::SendAll, Event::Take(10), Event::Answer(40), Event::WaitLong(4), Event::TakeAll],
    // What was answered is not cut off by a drain.
    &[Event::TakeAll, Event::SendAll, Event::AnswerAll, Event::Wait(10), Event::Cut],
];

#[test]
fn every_ask_and_answer_comes_to_what_the_model_allows() {
    for ask in ASKS {
        for answer in ANSWERS {
            for order in ORDERS {
                let story = Story {
                    asks: vec![ask(), Ask::Get, Ask::Length(b"next".to_vec())],
                    answers: vec![answer(), vec![Answer::Length(b"another".to_vec())]],
                    events: order.to_vec(),
                };
                // Shown when the harness panics.
                println!("{story:?}");
                judge(&story);
            }
        }
    }
}
