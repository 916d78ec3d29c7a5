//! `disagreements.md`, which is read by people and by the test.

use std::collections::BTreeMap;
use std::fmt;

/// One way to disagree with one other. A line of the table may name several classes and several others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    /// What wssgate does.
    ours: String,
    /// Why it refuses, what is changed in the head, or in what the forwarded head differs.
    class: String,
    /// Who does something else.
    other: String,
}

impl Row {
    pub(super) fn new(ours: &str, class: &str, other: &str) -> Self {
        Self { ours: ours.to_owned(), class: class.to_owned(), other: other.to_owned() }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ours, class, other } = self;
        write!(f, "| {ours} | {class} | {other} |")
    }
}

/// Every row, and its reason.
pub(super) fn read() -> BTreeMap<Row, String> {
    let text = include_str!("disagreements.md");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [ours, class, others, why] = cells[..] else { panic!("four cells: {line}") };
        if ours == "wssgate" || ours.starts_with("---") {
            continue;
        }
        assert!(why.len() > 10, "no reason: {line}");
        for (class, other) in
            class.split("; ").flat_map(|one| others.split(", ").map(move |o| (one, o)))
        {
            let is_new = rows.insert(Row::new(ours, class, other), why.to_owned()).is_none();
            assert!(is_new, "twice: {line}");
        }
    }
    rows
}
