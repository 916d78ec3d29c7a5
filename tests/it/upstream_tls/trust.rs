//! Whose certificates are believed, what is said of others, and the proxy's own certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::origin::{self, LEAF, Origin};
use super::{GET, Trusted};
use crate::support::{
    Authority, Binary, Client, Issued, Leaf, Usage, Validity, echo, repository, upgrade_request,
};

/// What a client is answered through a proxy with these arguments, and the reason in the log.
async fn answer(upstream: &str, args: &[&str]) -> (String, String) {
    let (binary, addr) = Binary::serving(upstream, args).await;
    let (head, _) = Client::connect(addr).await.ask(upgrade_request()).await;
    let line = binary.line("connection failed").await;
    assert_eq!(line["level"], "WARN", "{line}");
    (head, line["reason"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_a_502_and_the_log_says_why() {
    let trusted = Trusted::new();
    let ca = format!("--upstream-ca={}", trusted.file().display());
    let stranger = Authority::new("somebody else");
    let ours = &trusted.authority;
    for (authority, leaf, reason) in [
        (&stranger, LEAF, "its certificate is of an unknown authority"),
        (
            ours,
            Leaf { names: &["other.example"], ..LEAF },
            "its certificate is not for 127.0.0.1 but for",
        ),
        (ours, Leaf { validity: Validity::Expired, ..LEAF }, "its certificate has expired"),
        (ours, Leaf { validity: Validity::NotYet, ..LEAF }, "its certificate is not valid yet"),
        (ours, Leaf { usage: Usage::Client, ..LEAF }, "its certificate is not one for servers"),
    ] {
        let mut origin = Origin::start(authority, &leaf).await;
        let (head, said) = answer(&origin.by_address(), &[&ca]).await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
        assert!(said.contains(reason), "{said}");
        assert!(said.contains(&origin.addr.to_string()), "{said}");
        origin.refused().await;
    }
}

#[tokio::test]
async fn authorities_are_read_again_at_a_reload() {
    let trusted = Trusted::new();
    let new = Authority::new("the next one");
    let origin = Origin::start(&new, &LEAF).await;
    let upstreams = [origin.by_address()];
    origin.echo();
    let proxy = trusted.proxy(&upstreams, |listener| listener.balancing.max_fails = 0).await;
    let status = async || {
        let mut client = Client::connect(proxy.addr).await;
        client.send(upgrade_request().as_bytes()).await;
        client.read_head().await.0[9..12].to_owned()
    };
    assert_eq!(status().await, "502");
    fs::write(trusted.file(), new.pem()).unwrap();
    proxy.reload(|_| {}).await;
    assert_eq!(status().await, "101");
    // What cannot be read changes nothing.
    fs::write(trusted.file(), "nothing").unwrap();
    proxy.reload(|_| {}).await;
    assert_eq!(status().await, "101");
}

/// What `openssl req -x509` makes unless told otherwise.
#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_not_one_for_a_server() {
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    let issued = Issued {
        chain: own.pem(),
        key: key.serialize_pem(),
        certificate: own.der().clone(),
        serial: rcgen::SerialNumber::from_slice(&[1]),
    };
    let folder = tempfile::tempdir().unwrap();
    let (chain, _) = issued.write(folder.path(), "own");
    let origin = Origin::start_with(origin::config(&issued, None)).await;
    let ca = format!("--upstream-ca={}", chain.display());
    let (head, said) = answer(&origin.by_address(), &[&ca]).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    assert!(said.contains("an authority's own"), "{said}");
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_tls_is_said_so() {
    let trusted = Trusted::new();
    let ca = format!("--upstream-ca={}", trusted.file().display());
    let plain = crate::support::Upstream::serving(|mut conversation| async move {
        conversation.read_until(1).await;
        conversation.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        conversation.finish().await;
        conversation
    })
    .await;
    let (head, said) = answer(&format!("wss://{}", plain.addr()), &[&ca]).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    assert!(said.contains("does not speak TLS"), "{said}");
}

/// The variable stands in for the system's file, as in a container with nothing else in it.
#[tokio::test]
async fn the_systems_authorities_are_believed_unless_a_file_is_given() {
    let trusted = Trusted::new();
    let origin = Origin::start(&trusted.authority, &LEAF).await;
    let by_name = origin.by_name();
    let arguments = |extra: &[&str]| -> Vec<String> {
        let fixed = ["--listen=127.0.0.1:0", "--upstream", &by_name, "--log-format=json"];
        let args = fixed.iter().chain(extra).map(ToString::to_string);
        args.chain(crate::support::certificate_arguments()).collect()
    };
    let start = |file: &Path, extra: &[&str]| {
        let mut command = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
        command.args(arguments(extra)).env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR");
        Binary::spawn(command)
    };
    origin.echo();
    let binary = start(&trusted.file(), &[]);
    let mut client = Client::connect(binary.listening().await).await;
    client.upgrade().await;
    echo(&mut client, "hello").await;

    let other = repository("certs/ca.pem");
    let binary = start(&trusted.file(), &[&format!("--upstream-ca={}", other.display())]);
    let mut client = Client::connect(binary.listening().await).await;
    assert!(client.ask(upgrade_request()).await.0.starts_with("HTTP/1.1 502 "));

    let (code, said) = start(Path::new("/nonexistent.pem"), &[]).ended().await;
    let last = said.last().unwrap();
    assert_eq!(code, 1, "{said:#?}");
    assert!(last.contains("--upstream-ca") && last.contains("/nonexistent.pem"), "{said:#?}");
}

#[tokio::test]
async fn without_tls_to_upstreams_no_authority_is_needed_and_none_may_be_asked_for() {
    let [cert, key] = crate::support::certificate_arguments();
    let fixed = ["--listen=127.0.0.1:0", "--upstream=127.0.0.1:1", "--log-format=json"];
    let args: Vec<&str> = fixed.into_iter().chain([&*cert, &*key]).collect();
    let variables = [("SSL_CERT_FILE", "/nonexistent.pem")];
    Binary::start_with(&args, &variables).listening().await;

    let ca = format!("--upstream-ca={}", repository("certs/ca.pem").display());
    let args: Vec<&str> = args.into_iter().chain([&*ca]).collect();
    let (code, said) = Binary::start(&args).ended().await;
    assert_eq!((code, said.len()), (2, 1), "{said:#?}");
    assert!(said[0].contains("no upstream speaks TLS"), "{said:#?}");
}

#[tokio::test]
async fn insecure_believes_everybody_and_says_so() {
    let leaf = Leaf { names: &["other.example"], validity: Validity::Expired, ..LEAF };
    let origin = Origin::start(&Authority::new("somebody else"), &leaf).await;
    let (binary, addr) = Binary::serving(&origin.by_address(), &["--upstream-insecure"]).await;
    origin.echo();
    let mut client = Client::connect(addr).await;
    client.upgrade().await;
    echo(&mut client, "hello").await;
    let loud = |line: &serde_json::Value| {
        line["level"] == "WARN" && line["message"].as_str().unwrap().contains("--upstream-insecure")
    };
    assert_eq!(binary.json().iter().filter(|line| loud(line)).count(), 1);
}

#[tokio::test]
async fn an_upstream_that_demands_a_certificate_is_shown_one() {
    let trusted = Trusted::new();
    let authority = Authority::new("clients");
    let own = authority.issue(&Leaf { usage: Usage::Client, names: &[], ..LEAF });
    let issued = trusted.authority.issue(&LEAF);
    let mut origin = Origin::start_with(origin::config(&issued, Some(&authority))).await;
    let folder = trusted.folder.path();
    let (chain, key) = own.write(folder, "own");
    let both = folder.join("both.pem");
    fs::write(&both, own.combined()).unwrap();
    let ca = format!("--upstream-ca={}", trusted.file().display());
    let apart = [
        format!("--upstream-cert={}", chain.display()),
        format!("--upstream-key={}", key.display()),
    ];
    let together = [format!("--upstream-cert={}", both.display())];
    for given in [&apart[..], &together] {
        let args: Vec<&str> = given.iter().chain([&ca]).map(String::as_str).collect();
        let (_binary, addr) = Binary::serving(&origin.by_address(), &args).await;
        let mut client = Client::connect(addr).await;
        client.send(GET.as_bytes()).await;
        let mut conversation = origin.accept().await;
        assert!(conversation.was_shown(&own));
        conversation.read_head().await;
        conversation.send(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(client.read_head().await.0.starts_with("HTTP/1.1 204 "));
    }
    let (head, said) = answer(&origin.by_address(), &[&ca]).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    assert!(said.contains("it wants a client certificate"), "{said}");
    origin.refused().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_own_certificate_is_warned_of() {
    let trusted = Trusted::new();
    let folder = trusted.folder.path();
    let leaf = Leaf { usage: Usage::Client, names: &[], validity: Validity::Expired, ..LEAF };
    let (chain, key) = trusted.authority.issue(&leaf).write(folder, "own");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let args = [
        format!("--upstream-ca={}", trusted.file().display()),
        format!("--upstream-cert={}", chain.display()),
        format!("--upstream-key={}", key.display()),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (binary, _) = Binary::serving("wss://127.0.0.1:1", &args).await;
    let lines = binary.lines("certificate for upstreams has a problem");
    let problems: Vec<&str> = lines.iter().map(|line| line["problem"].as_str().unwrap()).collect();
    let [expired, readable] = &problems[..] else { panic!("{problems:?}") };
    assert!(expired.contains("expired on") && readable.contains("chmod o-r"), "{problems:?}");
}

#[tokio::test]
async fn files_that_are_not_what_they_should_be_are_named() {
    let trusted = Trusted::new();
    let ca = trusted.file();
    let folder = trusted.folder.path();
    let issued = trusted.authority.issue(&LEAF);
    let (chain, _) = issued.write(folder, "one");
    let (_, key) = trusted.authority.issue(&LEAF).write(folder, "other");
    let empty = folder.join("empty.pem");
    fs::write(&empty, "").unwrap();
    let missing = folder.join("missing.pem");
    let of = |flag: &str, path: &Path| format!("--upstream-{flag}={}", path.display());
    for (given, part) in [
        (vec![of("ca", &missing)], "missing.pem"),
        (vec![of("ca", &empty)], "no certificate in"),
        (vec![of("ca", &ca), of("cert", &missing)], "missing.pem"),
        (vec![of("ca", &ca), of("cert", &chain)], "no private key in"),
        (vec![of("ca", &ca), of("cert", &chain), of("key", &key)], "does not fit"),
    ] {
        for check in [false, true] {
            let [own_cert, own_key] = crate::support::certificate_arguments();
            let fixed = ["--listen=127.0.0.1:0", "--upstream=wss://127.0.0.1:1"];
            let mut command = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
            command.args(check.then_some("check")).args(fixed).args([own_cert, own_key]);
            command.args(&given).stdin(std::process::Stdio::null());
            let output = command.output().await.unwrap();
            assert_eq!(output.status.code(), Some(1), "{given:?}");
            let said = if check { output.stdout } else { output.stderr };
            let said = String::from_utf8(said).unwrap();
            assert!(said.contains(part), "{given:?}: {said}");
        }
    }
}
