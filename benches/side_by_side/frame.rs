//! WebSocket frames (RFC 6455, section 5) as far as the bench needs them: whole binary messages, made and taken apart
//! in memory. Knows no sockets.

/// Payload of the small message that is echoed.
pub(crate) const ECHO_BYTES: usize = 125;
/// Payload of the messages that carry bulk data.
pub(crate) const BULK_BYTES: usize = 64 * 1024;

const FINAL_BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
/// Any key will do: what matters is that both sides do the work of masking.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A message of a client's and the echo that it waits for.
pub(crate) struct Exchange {
    pub(crate) message: Vec<u8>,
    pub(crate) expected: Vec<u8>,
    /// Room for what comes.
    pub(crate) answer: Vec<u8>,
}

impl Exchange {
    /// One with so many bytes of payload.
    pub(crate) fn new(payload_bytes: usize) -> Self {
        let payload = vec![0x5a; payload_bytes];
        let expected = from_server(&payload);
        Self { message: from_client(&payload), answer: vec![0; expected.len()], expected }
    }
}

/// A binary message as clients send it: masked.
pub(crate) fn from_client(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), MASKED);
    frame.extend(MASK);
    append_masked(payload, MASK, &mut frame);
    frame
}

/// A binary message as servers send it: in clear.
pub(crate) fn from_server(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), 0);
    frame.extend(payload);
    frame
}

/// Takes the masked frame at the start of `received`, appends the answering unmasked one to `answers` and returns how
/// many bytes were used; `None` while the frame is not complete.
pub(crate) fn echo(received: &[u8], answers: &mut Vec<u8>) -> Option<usize> {
    let length = usize::from(received.get(1)? & !MASKED);
    let (length, start) = match length {
        126 => (usize::from(u16::from_be_bytes(received.get(2..4)?.try_into().ok()?)), 4),
        127 => {
            (usize::try_from(u64::from_be_bytes(received.get(2..10)?.try_into().ok()?)).ok()?, 10)
        }
        short => (short, 2),
    };
    let mask = received.get(start..start + 4)?.try_into().ok()?;
    let payload = received.get(start + 4..start + 4 + length)?;
    answers.extend(header(length, 0));
    append_masked(payload, mask, answers);
    Some(start + 4 + length)
}

fn header(length: usize, masked: u8) -> Vec<u8> {
    match length {
        0..=125 => vec![FINAL_BINARY, masked | length as u8],
        126..=0xffff => {
            let [high, low] = (length as u16).to_be_bytes();
            vec![FINAL_BINARY, masked | 126, high, low]
        }
        _ => {
            let mut header = vec![FINAL_BINARY, masked | 127];
            header.extend((length as u64).to_be_bytes());
            header
        }
    }
}

fn append_masked(payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}
