//! The view on a screen: what it is, numbers, upstreams, what is wrong, and as many tunnels as there is room for.
//!
//! Strangers' words come through [`clean`] before they are drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::view::{Seen, View, place};
use super::words::{bytes, clean, count, short_time, time};
use crate::status::{Certificate, State, Status, Tunnel};

/// Columns from which certificates and failures stand beside the upstreams.
const WIDE: u16 = 110;

/// Lines of upstreams at most: the rest is for tunnels.
const MAX_UPSTREAMS: usize = 10;

/// Days from which on a certificate's end is near.
const SOON: i64 = 21;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View) {
    let [top, rest, bottom] =
        Layout::vertical([Constraint::Length(3), Constraint::Fill(1), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(Paragraph::new(header(view)), top);
    frame.render_widget(Paragraph::new(footer(view)), bottom);
    let Some(Seen { status, .. }) = &view.seen else { return };
    let (upstreams, notes) = (upstreams(status), notes(status));
    let is_wide = frame.area().width >= WIDE;
    let lines = match is_wide {
        true => upstreams.len().max(notes.len()),
        false => upstreams.len() + notes.len(),
    };
    let above = Constraint::Length(u16::try_from(lines + 2).unwrap_or(u16::MAX));
    let [above, tunnels] = Layout::vertical([above, Constraint::Fill(1)]).areas(rest);
    let [left, right] = match is_wide {
        true => {
            Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).spacing(2).areas(above)
        }
        false => {
            let height = u16::try_from(upstreams.len() + 1).unwrap_or(u16::MAX);
            Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(above)
        }
    };
    draw_upstreams(frame, left, upstreams);
    frame.render_widget(Paragraph::new(notes), right);
    draw_tunnels(frame, tunnels, view);
}

/// What it is, and its numbers.
fn header(view: &View) -> Vec<Line<'static>> {
    let mut first = vec![Span::from("wssgate").bold()];
    let Some(Seen { status, .. }) = &view.seen else {
        let why = view.lost.as_ref().map_or("asking ...".to_owned(), |lost| clean(&lost.why));
        return vec![first.remove(0).into(), Line::from(why)];
    };
    let (word, color) = match status.state {
        State::Serving => ("serving", Color::Green),
        State::Draining => ("draining", Color::Yellow),
    };
    first.push(format!(" {}  ", clean(&status.version)).into());
    match &view.lost {
        None => first.push(Span::from(word).fg(color).bold()),
        Some(lost) => first.push(
            Span::from(format!(
                "not reachable for {}: {}",
                time(lost.elapsed.as_secs()),
                clean(&lost.why)
            ))
            .fg(Color::Red)
            .bold(),
        ),
    }
    first.push(format!("  up {}", time(status.uptime_seconds)).into());
    let (totals, rates) = (&status.totals, view.rates);
    vec![
        first.into(),
        Line::from(format!(
            "tunnels {} open, {} opened   connections {} of {}   requests {}   failed {}",
            count(totals.tunnels_open),
            count(totals.tunnels_opened),
            count(totals.connections_open),
            count(totals.connections_accepted),
            count(totals.requests),
            count(totals.failed)
        )),
        Line::from(format!(
            "to clients {} ({}/s)   to upstreams {} ({}/s)",
            bytes(totals.to_client_bytes as f64),
            bytes(rates.to_client),
            bytes(totals.to_upstream_bytes as f64),
            bytes(rates.to_upstream)
        )),
    ]
}

/// What keys do.
fn footer(view: &View) -> Line<'static> {
    let filter = match (view.is_typing, view.filter.is_empty()) {
        (true, _) => format!("/{}_", clean(&view.filter)),
        (false, true) => "/ filter".to_owned(),
        (false, false) => format!("/{} (Esc ends it)", clean(&view.filter)),
    };
    let keys = format!("q quit   s order: {}   {filter}   arrows, PgUp, PgDn", view.sort.name());
    Line::from(keys).style(Style::new().add_modifier(Modifier::DIM))
}

/// A line for each pool that has a name of its own, and for each member.
fn upstreams(status: &Status) -> Vec<Row<'static>> {
    let mut rows = Vec::new();
    for pool in &status.upstreams {
        for member in &pool.members {
            let (word, color) = if member.up { ("up", Color::Green) } else { ("down", Color::Red) };
            let weight = match member.backup {
                true => format!("{} backup", member.weight),
                false => member.weight.to_string(),
            };
            rows.push(Row::new([
                Cell::from(clean(&pool.name)),
                Cell::from(clean(&member.address)),
                Cell::from(Span::from(word).fg(color)),
                Cell::from(count(member.live)),
                Cell::from(weight),
                Cell::from(count(member.connect_failures)),
            ]));
        }
    }
    if rows.len() > MAX_UPSTREAMS {
        let more = rows.len() - MAX_UPSTREAMS + 1;
        rows.truncate(MAX_UPSTREAMS - 1);
        rows.push(Row::new([Cell::from(format!("and {more} more"))]));
    }
    rows
}

