//! Numbers with units, as people read them.

/// Bytes with three digits: `812 B`, `1.13 MB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
pub(super) fn bytes(bytes: u64) -> String {
    if bytes < 1000 { format!("{bytes} B") } else { scaled(bytes as f64, ["kB", "MB", "GB", "TB"]) }
}

/// Bits a second with three digits: `640 b/s`, `1.79 Mb/s`.
pub(super) fn bit_rate(bits_per_s: f64) -> String {
    if bits_per_s < 1000.0 {
        format!("{bits_per_s:.0} b/s")
    } else {
        scaled(bits_per_s, ["kb/s", "Mb/s", "Gb/s", "Tb/s"])
    }
}

fn scaled(value: f64, units: [&str; 4]) -> String {
    let mut value = value / 1000.0;
    let mut unit = units[0];
    for next in units.iter().skip(1) {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    let decimals = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.decimals$} {unit}")
}

/// Seconds; from a minute on with hours and minutes as well.
pub(super) fn seconds(seconds: f64) -> String {
    const MINUTE_S: f64 = 60.0;
    const HOUR_S: f64 = 3600.0;
    // Rounded first: 59.9996 s is a minute.
    let seconds = (seconds * 1000.0).round() / 1000.0;
    if seconds < MINUTE_S {
        return format!("{seconds:.3} s");
    }
    let hours = (seconds / HOUR_S).floor();
    let minutes = ((seconds - hours * HOUR_S) / MINUTE_S).floor();
    let rest = seconds - hours * HOUR_S - minutes * MINUTE_S;
    if hours > 0.0 { format!("{hours}:{minutes:02}:{rest:06.3}") } else { format!("{minutes}:{rest:06.3}") }
}

/// `text` with control characters escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_direction_mark(letter) {
            safe.extend(letter.escape_unicode());
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// Characters that make text run the other way, and so a name look like another.
const fn is_direction_mark(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_enough() {
        for (value, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (99_960, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (1_128_375, "1.13 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(bytes(value), expected);
        }
        assert_eq!([bit_rate(640.0), bit_rate(1_790_000.0)], ["640 b/s", "1.79 Mb/s"]);
    }

    #[test]
    fn long_times_have_hours_and_minutes() {
        for (value, expected) in
            [(0.0213, "0.021 s"), (59.9996, "1:00.000"), (362.767, "6:02.767"), (36_005.5, "10:00:05.500")]
        {
            assert_eq!(seconds(value), expected);
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(printable("ü\u{202e}gpj.mp4"), "ü\\u{202e}gpj.mp4");
    }
}
