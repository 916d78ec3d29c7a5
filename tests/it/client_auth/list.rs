//! Who is on the list: each kind of name, any of several.

use rustls::AlertDescription;
use tokio_rustls::rustls;

use super::{ROBOT, Serving, ask, connector};

const OTHERS: [&str; 4] =
    ["--allow-cn=other", "--allow-ou=other", "--allow-dns=other", "--allow-uri=other"];

#[tokio::test]
async fn any_name_on_a_list_lets_in() {
    for args in [
        &[][..],
        &["--allow-cn=robot"],
        &["--allow-ou=machines"],
        &["--allow-dns=ROBOT.example."],
        &["--allow-dns=*.robots.example"],
        &["--allow-uri=spiffe://example.org/robot"],
        &["--allow-cn=other,robot"],
        &["--allow-cn=other", "--allow-cn=robot"],
        &[&OTHERS[..], &["--allow-ou=machines"]].concat(),
    ] {
        assert_eq!(verdict(args).await, None, "{args:?}");
    }
}

#[tokio::test]
async fn who_is_on_no_list_is_denied_access() {
    for args in [
        &["--allow-cn=other"][..],
        &["--allow-ou=other"],
        &["--allow-dns=other"],
        &["--allow-uri=other"],
        &OTHERS,
        // Of another kind.
        &["--allow-cn=machines", "--allow-ou=robot", "--allow-dns=robot"],
        &["--allow-cn=Robot"],
        &["--allow-cn=robo"],
        // Not a name that its wildcard stands for, and not its address.
        &["--allow-dns=a.robots.example,192.0.2.1"],
        &["--allow-uri=spiffe://example.org/"],
    ] {
        assert_eq!(verdict(args).await, Some(AlertDescription::AccessDenied), "{args:?}");
    }
}

/// The alert that the robot gets, in both versions of TLS.
async fn verdict(args: &[&str]) -> Option<AlertDescription> {
    let serving = Serving::start(args, |_, _| {}).await;
    let robot = serving.root.issue(&ROBOT);
    let mut verdicts = Vec::new();
    for version in rustls::ALL_VERSIONS {
        let got = ask(serving.addr, &connector(version, Some(&robot)), "/").await;
        verdicts.push(got.answer.err());
    }
    assert_eq!(verdicts[0], verdicts[1], "{args:?}");
    verdicts[0]
}
