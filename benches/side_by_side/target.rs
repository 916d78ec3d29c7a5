//! What wssgate is to reach, and whether it does: by its own figures, or by their ratio to those of another program in
//! the same run.

use crate::column::{Column, of, ratio};
use crate::figure::Figure;
use crate::peers::Program;
use crate::plan::Plan;
use crate::table::number;

/// One promise.
struct Target {
    figure: Figure,
    against: Against,
    /// At most.
    limit: f64,
}

/// What the figure is compared with.
#[derive(Clone, Copy)]
enum Against {
    /// Nothing: the limit is in its own unit.
    Itself,
    /// The same figure of another program.
    Program(Program),
    /// Another figure of wssgate.
    Figure(Figure),
    /// The memory at the start, of which it is a multiple already; so many MiB more are fine.
    Start { more: f64 },
}

/// A target and what was measured.
pub(crate) struct Verdict {
    /// What is to be reached.
    pub(crate) target: String,
    /// What was.
    pub(crate) measured: String,
    /// Whether that will do; none if it was not measured.
    pub(crate) met: Option<bool>,
}

const TARGETS: [Target; 18] = [
    Target { figure: Figure::IdleSmall, against: Against::Itself, limit: 8192.0 },
    Target { figure: Figure::IdleLarge, against: Against::Itself, limit: 8192.0 },
    Target { figure: Figure::KeptSmall, against: Against::Start { more: 2.0 }, limit: 1.3 },
    Target { figure: Figure::KeptLarge, against: Against::Start { more: 2.0 }, limit: 1.3 },
    Target { figure: Figure::Full, against: Against::Program(Program::Haproxy), limit: 0.40 },
    Target { figure: Figure::Resumed, against: Against::Program(Program::Haproxy), limit: 0.38 },
    Target { figure: Figure::Echo, against: Against::Program(Program::Haproxy), limit: 0.75 },
    Target { figure: Figure::Echo, against: Against::Program(Program::Floor), limit: 1.0 },
    Target { figure: Figure::EchoP99, against: Against::Program(Program::Haproxy), limit: 1.0 },
    Target { figure: Figure::EchoP99, against: Against::Program(Program::Floor), limit: 1.0 },
    Target { figure: Figure::ApartP99, against: Against::Program(Program::Haproxy), limit: 1.0 },
    Target { figure: Figure::PacedP99, against: Against::Program(Program::Haproxy), limit: 1.0 },
    Target { figure: Figure::ToClient, against: Against::Program(Program::Floor), limit: 1.2 },
    Target { figure: Figure::ToUpstream, against: Against::Program(Program::Floor), limit: 1.2 },
    Target {
        figure: Figure::ManyTunnels,
        against: Against::Figure(Figure::FewTunnels),
        limit: 1.15,
    },
    Target { figure: Figure::Version, against: Against::Itself, limit: 5.0 },
    Target { figure: Figure::Listening, against: Against::Itself, limit: 30.0 },
    Target { figure: Figure::Size, against: Against::Itself, limit: 10.0 },
];

/// The verdicts on all targets that this run can judge.
pub(crate) fn judge(columns: &[Column], plan: &Plan) -> Vec<Verdict> {
    TARGETS
        .iter()
        .filter(|target| plan.figures.contains(&target.figure))
        .map(|target| target.judge(columns, plan))
        .collect()
}

impl Target {
    fn judge(&self, columns: &[Column], plan: &Plan) -> Verdict {
        let own = of(columns, Program::Wssgate);
        let median = |column: Option<&Column>, figure| column.and_then(|it| it.median(figure));
        let value = median(own, self.figure);
        let (measured, limit) = match self.against {
            Against::Itself => (value, Some(self.limit)),
            Against::Program(other) => {
                (ratio(value, median(of(columns, other), self.figure)), Some(self.limit))
            }
            Against::Figure(other) => (ratio(value, median(own, other)), Some(self.limit)),
            Against::Start { more } => {
                let start = median(own, Figure::Start);
                (value, ratio(Some(more), start).map(|more| self.limit + more))
            }
        };
        let unit = match self.against {
            Against::Itself => format!(" {}", self.figure.unit()),
            _ => "x".into(),
        };
        Verdict {
            target: format!("{}: at most {}", self.figure.title(plan), self.bound(plan)),
            measured: measured.map_or("-".into(), |value| number(value) + &unit),
            met: measured.zip(limit).map(|(value, limit)| value <= limit),
        }
    }

    fn bound(&self, plan: &Plan) -> String {
        match self.against {
            Against::Itself => format!("{} {}", self.limit, self.figure.unit()),
            Against::Program(Program::Floor) => format!("{:.2}x the floor's", self.limit),
            Against::Program(other) => format!("{:.2}x {}'s", self.limit, other.title()),
            Against::Figure(other) => format!("{:.2}x \"{}\"", self.limit, other.title(plan)),
            Against::Start { more } => format!("{:.2}x and {more} MiB", self.limit),
        }
    }
}