fn draw_upstreams(frame: &mut Frame<'_>, area: Rect, rows: Vec<Row<'static>>) {
    let widths = [
        Constraint::Max(20),
        Constraint::Fill(1),
        Constraint::Length(5),
        Constraint::Length(8),
        Constraint::Length(12),
        Constraint::Length(8),
    ];
    let header = Row::new(["UPSTREAM", "ADDRESS", "", "CARRIES", "WEIGHT", "REFUSED"]).bold();
    frame.render_widget(Table::new(rows, widths).header(header), area);
}

/// Certificates, handshakes and what went wrong.
fn notes(status: &Status) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = status.certificates.iter().map(certificate).collect();
    let handshakes = status.handshakes.iter().filter(|made| made.count > 0).map(|made| {
        let kind = if made.resumed { "resumed" } else { "full" };
        format!("TLS {} {kind} {}", clean(&made.version), count(made.count))
    });
    let failed = status.handshakes_failed.iter().filter(|failed| failed.count > 0);
    let failed = failed.map(|failed| format!("{} {}", clean(&failed.kind), count(failed.count)));
    lines.extend(listed("handshakes", handshakes, Style::new()));
    lines.extend(listed("handshakes failed", failed, Style::new().fg(Color::Yellow)));
    let failures = status.failures.iter().filter(|failures| failures.count > 0).map(|failures| {
        format!("{}/{} {}", clean(&failures.stage), clean(&failures.side), count(failures.count))
    });
    lines.extend(listed("failures", failures, Style::new().fg(Color::Yellow)));
    if let Some(reload) = status.reloads.last.as_ref().filter(|reload| !reload.done) {
        let reason = reload.reason.as_deref().unwrap_or("see the log");
        lines.push(Line::from(format!("last reload refused: {}", clean(reason))).fg(Color::Red));
    }
    lines
}

fn listed(title: &str, items: impl Iterator<Item = String>, style: Style) -> Option<Line<'static>> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| Line::from(format!("{title}: {}", items.join(", "))).style(style))
}

fn certificate(certificate: &Certificate) -> Line<'static> {
    let names = clean(&certificate.names.join(", "));
    let line = Line::from(format!("certificate {} days left: {names}", certificate.days_left));
    match certificate.days_left {
        ..7 => line.fg(Color::Red),
        7..SOON => line.fg(Color::Yellow),
        _ => line,
    }
}

fn draw_tunnels(frame: &mut Frame<'_>, area: Rect, view: &mut View) {
    if let Some(Seen { tunnels: Err(why), .. }) = &view.seen {
        let text = format!("open tunnels are not told here: {}", clean(why));
        return frame.render_widget(Paragraph::new(text), area);
    }
    let page = usize::from(area.height.saturating_sub(1));
    let all = view.tunnels().len();
    view.fit(all, page);
    // An address of IPv6 is cut off rather than the path; in a small terminal the upstream is left out.
    let has_upstream = area.width >= WIDE;
    let shown = view.tunnels().into_iter().skip(view.scroll).take(page);
    let rows: Vec<_> = shown.map(|one| Row::new(columns(tunnel(one), has_upstream))).collect();
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(21),
        Constraint::Length(21),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    let first = (view.scroll + 1).min(all) as u64;
    let title = format!("TUNNEL ({} of {})", count(first), count(all as u64));
    let header = [title.as_str(), "CLIENT", "UPSTREAM", "AGE", "IDLE", "TO UPSTR", "TO CLIENT"];
    let header = Row::new(columns(header.map(str::to_owned), has_upstream)).bold();
    let table = Table::new(rows, columns(widths, has_upstream)).header(header);
    frame.render_widget(table, area);
}

/// All columns, or those without the upstream.
fn columns<T>(all: [T; 7], has_upstream: bool) -> Vec<T> {
    let kept = all.into_iter().enumerate().filter(|(at, _)| *at != 2 || has_upstream);
    kept.map(|(_, column)| column).collect()
}

fn tunnel(tunnel: &Tunnel) -> [String; 7] {
    [
        clean(&place(tunnel)),
        tunnel.client.as_deref().map_or("unix socket".to_owned(), clean),
        clean(&tunnel.upstream),
        short_time(tunnel.age_seconds),
        short_time(tunnel.idle_seconds),
        bytes(tunnel.to_upstream_bytes as f64),
        bytes(tunnel.to_client_bytes as f64),
    ]
}
