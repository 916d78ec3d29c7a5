use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::view::{Next, Seen, View};
use super::*;
use crate::status::{
    Certificate, Handshakes, Member, State, Status, Totals, Tunnel, Tunnels, Upstream,
};

fn seen(tunnels: Vec<Tunnel>) -> Seen {
    let member = |address: &str, up| Member {
        address: address.into(),
        up,
        live: 3,
        connect_failures: u64::from(!up),
        weight: 1,
        backup: !up,
    };
    let status = Status {
        version: "1.2.3".into(),
        started_at: 1,
        uptime_seconds: 11_520,
        upstreams: vec![Upstream {
            name: "chat".into(),
            routes: vec!["/".into()],
            members: vec![member("10.0.0.1:9000", true), member("10.0.0.2:9000", false)],
        }],
        certificates: vec![Certificate {
            name: "a.pem".into(),
            names: vec!["chat.example".into()],
            not_after: 0,
            days_left: 5,
            problem: None,
        }],
        handshakes: vec![Handshakes { version: "1.3".into(), resumed: true, count: 7 }],
        totals: Totals { tunnels_open: 2, tunnels_opened: 1234, ..Totals::default() },
        ..Status::default()
    };
    Seen { status, tunnels: Ok(Tunnels { open: tunnels.len() as u64, tunnels }) }
}

fn tunnel(id: u64, path: &str, bytes: u64) -> Tunnel {
    Tunnel {
        id,
        client: Some(format!("203.0.113.{id}:4711")),
        host: Some("chat.example".into()),
        path: Some(path.into()),
        upstream: "10.0.0.1:9000".into(),
        age_seconds: 100.0 - id as f64,
        idle_seconds: id as f64,
        to_client_bytes: bytes,
        ..Tunnel::default()
    }
}

/// The screen as text.
fn screen(view: &mut View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, view)).unwrap();
    let lines = terminal.backend().buffer().content.chunks(width.into());
    let text = lines.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
    text.map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn press(view: &mut View, keys: &str) -> Next {
    let mut next = Next::Stay;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            key => KeyCode::Char(key),
        };
        next = view.take(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
    next
}

/// The first column of the tunnels that are shown.
fn shown(text: &str) -> Vec<&str> {
    let (_, tunnels) = text.split_once("TUNNEL (").unwrap();
    let rows = tunnels.lines().skip(1).take_while(|line| !line.starts_with("q quit"));
    rows.filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn a_small_terminal_shows_everything() {
    let mut view = View::default();
    view.saw(Ok(seen(vec![tunnel(1, "/a", 5), tunnel(2, "/b", 2048)])), Instant::now());
    let text = screen(&mut view, 80, 24);
    for part in [
        "wssgate 1.2.3  serving  up 3 h 12 min",
        "tunnels 2 open, 1 234 opened",
        "chat                 10.0.0.2:9000          down  3        1 backup     1",
        "certificate 5 days left: chat.example",
        "handshakes: TLS 1.3 resumed 7",
        "TUNNEL (1 of 2)",
        "q quit   s order: newest   / filter",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert_eq!(shown(&text), ["chat.example/b", "chat.example/a"]);
    assert!(text.contains("2.0 KiB"), "{text}");
}

#[test]
fn a_wide_terminal_has_certificates_beside_the_upstreams() {
    let mut view = View::default();
    view.saw(Ok(seen(vec![tunnel(1, "/a", 5)])), Instant::now());
    let text = screen(&mut view, 140, 30);
    let line = text.lines().find(|line| line.contains("UPSTREAM  ")).unwrap();
    assert!(line.contains("certificate 5 days left"), "{text}");
}

#[test]
fn keys_change_the_order_the_filter_and_the_place() {
    let mut view = View::default();
    let tunnels = vec![tunnel(3, "/c", 1), tunnel(2, "/b", 9), tunnel(1, "/a", 5)];
    view.saw(Ok(seen(tunnels)), Instant::now());
    let mut paths = |keys: &str| {
        press(&mut view, keys);
        let text = screen(&mut view, 100, 24);
        shown(&text)
            .iter()
            .map(|place| place.trim_start_matches("chat.example/").to_owned())
            .collect::<String>()
    };
    assert_eq!(paths(""), "cba");
    assert_eq!(paths("s"), "abc", "oldest");
    assert_eq!(paths("s"), "bac", "most bytes");
    assert_eq!(paths("s"), "cba", "longest idle");
    assert_eq!(paths("/203.0.113.2\n"), "b");
    assert_eq!(paths("\x1b"), "cba");
    assert_eq!(press(&mut view, "q"), Next::Leave);
}

#[test]
fn a_list_longer_than_the_screen_scrolls_to_its_end_and_no_further() {
    let mut view = View::default();
    view.saw(
        Ok(seen((1..=50).map(|id| tunnel(id, &format!("/{id}"), 0)).collect())),
        Instant::now(),
    );
    let first = screen(&mut view, 100, 24);
    assert_eq!(shown(&first)[0], "chat.example/50");
    view.take(&Event::Key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE)));
    let last = screen(&mut view, 100, 24);
    assert_eq!(shown(&last).last(), Some(&"chat.example/1"));
    assert_eq!(shown(&last).len(), shown(&first).len());
}

#[test]
fn keys_that_scroll_are_taken_where_there_is_nothing_to_scroll() {
    let mut view = View::default();
    for code in [KeyCode::PageDown, KeyCode::End, KeyCode::Down, KeyCode::Up] {
        view.take(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
    assert!(screen(&mut view, 80, 24).contains("asking ..."));
}

#[test]
fn a_server_that_is_lost_is_said_so_and_what_was_seen_stays() {
    let mut view = View::default();
    let now = Instant::now();
    assert!(screen(&mut view, 80, 24).contains("asking ..."));
    view.saw(Ok(seen(vec![tunnel(1, "/a", 5)])), now);
    view.saw(Err(anyhow::anyhow!("connection refused")), now + Duration::from_secs(1));
    view.saw(Err(anyhow::anyhow!("connection refused")), now + Duration::from_secs(66));
    let text = screen(&mut view, 100, 24);
    assert!(text.contains("not reachable for 1 min 5 s: connection refused"), "{text}");
    assert!(text.contains("chat.example/a"), "{text}");
}

#[test]
fn strangers_do_not_speak_to_the_terminal() {
    let mut view = View::default();
    let mut seen = seen(vec![tunnel(1, "/\x1b[2Jx", 5)]);
    seen.status.state = State::Draining;
    view.saw(Ok(seen), Instant::now());
    let text = screen(&mut view, 100, 24);
    assert!(text.contains("draining"), "{text}");
    assert!(!text.contains('\x1b') && text.contains("/\u{fffd}[2Jx"), "{text}");
}
