//! The report as Markdown. Measures nothing.

use std::fmt::Write as _;
use std::fs;
use std::thread::available_parallelism;

use anyhow::Result;

use crate::column::{Column, negotiated, of, ratio, yardstick};
use crate::figure::Figure;
use crate::peers::Program;
use crate::plan::Plan;
use crate::target;

/// The whole report.
pub(crate) fn report(columns: &[Column], plan: &Plan, notes: &[String]) -> Result<String> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut text = format!("{}\n\n{}. {}.\n\n", machine(), names.join(", "), negotiated(columns)?);
    writeln!(
        text,
        "Rounds: {} ({} of memory), of which the median; CPU windows of {:?}; {} idle tunnels; rests of {:?}; two workers \
         each. In brackets the ratio to {}: above 1 it costs more. For P-256 and X25519MLKEM768 it is the ratio to wssgate's \
         own with X25519. The floor is a TCP relay without TLS.\n",
        plan.rounds,
        plan.rounds.min(plan.memory_rounds),
        plan.window,
        plan.tunnels,
        plan.rest,
        yardstick(columns).map_or("nothing", |column| &column.name),
    )?;
    text += &table(&names, plan, |figure| {
        columns.iter().map(|column| cell(column.median(figure), base(columns, figure))).collect()
    });
    if let Some(floor) = of(columns, Program::Floor).filter(|_| columns.len() > 1) {
        text += "\nRatio to the floor:\n\n";
        text += &table(&names, plan, |figure| {
            let to = floor.median(figure);
            columns.iter().map(|column| times(ratio(column.median(figure), to))).collect()
        });
    }
    text += &targets(columns, plan)?;
    text += "\nLowest and highest round:\n\n";
    text += &table(&names, plan, |figure| {
        columns.iter().map(|column| range(column.spread(figure))).collect()
    });
    for note in notes {
        write!(text, "\n- {}", note.trim_end())?;
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// What the figures of a row are compared with: those of the yardstick, or wssgate's own with X25519.
pub(crate) fn base(columns: &[Column], figure: Figure) -> Option<f64> {
    match figure {
        Figure::FullP256 | Figure::FullHybrid => {
            of(columns, Program::Wssgate)?.median(Figure::Full)
        }
        Figure::Size => None,
        _ => yardstick(columns)?.median(figure),
    }
}

/// Cores, processor, kernel.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {model}, Linux {}.", kernel.trim())
}

/// Three significant digits, or all before the point.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// What wssgate is to reach, and whether it does.
fn targets(columns: &[Column], plan: &Plan) -> Result<String> {
    let verdicts = target::judge(columns, plan);
    let mut text = String::new();
    if verdicts.is_empty() || of(columns, Program::Wssgate).is_none() {
        return Ok(text);
    }
    text += "\nTargets of wssgate:\n\n| target | measured | met |\n|---|---:|---|\n";
    for verdict in verdicts {
        let met = match verdict.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "-",
        };
        writeln!(text, "| {} | {} | {met} |", verdict.target, verdict.measured)?;
    }
    Ok(text)
}

/// A Markdown table with a row for each figure.
fn table(heads: &[impl AsRef<str>], plan: &Plan, row: impl Fn(Figure) -> Vec<String>) -> String {
    let heads: Vec<&str> = heads.iter().map(AsRef::as_ref).collect();
    let mut text = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---:|".repeat(heads.len()));
    for &figure in &plan.figures {
        text += &format!("| {} | {} |\n", figure.title(plan), row(figure).join(" | "));
    }
    text
}

fn cell(value: Option<f64>, to: Option<f64>) -> String {
    match (value, ratio(value, to)) {
        (Some(value), Some(ratio)) => format!("{} ({ratio:.2}x)", number(value)),
        (Some(value), None) => number(value),
        (None, _) => "-".into(),
    }
}

fn range(spread: Option<(f64, f64)>) -> String {
    spread.map_or("-".into(), |(low, high)| format!("{} to {}", number(low), number(high)))
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or("-".into(), |ratio| format!("{ratio:.2}x"))
}
