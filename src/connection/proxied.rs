//! A client behind a proxy: the header of the PROXY protocol that says who it is, and the one that says
//! so to an upstream.

use tokio::time::timeout_at;

use super::Shared;
use super::failure::{Failure, Stage};
use super::per_ip::Place;
use super::record::Record;
use crate::config::{ProxyVersion, openssl_name};
use crate::net::Stream;
use crate::proxy_protocol::{self, ClientCert, Error, Header, Tls, Told};

/// Reads the header of a trusted proxy; from then on its client is ours. One that is missing or wrong is
/// a refusal.
pub(super) async fn enter(
    stream: &mut Stream,
    shared: &Shared,
    record: &mut Record,
) -> Result<Place, Failure> {
    let deadline = record.began_at() + shared.timeouts.setup;
    match timeout_at(deadline, proxy_protocol::read(stream)).await {
        Ok(Ok(Header::Proxied { source, destination })) => {
            record.client = Some(source);
            record.port = Some(destination.port());
            record.local = Some(destination);
        }
        Ok(Ok(Header::Local)) => {
            // The proxy itself, or somebody of whom it does not tell: not to be believed.
            record.is_stranger = true;
            record.local = stream.local_addr();
        }
        Ok(Err(Error::Empty)) => {
            return Err(Failure::client(Stage::FirstByte, "closed without a byte"));
        }
        Ok(Err(Error::Truncated)) => {
            return Err(Failure::client(Stage::Proxy, "closed within the PROXY header"));
        }
        Ok(Err(Error::Refused(refusal))) => {
            return Err(Failure::client(Stage::Proxy, refusal.reason()));
        }
        Ok(Err(Error::Io(error))) => {
            return Err(Failure::client(Stage::Proxy, error.to_string()));
        }
        Err(_) => {
            let reason = "PROXY header not complete within the setup timeout";
            return Err(Failure::client(Stage::Proxy, reason));
        }
    }
    let ip = record.client.map(|client| client.ip());
    let place = shared.per_ip.enter(ip);
    place.ok_or_else(|| Failure::client(Stage::Limit, "too many from this address"))
}

/// The header that an upstream gets in front of a request.
pub(super) fn header(version: ProxyVersion, record: &Record) -> Vec<u8> {
    let session = record.session.as_ref();
    let (tls_version, cipher) = match session {
        Some(session) => (format!("TLSv{}", session.version), openssl_name(&session.cipher)),
        None => Default::default(),
    };
    let client_cert = session.and_then(|session| {
        let common_name = session.identity.as_ref()?.common_name.as_deref();
        Some(ClientCert { resumed: session.resumed, common_name })
    });
    let told = Told {
        // The proxy's own address is nobody's.
        source: record.client.filter(|_| !record.is_stranger),
        destination: record.local,
        tls: session.map(|_| Tls { version: &tls_version, cipher: &cipher, client_cert }),
        alpn: session.filter(|session| session.has_alpn).map(|_| b"http/1.1".as_slice()),
        authority: session.and_then(|session| session.server_name.as_deref()),
    };
    let mut header = Vec::new();
    proxy_protocol::write(version, &told, &mut header);
    header
}
