//! Numbers, sizes, times and strangers' words as a terminal may show them.

/// Names of sizes, 1024 times as large from one to the next.
const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// A number in groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A size in at most 8 columns: `1.5 KiB`.
pub(super) fn bytes(number: f64) -> String {
    let (mut number, mut unit) = (number, 0);
    while number >= 1023.95 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && number < 99.95);
    format!("{number:.digits$} {}", UNITS[unit])
}

/// The two largest units: `3 h 12 min`.
pub(super) fn time(seconds: u64) -> String {
    two_units(seconds, [" d", " h", " min", " s"], " ")
}

/// The same in at most 6 columns: `3h12m`.
pub(super) fn short_time(seconds: f64) -> String {
    // What is older than the universe is no time that a server knows.
    two_units(seconds.max(0.0) as u64, ["d", "h", "m", "s"], "")
}

fn two_units(seconds: u64, [day, hour, minute, second]: [&str; 4], between: &str) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 99 => format!("{days}{day}"),
        () if days > 0 => format!("{days}{day}{between}{}{hour}", hours % 24),
        () if hours > 0 => format!("{hours}{hour}{between}{}{minute}", minutes % 60),
        () if minutes > 0 => format!("{minutes}{minute}{between}{}{second}", seconds % 60),
        () => format!("{seconds}{second}"),
    }
}

/// What a stranger has written, without what a terminal would obey: control characters, and those that turn
/// the direction of writing or are not seen.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|one| if is_obeyed(one) { '\u{fffd}' } else { one }).collect()
}

fn is_obeyed(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_words_for_people() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567")]
        {
            assert_eq!(count(number), expected);
        }
        for (number, expected) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1024.0, "1.0 KiB"),
            (1_048_575.0, "1.0 MiB"),
            (524_288_000.0, "500 MiB"),
            (1e30, "888178419700125 PiB"),
        ] {
            assert_eq!(bytes(number), expected);
        }
        for (seconds, long, short) in [
            (0, "0 s", "0s"),
            (61, "1 min 1 s", "1m1s"),
            (11_520, "3 h 12 min", "3h12m"),
            (8_640_000 - 1, "99 d 23 h", "99d23h"),
            (8_640_000, "100 d", "100d"),
        ] {
            assert_eq!(
                (time(seconds).as_str(), short_time(seconds as f64).as_str()),
                (long, short)
            );
        }
        assert_eq!(short_time(-1.0), "0s");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(clean("/chat?ü=日本"), "/chat?ü=日本");
        assert_eq!(clean("\x1b[2J\r\n\x07\u{9b}1m"), "�[2J����1m");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{200b}d\u{feff}"), "a�b�c�d�");
    }
}
