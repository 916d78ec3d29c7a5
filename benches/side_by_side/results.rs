//! The result files: the report as Markdown, all values as JSON, and the chart.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::chart;
use crate::column::{Column, negotiated, ratio};
use crate::plan::Plan;
use crate::table::{base, machine};
use crate::target;

/// Writes all three into `dir`.
pub(crate) fn write(
    dir: &Path,
    report: &str,
    columns: &[Column],
    plan: &Plan,
    notes: &[String],
) -> Result<()> {
    let json = serde_json::to_string_pretty(&json(columns, plan, notes)?)? + "\n";
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    for (end, text) in
        [("md", report), ("json", json.as_str()), ("svg", &chart::draw(columns, plan)?)]
    {
        let path = dir.join("side_by_side").with_extension(end);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        eprintln!("side_by_side: written to {}", path.display());
    }
    Ok(())
}

fn json(columns: &[Column], plan: &Plan, notes: &[String]) -> Result<Value> {
    let targets: Vec<Value> = target::judge(columns, plan)
        .into_iter()
        .map(|verdict| {
            json!({ "target": verdict.target, "measured": verdict.measured, "met": verdict.met })
        })
        .collect();
    let programs: Vec<Value> =
        columns.iter().map(|column| program(column, columns, plan)).collect();
    Ok(json!({
        "machine": machine(),
        "negotiated": negotiated(columns)?,
        "rounds": plan.rounds,
        "window_seconds": plan.window.as_secs_f64(),
        "rest_seconds": plan.rest.as_secs_f64(),
        "idle_tunnels": plan.tunnels,
        "few_tunnels": plan.few,
        "many_tunnels": plan.many,
        "programs": programs,
        "targets": targets,
        "notes": notes,
    }))
}

fn program(column: &Column, columns: &[Column], plan: &Plan) -> Value {
    let figures: Map<String, Value> = plan
        .figures
        .iter()
        .filter_map(|&figure| {
            let median = column.median(figure)?;
            let entry = json!({
                "title": figure.title(plan),
                "unit": figure.unit(),
                "median": median,
                "ratio": ratio(Some(median), base(columns, figure)),
                "values": column.values(figure),
            });
            Some((figure.key().to_owned(), entry))
        })
        .collect();
    json!({ "name": column.name, "figures": figures })
}
