//! The stream over pipes of many sizes, against rustls' own client.

use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::crypto::cipher::OutboundPlainMessage;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{
    ClientConfig, ConnectionTrafficSecrets, ContentType, ProtocolVersion, RootCertStore,
};

use super::*;
use crate::config::{Certificates, Tls, UpstreamTls, Version};
use crate::tls::{Connector, Session, Store, accept};

const SELF_SIGNED: &str = "a.test";

type Ends = (ServerStream<DuplexStream>, Session, TlsStream<DuplexStream>);

fn store(min_version: Version) -> Store {
    let tls = Tls::new(Certificates::SelfSigned(vec![SELF_SIGNED.into()]));
    Store::open(&Tls { min_version, ..tls }).unwrap()
}

/// A connection whose pipe holds `room` bytes each way.
async fn connected(room: usize) -> Ends {
    let (near, far) = duplex(room);
    let store = store(Version::Tls13);
    let settings = UpstreamTls { ca: None, certificate: None, insecure: true };
    let connector = Connector::open(&settings).unwrap();
    let name = ServerName::try_from(SELF_SIGNED).unwrap();
    let (accepted, client) =
        tokio::join!(accept(&store, Vec::new(), near), connector.connect(name, far));
    let (stream, session) = accepted.unwrap();
    (stream, session, client.unwrap())
}

fn holds_nothing<S>(stream: &ServerStream<S>) -> bool {
    let capacities =
        [&stream.received, &stream.plain.bytes, &stream.outgoing.bytes].map(Vec::capacity);
    capacities == [0; 3]
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251 + seed) as u8).collect()
}

#[tokio::test]
async fn bytes_arrive_both_ways_at_once_whatever_the_pipe_holds() {
    for (room, length) in [(1, 3_000), (7, 20_000), (1_000, 300_000), (70_000, 2_000_000)] {
        let (mut stream, _, client) = connected(room).await;
        let (down, up) = (pattern(length, 1), pattern(length, 2));
        let (mut from_server, mut to_server) = split(client);
        let (sent, expected) = (up.clone(), down.clone());
        let writing = tokio::spawn(async move {
            to_server.write_all(&sent).await.unwrap();
            to_server.shutdown().await.unwrap();
        });
        let reading = tokio::spawn(async move {
            let mut heard = Vec::new();
            from_server.read_to_end(&mut heard).await.unwrap();
            assert!(heard == expected, "{} bytes came, and not those", heard.len());
        });
        {
            let (mut read, mut write) = split(&mut stream);
            let hear = async {
                let mut heard = vec![0; length];
                read.read_exact(&mut heard).await.unwrap();
                assert!(heard == up, "pipe of {room}");
                assert_eq!(read.read(&mut [0; 9]).await.unwrap(), 0, "close_notify is an end");
            };
            let say = async {
                write.write_all(&down).await.unwrap();
                write.shutdown().await.unwrap();
            };
            tokio::join!(hear, say);
        }
        writing.await.unwrap();
        reading.await.unwrap();
        assert!(holds_nothing(&stream), "pipe of {room}");
    }
}

#[tokio::test]
async fn a_reader_with_little_room_gets_all_of_a_record() {
    let (mut stream, _, mut client) = connected(100_000).await;
    stream.flush().await.unwrap();
    let text = pattern(50_000, 3);
    client.write_all(&text).await.unwrap();
    client.flush().await.unwrap();
    let mut heard = Vec::new();
    let mut small = [0; 13];
    while heard.len() < text.len() {
        let read = stream.read(&mut small).await.unwrap();
        heard.extend_from_slice(&small[..read]);
        assert!(stream.plain.bytes.len() <= 3 * 16 * 1024, "no more is taken in than is read");
    }
    assert!(heard == text);
    assert!(holds_nothing(&stream));
}

#[tokio::test]
async fn a_socket_that_takes_nothing_stops_the_writer_after_what_one_write_holds() {
    let (mut stream, _, mut client) = connected(1_000).await;
    // The ticket leaves before.
    stream.flush().await.unwrap();
    let text = pattern(1_000_000, 4);
    let mut written = 0;
    poll_fn(|cx| {
        while let Poll::Ready(count) = Pin::new(&mut stream).poll_write(cx, &text[written..]) {
            written += count.unwrap();
        }
        Poll::Ready(())
    })
    .await;
    assert!(written <= WRITE_BYTES, "{written}");
    let rest = tokio::spawn(async move {
        stream.write_all(&text[written..]).await.unwrap();
        stream.flush().await.unwrap();
        (stream, text)
    });
    let mut heard = vec![0; 1_000_000];
    client.read_exact(&mut heard).await.unwrap();
    let (stream, text) = rest.await.unwrap();
    assert!(heard == text);
    assert!(holds_nothing(&stream));
}

#[tokio::test]
async fn a_ticket_leaves_with_the_answer_or_when_nothing_comes() {
    let (mut stream, _, mut client) = connected(100_000).await;
    assert!(!stream.outgoing.is_empty(), "it waits for company");
    stream.write_all(b"answer").await.unwrap();
    assert!(holds_nothing(&stream));
    let mut heard = [0; 6];
    client.read_exact(&mut heard).await.unwrap();

    let (mut stream, _, _client) = connected(100_000).await;
    let pending = poll_fn(|cx| {
        let mut bytes = [0; 1];
        let read = Pin::new(&mut stream).poll_read(cx, &mut ReadBuf::new(&mut bytes));
        Poll::Ready(read.is_pending())
    });
    assert!(pending.await);
    assert!(holds_nothing(&stream));
}

