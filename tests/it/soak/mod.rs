//! What only shows after a while: leaks, and whether anybody notices what goes on. `tests/soak.sh` starts the long one.

mod chart;
mod churn;
mod population;
mod reloads;
