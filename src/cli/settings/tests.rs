use std::fs;

use wssgate::addr::Listen;
use wssgate::config::{Balance, Certificates, CheckKind, Member};

use super::*;
use crate::cli::Cli;
use clap::CommandFactory as _;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/config/valid")
}

fn given(line: &[&str]) -> ArgMatches {
    Cli::command().get_matches_from([&["wssgate"], line].concat())
}

/// What flags come to.
fn flags(line: &[&str]) -> (Config, String) {
    read(&Settings::new(given(line), None))
}

/// What a file comes to.
fn file(name: &str) -> (Config, String) {
    read(&Settings::new(given(&[]), Some(folder().join(name))))
}

fn read(settings: &Settings) -> (Config, String) {
    let (config, log) = settings.read().unwrap();
    (config, format!("{log:?}"))
}

#[test]
fn files_mean_what_their_flags_mean() {
    let mut compared = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = fs::read_to_string(folder().join(&name)).unwrap();
        let Some(line) = text.lines().next().unwrap().strip_prefix("# flags: ") else { continue };
        let line: Vec<&str> = line.split(' ').collect();
        assert_eq!(file(&name), flags(&line), "{name}");
        compared += 1;
    }
    assert!(compared >= 3);
}

/// Every flag is a key: the file sets each, none to its default, and the flags mean the same.
#[test]
fn every_flag_is_a_key() {
    let path = folder().join("every_key.toml");
    let top = File::read(&path).unwrap().top;
    // A certificate of files would be in the way of one that is made.
    let elsewhere = ["config", "cert", "key"];
    let mut line = Vec::new();
    for arg in command().get_arguments() {
        let key = arg.get_long().unwrap();
        match top.entries.get(key) {
            Some(entry) => line.extend(words(arg, key, entry).unwrap()),
            None => assert!(elsewhere.contains(&key), "{key} is not in every_key.toml"),
        }
    }
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let (ours, others) = (file("every_key.toml"), flags(&line));
    assert!(ours == others, "{ours:#?}\n{others:#?}");
    let defaults = format!("{:?}", flags(&["--self-signed", "--upstream", "1"]));
    for (key, entry) in &top.entries {
        let alone = top.entries.iter().filter(|(other, _)| *other != key);
        let without = Section {
            entries: alone.map(|(k, e)| (k.clone(), e.clone())).collect(),
            ..top.clone()
        };
        // Some are asked for by others; those have tests of their own.
        let settings = Settings::new(given(&[]), None);
        if let Ok((args, process)) = settings.compose(&[&without])
            && let Ok(config) = args.into_config()
        {
            let theirs = (config, format!("{process:?}"));
            assert!(theirs != ours, "{key} = {:?} changes nothing", entry.value);
        }
    }
    assert_ne!(format!("{ours:?}"), defaults);
}

#[test]
fn listeners_and_upstreams_have_settings_of_their_own() {
    let (config, _) = file("several.toml");
    let [public, local] = config.listeners.as_slice() else { panic!("{config:?}") };
    assert_eq!(config.drain.timeout.as_secs(), 30);
    assert_eq!(public.listen, [Listen::Port(8443)]);
    assert!(matches!(&public.tls.certificates, Certificates::Files(files) if files.len() == 1));
    assert_eq!((public.limits.max_connections, local.limits.max_connections), (Some(5000), None));
    assert_eq!((public.routes.len(), local.routes.len()), (2, 1), "the top's, or its own");
    assert!(
        matches!(&local.tls.certificates, Certificates::SelfSigned(names) if names == &["localhost"])
    );
    assert_eq!(local.timeouts.idle.unwrap().as_secs(), 3600);

    let chat = config.pool(public, &public.upstreams).unwrap();
    assert_eq!(config.pool(local, &local.upstreams), Some(chat.clone()), "one for both");
    assert_eq!(
        (chat.name.as_deref(), chat.balancing.balance),
        (Some("chat"), Balance::LeastConnections)
    );
    assert_eq!((chat.balancing.max_fails, config.pools["admin"].balancing.max_fails), (2, 5));
    let check = chat.balancing.check.unwrap();
    assert_eq!(check.kind, CheckKind::Ws("/chat".into()));
    let of = |member: &Member| (member.weight.get(), member.backup, member.max_connections);
    let members: Vec<_> = chat.members.iter().map(of).collect();
    assert_eq!(members, [(1, false, None), (3, false, None), (1, true, Some(100))]);
    let admin = &config.pools["admin"];
    assert!(admin.members[0].address.is_tls);
    assert_eq!(admin.tls.ca.as_deref(), Some(std::path::Path::new("internal.pem")));
}

#[test]
fn a_comma_in_a_list_of_the_file_is_a_comma() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.toml");
    let text =
        "self-signed = true\nupstream = '1'\nclient-ca = 'ca.pem'\nallow-cn = ['Doe, John', 'b']\n";
    fs::write(&path, text).unwrap();
    let (config, _) = read(&Settings::new(given(&[]), Some(path)));
    let allow = &config.listeners[0].tls.client_auth.as_ref().unwrap().allow;
    assert_eq!(allow.cn, ["Doe, John", "b"]);
}
