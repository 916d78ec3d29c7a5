//! The log lines of a connection: each end has one, with a reason that the story gives, and what they count is what
//! came.

use super::lines::Line;
use super::model::Told;
use super::story::{Event, Story};

/// Panics when the lines say something else than what was told.
pub(super) fn judge(story: &Story, told: &Told, lines: &[Line]) {
    let said = |message| lines.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
    let [opened, closed] = [said("tunnel opened"), said("tunnel closed")];
    let [served, failed] = [said("request"), said("connection failed")];
    assert_eq!(opened.len(), closed.len());
    assert_eq!(closed.len(), usize::from(told.tunnel.is_some()), "tunnels: {lines:?}");
    assert!(failed.len() + closed.len() <= 1, "one end: {lines:?}");
    let late = usize::from(told.is_last_late && !failed.is_empty());
    assert_eq!(served.len() + late, told.served, "requests: {lines:?}");
    if let ([line], Some((to_upstream, to_client))) = (&closed[..], told.tunnel) {
        judge_tunnel(story, line, (to_upstream, to_client));
    }
    if let [line] = failed[..] {
        assert!(!line["reason"].is_empty() && !line["stage"].is_empty(), "{line:?}");
        let is_by_us = line["closed_by"] == "wssgate";
        assert_eq!(is_by_us, line["reason"] == "drain", "{line:?}");
        assert!(!is_by_us || is_drained(story), "{line:?}");
    }
    if let Some(own) = told.own {
        let [line] = failed[..] else { panic!("an answer of our own without a line: {lines:?}") };
        assert_eq!(line.get("status"), Some(&own.to_string()), "{line:?}");
        // It was decided before any drain; that the client's end is not waited for changes nothing.
        assert!(line["reason"] != "drain", "{line:?}");
    }
    let is_over = !failed.is_empty() || !closed.is_empty() || !served.is_empty();
    assert!(is_over || !told.is_asked, "an end without a reason");
}

fn judge_tunnel(story: &Story, line: &Line, (to_upstream, to_client): (usize, usize)) {
    let reason = line["reason"].as_str();
    let is_cut = story.has(|event| matches!(event, Event::ClientResets | Event::UpstreamDrops));
    let is_likely = match reason {
        "closed" => true,
        "drain" => is_drained(story),
        "reset" | "broken" => is_cut,
        "idle_timeout" | "half_close_timeout" => !story.is_calm(),
        _ => false,
    };
    assert!(is_likely, "{line:?}");
    assert_eq!(line["closed_by"] == "wssgate", !["closed", "reset", "broken"].contains(&reason));
    // What was under way to somebody who goes away is counted, and lost.
    if !is_cut {
        assert_eq!(line["to_upstream_bytes"], to_upstream.to_string());
        assert_eq!(line["to_client_bytes"], to_client.to_string());
    }
}

fn is_drained(story: &Story) -> bool {
    story.has(|event| matches!(event, Event::Drain | Event::Cut))
}
