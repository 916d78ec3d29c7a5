//! What the command line says of client certificates.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{one_line, run};
use crate::support::{Authority, Binary};

#[tokio::test]
async fn nothing_is_said_of_clients_certificates_without_an_authority() {
    for flag in [
        "--client-auth=require",
        "--client-auth=request",
        "--allow-cn=a",
        "--allow-ou=a",
        "--allow-dns=a",
        "--allow-uri=a",
        "--client-crl=a.crl",
    ] {
        let (code, said) = run(&["--upstream", "1", "--self-signed", flag]).await;
        let said = said.join("\n");
        assert_eq!(code, 2, "{flag}: {said}");
        assert!(said.starts_with("wssgate: ") && said.contains("--client-ca <FILE>"), "{said}");
    }
    let (code, said) =
        run(&["--upstream", "1", "--self-signed", "--client-ca=a", "--client-auth=maybe"]).await;
    assert_eq!(code, 2);
    assert!(said.join("\n").contains("[possible values: require, request]"), "{said:#?}");
}

/// What `openssl ca -gencrl` writes by default, which is of version 1.
const VERSION_1: &str = "\
-----BEGIN X509 CRL-----
MIGRMDgwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBeBcNMjYxMTIzMDYwMTU0WhcN
MjYxMjIzMDYwMTU0WjAKBggqhkjOPQQDAgNJADBGAiEA9xjCMxGhJriASTovTsAa
22rQvgyxH95Lynac3FkTgwwCIQCKZbbwgxsG3v6QQayB3UNL+Ah9d37Ce7Zh6A1N
zd+EUg==
-----END X509 CRL-----
";

#[tokio::test]
async fn headers_about_certificates_that_nobody_asks_for_are_refused() {
    let (code, said) = run(&["--upstream", "1", "--self-signed", "--client-cert-headers"]).await;
    assert_eq!((code, said.len()), (2, 1), "{said:#?}");
    let line = one_line(&said);
    assert!(line.contains("--client-cert-headers without --client-ca"), "{line}");
    // A variable that says no asks for nothing.
    for no in ["false", "0", ""] {
        let variables = [("WSSGATE_CLIENT_CERT_HEADERS", no)];
        let args = ["--listen=127.0.0.1:0", "--upstream=1", "--self-signed", "--log-format=json"];
        Binary::start_with(&args, &variables).listening().await;
    }
}

#[tokio::test]
async fn an_empty_name_on_a_list_is_refused() {
    for arg in ["--allow-cn=", "--allow-ou=a,,b", "--allow-dns=", "--allow-uri="] {
        let (code, said) = run(&["--upstream=1", "--self-signed", "--client-ca=ca.pem", arg]).await;
        assert_eq!(code, 2, "{arg}: {said:#?}");
        assert!(said[0].contains("a value is required for '--allow-"), "{said:#?}");
    }
}

#[tokio::test]
async fn a_file_that_does_not_serve_is_named_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let root = Authority::new("root");
    let crl = root.crl(&[], SystemTime::now() + Duration::from_secs(3600));
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (name, bytes) in [
        ("ca.pem", root.pem().into_bytes()),
        ("ca.der", der(&root.pem())),
        ("ca.key", key.into_bytes()),
        ("empty", Vec::new()),
        ("broken.pem", root.pem().replace('M', "N").into_bytes()),
        ("cut.pem", root.pem().into_bytes()[..200].to_vec()),
        ("root.crl", crl.clone().into_bytes()),
        ("der.crl", der(&crl)),
        ("broken.crl", crl.replace('M', "N").into_bytes()),
        ("v1.crl", VERSION_1.into()),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let no_certificate = "it must be PEM, with a line -----BEGIN CERTIFICATE-----";
    let no_list = "it must be PEM, with a line -----BEGIN X509 CRL-----";
    for (ca, crl, bad, part) in [
        ("missing", None, "missing", "No such file"),
        ("empty", None, "empty", no_certificate),
        ("ca.der", None, "ca.der", no_certificate),
        ("ca.key", None, "ca.key", no_certificate),
        ("root.crl", None, "root.crl", no_certificate),
        ("broken.pem", None, "broken.pem", "authority"),
        ("cut.pem", None, "cut.pem", ""),
        ("ca.pem", Some("missing"), "missing", "No such file"),
        ("ca.pem", Some("empty"), "empty", no_list),
        ("ca.pem", Some("der.crl"), "der.crl", no_list),
        ("ca.pem", Some("ca.pem"), "ca.pem", no_list),
        ("ca.pem", Some("broken.crl"), "broken.crl", "could not be parsed"),
        ("ca.pem", Some("v1.crl"), "v1.crl", "it must be of version 2"),
    ] {
        let (code, said) = run_with(dir.path(), ca, crl).await;
        assert_eq!((code, said.len()), (1, 1), "{ca} {crl:?}: {said:#?}");
        let line = one_line(&said);
        let bad = dir.path().join(bad).display().to_string();
        assert!(line.contains(&bad) && line.contains(part), "{ca} {crl:?}: {line}");
    }
}

/// What it says about these files.
async fn run_with(dir: &Path, ca: &str, crl: Option<&str>) -> (i32, Vec<String>) {
    let flag = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    let ca = flag("client-ca", ca);
    let crl = crl.map(|crl| flag("client-crl", crl));
    let fixed = ["--listen=127.0.0.1:0", "--upstream=127.0.0.1:1", "--self-signed", &ca];
    run(&fixed.into_iter().chain(crl.as_deref()).collect::<Vec<_>>()).await
}

fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::prelude::BASE64_STANDARD.decode(lines).unwrap()
}
