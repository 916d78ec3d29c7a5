//! The chart: for each row a group of horizontal bars, one a program, as long as its ratio to the yardstick. Its ground is
//! transparent, and its colours stand out from white as from near black: GitHub shows READMEs on both.

use anyhow::{Result, anyhow};
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoTextStyle, RGBColor};

use crate::column::{Column, ratio, yardstick};
use crate::figure::Figure;
use crate::peers::Program;
use crate::plan::Plan;
use crate::table::{base, number};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: i32 = 960;
const MARGIN: i32 = 16;
/// Where bars begin: right of the names.
const LEFT: i32 = 170;
/// Pixels for a ratio of 1.
const UNIT: f64 = 300.0;
/// Longer bars are cut; their number says how long they would be.
const LONGEST: f64 = 2.0;
const BAR: i32 = 15;
const TITLE: i32 = 26;
const GAP: i32 = 16;
const HEAD: i32 = 66;

/// Contrast of more than 4 to white and to GitHub's dark ground.
const TEXT: RGBColor = RGBColor(0x76, 0x80, 0x8a);

/// Draws it as SVG.
pub(crate) fn draw(columns: &[Column], plan: &Plan) -> Result<String> {
    let mut svg = String::new();
    let figures: Vec<Figure> = plan
        .figures
        .iter()
        .copied()
        .filter(|figure| figure.is_charted() && base(columns, *figure).is_some())
        .collect();
    let group = |figure: &Figure| {
        let bars = columns.iter().filter(|column| column.median(*figure).is_some()).count();
        TITLE + BAR * i32::try_from(bars).unwrap_or(0) + GAP
    };
    let height = HEAD + figures.iter().map(group).sum::<i32>() + MARGIN;
    {
        let size = (WIDTH.cast_unsigned(), height.cast_unsigned());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&area, columns, plan, &figures)
            .map_err(|error| anyhow!("draw the chart: {error}"))?;
    }
    Ok(svg)
}

fn paint(area: &Area, columns: &[Column], plan: &Plan, figures: &[Figure]) -> Result<()> {
    let name = yardstick(columns).map_or("nothing", |column| &column.name);
    write(area, &format!("Cost of wss:// termination, {name} = 1"), (MARGIN, 10), 22, HPos::Left)?;
    let note = "Shorter is better. Figures with their units on the right; one machine, one run, two workers each.";
    write(area, note, (MARGIN, 38), 14, HPos::Left)?;
    let mut top = HEAD;
    for &figure in figures {
        write(area, &figure.title(plan), (MARGIN, top), 16, HPos::Left)?;
        top += TITLE;
        let begin = top;
        for column in columns {
            let Some(value) = column.median(figure) else { continue };
            let share = ratio(Some(value), base(columns, figure)).unwrap_or(0.0);
            bar(area, column, top, share)?;
            let cut = if share > LONGEST { " →" } else { "" };
            let label = format!("{share:.2}{cut} ({} {})", number(value), figure.unit());
            // In a column of their own: behind its bar, a label would meet the line of the yardstick.
            let right = LEFT + length(LONGEST) + 8;
            write(area, &label, (right, top + 1), 13, HPos::Left)?;
            top += BAR;
        }
        line(area, LEFT + length(1.0), begin - 3, top + 2)?;
        top += GAP;
    }
    area.present().map_err(|error| anyhow!("{error}"))?;
    Ok(())
}

fn bar(area: &Area, column: &Column, top: i32, share: f64) -> Result<()> {
    write(area, &column.name, (LEFT - 8, top + 1), 13, HPos::Right)?;
    let corners = [(LEFT, top + 1), (LEFT + length(share), top + BAR - 2)];
    let style = colour(column.program).filled();
    area.draw(&Rectangle::new(corners, style)).map_err(|error| anyhow!("{error}"))
}

/// The line that marks the yardstick.
fn line(area: &Area, x: i32, top: i32, bottom: i32) -> Result<()> {
    let path = PathElement::new(vec![(x, top), (x, bottom)], TEXT.stroke_width(1));
    area.draw(&path).map_err(|error| anyhow!("{error}"))
}

fn write(area: &Area, text: &str, at: (i32, i32), size: i32, side: HPos) -> Result<()> {
    let style =
        ("sans-serif", size).into_text_style(area).color(&TEXT).pos(Pos::new(side, VPos::Top));
    area.draw(&Text::new(text.to_owned(), at, style)).map_err(|error| anyhow!("{error}"))
}

fn length(share: f64) -> i32 {
    (share.clamp(0.0, LONGEST) * UNIT).round() as i32
}

/// Ours stands out; the others are of one brightness.
fn colour(program: Program) -> RGBColor {
    match program {
        Program::Wssgate => RGBColor(0x1f, 0x8f, 0x5f),
        Program::Nginx => RGBColor(0x5f, 0x7f, 0xb4),
        Program::Haproxy => RGBColor(0x7b, 0x76, 0xb8),
        Program::Hitch => RGBColor(0xa0, 0x76, 0x9c),
        Program::Floor => RGBColor(0x8c, 0x8c, 0x8c),
    }
}
