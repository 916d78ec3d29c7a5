//! The report: the figures of all rounds are gathered in a column a program, and written as Markdown. Measures nothing.

use std::fmt::Write as _;
use std::fs;
use std::thread::available_parallelism;

use anyhow::{Result, ensure};

use crate::measure::{Figure, Plan};

/// All that was measured of one program.
pub(crate) struct Column {
    name: String,
    negotiated: Option<String>,
    /// For each of `Figure::ALL`, one value a round.
    values: [Vec<f64>; Figure::ALL.len()],
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
}

impl Column {
    /// An empty one for the program of this name.
    pub(crate) fn new(name: String) -> Self {
        Self { name, negotiated: None, values: Default::default(), failures: Vec::new() }
    }

    /// Takes what the program has negotiated with the client.
    pub(crate) fn set_negotiated(&mut self, negotiated: &str) {
        self.negotiated = Some(negotiated.to_owned());
    }

    /// Takes the outcome of one measurement.
    pub(crate) fn add(&mut self, figure: Figure, outcome: Result<f64>) {
        match outcome {
            Ok(value) => self.values[figure.index()].push(value),
            Err(error) => self.fail(&format!("{}: {error:#}", figure.title())),
        }
    }

    /// Notes what could not be measured, once.
    pub(crate) fn fail(&mut self, what: &str) {
        let failure = format!("{} failed: {what}", self.name);
        eprintln!("side_by_side: {failure}");
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    fn median(&self, figure: Figure) -> Option<f64> {
        let mut values = self.values[figure.index()].clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() % 2 {
            0 if middle > 0 => Some((values[middle - 1] + values[middle]) / 2.0),
            0 => None,
            _ => Some(values[middle]),
        }
    }

    fn spread(&self, figure: Figure) -> Option<(f64, f64)> {
        let mut values = self.values[figure.index()].clone();
        values.sort_by(f64::total_cmp);
        Some((*values.first()?, *values.last()?))
    }
}

/// What all columns have negotiated; unlike things are not compared.
pub(crate) fn negotiated(columns: &[Column]) -> Result<&str> {
    let mut known =
        columns.iter().filter_map(|column| Some((column, column.negotiated.as_deref()?)));
    let Some((first, negotiated)) = known.next() else { return Ok("no TLS") };
    for (other, differs) in known {
        ensure!(
            negotiated == differs,
            "{} has {negotiated}, {} has {differs}",
            first.name,
            other.name
        );
    }
    Ok(negotiated)
}

/// The whole report.
pub(crate) fn report(columns: &[Column], plan: &Plan, notes: &[String]) -> Result<String> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut text = format!("{}\n\n{}. {}.\n\n", machine(), names.join(", "), negotiated(columns)?);
    writeln!(
        text,
        "Rounds: {}, of which the median; CPU windows of {:?}; {} idle tunnels; two workers each. In brackets the ratio to {}: \
         above 1 it costs more. For P-256 and X25519MLKEM768 it is the ratio to X25519.\n",
        plan.rounds,
        plan.window,
        plan.tunnels,
        names.first().copied().unwrap_or("nothing"),
    )?;
    text += &table(&names, plan, |figure| {
        let first = columns.first().and_then(|column| column.median(figure.base()));
        columns.iter().map(|column| cell(column.median(figure), first)).collect()
    });
    let pairs = peer_pairs(columns);
    if !pairs.is_empty() {
        text += "\nThe others to each other:\n\n";
        let heads: Vec<String> =
            pairs.iter().map(|(one, other)| format!("{} / {}", one.name, other.name)).collect();
        text += &table(&heads, plan, |figure| {
            pairs
                .iter()
                .map(|(one, other)| ratio(one.median(figure), other.median(figure)))
                .collect()
        });
    }
    text += "\nLowest and highest round:\n\n";
    text += &table(&names, plan, |figure| {
        columns.iter().map(|column| range(column.spread(figure))).collect()
    });
    for note in notes {
        write!(text, "\n- {}", note.trim_end())?;
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// Cores, processor, kernel.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {model}, Linux {}.", kernel.trim())
}

/// A Markdown table with a row for each figure.
fn table(heads: &[impl AsRef<str>], plan: &Plan, row: impl Fn(Figure) -> Vec<String>) -> String {
    let heads: Vec<&str> = heads.iter().map(AsRef::as_ref).collect();
    let mut text = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---:|".repeat(heads.len()));
    for &figure in &plan.figures {
        text += &format!("| {} | {} |\n", figure.title(), row(figure).join(" | "));
    }
    text
}

/// Every pair of columns that the first one is not part of: its ratios are in the main table.
fn peer_pairs(columns: &[Column]) -> Vec<(&Column, &Column)> {
    let peers = columns.get(1..).unwrap_or_default();
    let later = |index: usize| peers[index + 1..].iter();
    peers
        .iter()
        .enumerate()
        .flat_map(|(index, one)| later(index).map(move |other| (one, other)))
        .collect()
}

fn cell(value: Option<f64>, first: Option<f64>) -> String {
    match value {
        Some(value) => format!("{} ({})", number(value), ratio(Some(value), first)),
        None => "-".into(),
    }
}

fn range(spread: Option<(f64, f64)>) -> String {
    spread.map_or("-".into(), |(low, high)| format!("{} to {}", number(low), number(high)))
}

fn ratio(value: Option<f64>, to: Option<f64>) -> String {
    match (value, to) {
        (Some(value), Some(to)) if to > 0.0 => format!("{:.2}x", value / to),
        _ => "-".into(),
    }
}

/// Three significant digits, or all before the point.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}
