//! All that was measured of one program: the values of all rounds, their median, and what went wrong.

use anyhow::{Result, ensure};

use crate::figure::Figure;
use crate::peers::{Installed, Program};

/// All that was measured of one program.
pub(crate) struct Column {
    pub(crate) program: Program,
    /// Title and version.
    pub(crate) name: String,
    negotiated: Option<String>,
    /// For each of `Figure::ALL`, one value a round.
    values: [Vec<f64>; Figure::ALL.len()],
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
}

impl Column {
    /// An empty one.
    pub(crate) fn new(installed: &Installed) -> Self {
        Self {
            program: installed.program,
            name: installed.name(),
            negotiated: None,
            values: Default::default(),
            failures: Vec::new(),
        }
    }

    /// Takes what the program has negotiated with the client.
    pub(crate) fn set_negotiated(&mut self, negotiated: Option<&str>) {
        self.negotiated = negotiated.map(str::to_owned);
    }

    /// Takes the values of one measurement.
    pub(crate) fn add(&mut self, values: &[(Figure, f64)]) {
        for (figure, value) in values {
            self.values[figure.index()].push(*value);
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

    /// One value a round.
    pub(crate) fn values(&self, figure: Figure) -> &[f64] {
        &self.values[figure.index()]
    }

    /// The value that counts.
    pub(crate) fn median(&self, figure: Figure) -> Option<f64> {
        median(self.values(figure))
    }

    /// The lowest and the highest value.
    pub(crate) fn spread(&self, figure: Figure) -> Option<(f64, f64)> {
        let values = self.values(figure);
        let low = values.iter().copied().min_by(f64::total_cmp)?;
        let high = values.iter().copied().max_by(f64::total_cmp)?;
        Some((low, high))
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

/// The one in the middle, or the mean of the two there.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 if middle > 0 => Some((values[middle - 1] + values[middle]) / 2.0),
        0 => None,
        _ => Some(values[middle]),
    }
}

/// The column of this program.
pub(crate) fn of(columns: &[Column], program: Program) -> Option<&Column> {
    columns.iter().find(|column| column.program == program)
}

/// The column that the others are compared with: HAProxy's, as everybody can install it; without it the first.
pub(crate) fn yardstick(columns: &[Column]) -> Option<&Column> {
    of(columns, Program::Haproxy).or(columns.first())
}

/// How often `to` goes into `value`.
pub(crate) fn ratio(value: Option<f64>, to: Option<f64>) -> Option<f64> {
    match (value, to) {
        (Some(value), Some(to)) if to > 0.0 => Some(value / to),
        _ => None,
    }
}
