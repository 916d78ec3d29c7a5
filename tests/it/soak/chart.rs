//! What the soak leaves behind: a table (CSV) and a picture (SVG) of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// One moment.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) second: f64,
    pub(super) values: Vec<f64>,
}

/// What is in a column, and in which panel of the picture.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) panel: usize,
}

/// Size of a panel.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 150.0;

/// Room for numbers and titles.
const LEFT: f64 = 80.0;
const ABOVE: f64 = 24.0;

const COLOURS: [&str; 4] = ["#1f6feb", "#d1242f", "#2da44e", "#8250df"];

/// Writes both.
pub(super) fn write(dir: &Path, columns: &[Column], rows: &[Row]) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("soak.csv"), csv(columns, rows)).unwrap();
    fs::write(dir.join("soak.svg"), svg(columns, rows)).unwrap();
}

fn csv(columns: &[Column], rows: &[Row]) -> String {
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let mut text = format!("second,{}\n", names.join(","));
    for row in rows {
        let values: Vec<_> = row.values.iter().map(|value| format!("{value:.3}")).collect();
        writeln!(text, "{:.1},{}", row.second, values.join(",")).unwrap();
    }
    text
}

fn svg(columns: &[Column], rows: &[Row]) -> String {
    let panels = columns.iter().map(|column| column.panel).max().unwrap_or_default() + 1;
    let (width, height) = (WIDTH + 2.0 * LEFT, (HEIGHT + 2.0 * ABOVE) * panels as f64);
    let mut text = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' \
         font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n"
    );
    let last = rows.last().map_or(1.0, |row| row.second);
    for panel in 0..panels {
        let top = (HEIGHT + 2.0 * ABOVE) * panel as f64 + ABOVE;
        let of_it: Vec<_> =
            columns.iter().enumerate().filter(|(_, column)| column.panel == panel).collect();
        let all = rows.iter().flat_map(|row| of_it.iter().map(|(index, _)| row.values[*index]));
        let most = all.fold(1.0, f64::max);
        writeln!(
            text,
            "<rect x='{LEFT}' y='{top}' width='{WIDTH}' height='{HEIGHT}' fill='none' stroke='#999'/>\n\
             <text x='4' y='{}'>{most:.0}</text><text x='4' y='{}'>0</text>\n\
             <text x='{}' y='{}'>{last:.0} s</text>",
            top + 10.0,
            top + HEIGHT,
            LEFT + WIDTH + 4.0,
            top + HEIGHT
        )
        .unwrap();
        for (order, (index, column)) in of_it.into_iter().enumerate() {
            let colour = COLOURS[order % COLOURS.len()];
            let point = |row: &Row| {
                let x = LEFT + row.second / last * WIDTH;
                let y = top + HEIGHT - row.values[index] / most * HEIGHT;
                format!("{x:.1},{y:.1}")
            };
            let points: Vec<_> = rows.iter().map(point).collect();
            let (x, y) = (LEFT + 170.0 * order as f64, top - 6.0);
            writeln!(
                text,
                "<polyline points='{}' fill='none' stroke='{colour}'/>\n\
                 <text x='{x}' y='{y}' fill='{colour}'>{}</text>",
                points.join(" "),
                column.name
            )
            .unwrap();
        }
    }
    text + "</svg>\n"
}

/// By how much a column rises in a second (least squares).
pub(super) fn slope(rows: &[Row], column: usize) -> f64 {
    let count = rows.len() as f64;
    let mean = |value: &dyn Fn(&Row) -> f64| rows.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(&|row| row.second), mean(&|row| row.values[column]));
    let covariance = mean(&|row| (row.second - x) * (row.values[column] - y));
    covariance / mean(&|row| (row.second - x).powi(2))
}