#[tokio::test]
async fn who_has_said_goodbye_still_hears_and_who_has_heard_it_still_speaks() {
    let (mut stream, _, mut client) = connected(100_000).await;
    stream.write_all(b"last").await.unwrap();
    stream.shutdown().await.unwrap();
    let error = stream.write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"last");

    let (mut stream, _, client) = connected(100_000).await;
    let (mut from_server, mut to_server) = split(client);
    to_server.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);
    stream.write_all(b"answer").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    from_server.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"answer");
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_error() {
    let (mut stream, _, client) = connected(100_000).await;
    drop(client.into_inner());
    let error = stream.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_is_no_record_is_answered_by_an_alert_and_ends_it() {
    let (mut stream, _, client) = connected(100_000).await;
    let mut socket = client.into_inner().0;
    socket.write_all(&[0x17, 3, 3, 0, 32]).await.unwrap();
    socket.write_all(&[7; 32]).await.unwrap();
    let error = stream.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    drop(stream);
    let mut alert = Vec::new();
    socket.read_to_end(&mut alert).await.unwrap();
    assert!(!alert.is_empty(), "the ticket and an alert");
}

/// The client's side of a connection, and what makes records in its place.
async fn forger()
-> (ServerStream<DuplexStream>, DuplexStream, impl FnMut(ContentType, &[u8]) -> Vec<u8>) {
    let (near, far) = duplex(200_000);
    let (store, provider) = (store(Version::Tls13), Arc::new(aws_lc_rs::default_provider()));
    let pair = store.pairs().remove(0);
    let mut roots = RootCertStore::empty();
    roots.add(pair.certified.cert[0].clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    let name = ServerName::try_from(SELF_SIGNED).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let (accepted, client) =
        tokio::join!(accept(&store, Vec::new(), near), connector.connect(name, far));
    let (socket, client) = client.unwrap().into_inner();
    let (mut number, secrets) = client.dangerous_extract_secrets().unwrap().tx;
    let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("another suite") };
    let suite = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    let mut encrypter = suite.aead_alg.encrypter(key, iv);
    let forge = move |typ, payload: &[u8]| {
        let version = ProtocolVersion::TLSv1_3;
        let message = OutboundPlainMessage { typ, version, payload: payload.into() };
        number += 1;
        encrypter.encrypt(message, number - 1).unwrap().encode()
    };
    (accepted.unwrap().0, socket, forge)
}

/// rustls remembers where in our buffer the first piece lies, and panicked when it was asked again without it.
#[tokio::test]
async fn a_handshake_message_that_is_broken_off_ends_it_without_a_panic() {
    let (mut stream, mut socket, mut forge) = forger().await;
    socket.write_all(&forge(ContentType::Handshake, &[24, 0])).await.unwrap();
    socket.write_all(&forge(ContentType::ApplicationData, b"text")).await.unwrap();
    for _ in 0..2 {
        let error = stream.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        socket.write_all(&[7]).await.unwrap();
    }
    let error = stream.write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_came_before_a_broken_record_is_read() {
    let (mut stream, mut socket, mut forge) = forger().await;
    let mut bytes = forge(ContentType::ApplicationData, b"the last words");
    bytes.extend([0x17, 3, 3, 0, 32]);
    bytes.extend([7; 32]);
    socket.write_all(&bytes).await.unwrap();
    let (mut heard, mut small) = (Vec::new(), [0; 5]);
    let error = loop {
        match stream.read(&mut small).await {
            Ok(read) => heard.extend_from_slice(&small[..read]),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(heard, b"the last words");
}

#[tokio::test]
async fn what_follows_close_notify_is_not_kept() {
    let (mut stream, mut socket, mut forge) = forger().await;
    let mut bytes = forge(ContentType::Alert, &[1, 0]);
    bytes.resize(BUFFER_BYTES, 7);
    socket.write_all(&bytes).await.unwrap();
    assert_eq!(stream.read(&mut vec![0; 4 * RECORD_BYTES]).await.unwrap(), 0);
    stream.write_all(b"answer").await.unwrap();
    assert!(holds_nothing(&stream));
}

#[tokio::test]
async fn a_handshake_message_without_end_is_not_collected() {
    let (near, mut far) = duplex(1_000_000);
    let hello = async {
        // A ClientHello of 16 MiB less a byte, as it says, in records of 16,000 bytes.
        let mut record = vec![0x16, 3, 1, 0x3e, 0x80, 1, 0xff, 0xff, 0xff];
        record.resize(5 + 16_000, 0);
        for _ in 0..20 {
            far.write_all(&record).await.unwrap();
            record[5..9].fill(0);
        }
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
    };
    let store = store(Version::Tls12);
    let serve = async {
        let failed = accept(&store, Vec::new(), near).await.err().unwrap();
        assert_eq!(failed.kind, crate::tls::FailureKind::Protocol, "{}", failed.reason);
    };
    tokio::join!(hello, serve);
}

#[test]
fn it_is_small() {
    assert!(size_of::<ServerStream<crate::net::Stream>>() <= 160);
}
